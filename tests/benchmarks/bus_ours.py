"""Events with our own rig: bus_ours.py ANALYSER SWITCH. Answers as bus_public.py does; `prepare` also routes."""

from __future__ import annotations

import json
import sys
import time

from rheostat_hal.bench import load, with_resources
from rheostat_hal.bench_rig import open_rig
from rheostat_hal.values import Pulse

DEVICE = "A1"
PULSE = Pulse(0.3, 0.001)


def main() -> None:
    rig = open_rig(with_resources(load(None), sys.argv[1], sys.argv[2]))
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        word, count = line.split()
        if word == "prepare":
            rig.recover()
            rig.route(DEVICE)
            print(json.dumps({"prepared": True}), flush=True)
            continue
        start = time.perf_counter()
        for _ in range(int(count)):
            event = rig.apply(PULSE)
        seconds = time.perf_counter() - start
        print(json.dumps({"seconds": seconds, "resistance": event.resistances[-1]}), flush=True)


if __name__ == "__main__":
    main()

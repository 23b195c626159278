"""Events with our own rig: bus_ours.py ANALYSER SWITCH. Answers as bus_public.py does; `prepare` also routes.

"processor" is this process's own time, s. `bare N` sends the line of an event, N times, over a socket of its own and
waits for the answers, doing nothing else.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from typing import Any

from rheostat_hal.bench import load, with_resources
from rheostat_hal.bench_rig import BenchRig, open_rig
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
        if word == "bare":
            print(json.dumps({"processor": bare(rig, int(count))}), flush=True)
            continue
        start, busy = time.perf_counter(), time.process_time()
        for _ in range(int(count)):
            event = rig.apply(PULSE)
        answer = {"seconds": time.perf_counter() - start, "processor": time.process_time() - busy}
        print(json.dumps(answer | {"resistance": event.resistances[-1]}), flush=True)


def bare(rig: BenchRig, times: int) -> float:
    """s of the processor for `times` exchanges of the bytes of an event, its pulse timing sent before."""
    bus: Any = rig.analyser.bus
    write, lines, answered = bus.write, [], bus.reads
    bus.write = lambda line: (lines.append(line), write(line))
    rig.apply(PULSE)
    del bus.write
    (line,), answers = lines, bus.reads - answered
    _, host, port, _ = bus.resource.split("::")
    request = line.encode() + b"\r\n"
    with socket.create_connection((host, int(port))) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        busy = time.process_time()
        for _ in range(times):
            sock.sendall(request)
            left = answers
            while left:
                left -= sock.recv(4096).count(b"\n")
        return time.process_time() - busy


if __name__ == "__main__":
    main()

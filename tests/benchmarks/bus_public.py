"""Events with a public B1500A driver, in the environment that has it: bus_public.py qcodes|pymeasure RESOURCE

An event: a write pulse on T2 by its own SMU, then the current at 0.1 V, both as hardware-timed pulsed spots, with the
settings that do not change sent once. That is the fewest lines either driver needs. Each line `events N` on stdin
makes N of them and answers {"seconds": ..., "resistance": ...}, the resistance of the last read.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable

READ, WRITE, MEASURE, OTHER = 1, 2, 3, 4  # SMU channels of T1, T2, T3, T4
WIDTH = 0.001  # s
WRITE_VOLTAGE, READ_VOLTAGE, COMPLIANCE = 0.3, 0.1, 0.1
RANGE_20_V, RANGE_2_V, FIXED_10_MA = 12, 11, -18
ALL = (READ, WRITE, MEASURE, OTHER)
SETTINGS = [
    "*RST",
    f"CN {','.join(map(str, ALL))}",
    *(f"DV {channel},{RANGE_20_V},0,{COMPLIANCE}" for channel in ALL),
    "FMT 1,0",
    f"PT 0,{WIDTH},0.01",
    f"MM 3,{MEASURE}",
    f"RI {MEASURE},{FIXED_10_MA}",
]


def qcodes(resource: str) -> tuple[Callable[[], None], Callable[[], float]]:
    from qcodes.instrument_drivers.Keysight.keysightb1500 import KeysightB1500, MessageBuilder

    analyser = KeysightB1500("analyser", resource, visalib="@py")

    def prepare() -> None:
        for line in SETTINGS:
            analyser.write(line)

    def spot(channel: int, voltage_range: int, voltage: float) -> str:
        analyser.write(MessageBuilder().pv(channel, voltage_range, 0, voltage, COMPLIANCE).message)
        return str(analyser.ask(MessageBuilder().xe().message))

    return prepare, lambda: event(spot)


def pymeasure(resource: str) -> tuple[Callable[[], None], Callable[[], float]]:
    from pymeasure.instruments.agilent import AgilentB1500

    analyser = AgilentB1500(resource, visa_library="@py")

    def write(line: str) -> None:
        analyser.write(line)
        analyser.check_errors()

    def prepare() -> None:
        for line in SETTINGS:
            write(line)

    def spot(channel: int, voltage_range: int, voltage: float) -> str:
        write(f"PV {channel},{voltage_range},0,{voltage:g},{COMPLIANCE:g}")
        return str(analyser.ask("XE"))

    return prepare, lambda: event(spot)


def event(spot: Callable[[int, int, float], str]) -> float:
    spot(WRITE, RANGE_20_V, WRITE_VOLTAGE)
    datum = spot(READ, RANGE_2_V, READ_VOLTAGE)
    return READ_VOLTAGE / abs(float(datum.strip()[3:]))


def main() -> None:
    warnings.simplefilter("ignore")
    prepare, one = {"qcodes": qcodes, "pymeasure": pymeasure}[sys.argv[1]](sys.argv[2])
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        word, count = line.split()
        if word == "prepare":
            prepare()
            print(json.dumps({"prepared": True}), flush=True)
            continue
        start = time.perf_counter()
        for _ in range(int(count)):
            resistance = one()
        seconds = time.perf_counter() - start
        print(json.dumps({"seconds": seconds, "resistance": resistance}), flush=True)


if __name__ == "__main__":
    main()

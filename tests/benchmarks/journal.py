"""Events per second through the whole daemon: client, service, executor, drivers, virtual instruments, journal.

Three daemons run side by side and take turns: journal off, journal on, journal on with 4 ms added to every commit.
A round brings one device to HRS and then, timed from submission to result, through its window in one sweep.
"""

from __future__ import annotations

import contextlib
import functools
import time

import numpy as np

import rheostat
from tests.benchmarks.daemon import daemon
from tests.benchmarks.rows import Goal, Row, interleaved, medians

DEVICE = "A1"
TARGETS = 200
SETTINGS = {
    "journal on": {},
    "journal on, 4 ms added to every commit": {"RHEOSTAT_COMMIT_DELAY_S": "0.004"},
}
OFF = {"RHEOSTAT_JOURNAL": "off"}


def events_per_second(rig: rheostat.Rig) -> float:
    """An event is a write pulse and its read-verify."""
    rig.initialise([DEVICE], "HRS", wait=True)
    (low, high) = next(device.window for device in rig.devices() if device.name == DEVICE)
    targets = np.linspace(high, low, TARGETS + 2)[1:-1]
    begin = time.perf_counter()
    result = rig.program(targets, [DEVICE] * TARGETS, order="sweep").result()
    return result.job.pulses / (time.perf_counter() - begin)


def measure(rounds: int = 9) -> list[Row]:
    with contextlib.ExitStack() as stack:
        rigs = [stack.enter_context(daemon(variables)) for variables in (OFF, *SETTINGS.values())]
        for rig in rigs:
            rig.calibrate(DEVICE, wait=True)
            events_per_second(rig)  # the first one settles the size of the leases
        off, *on = medians(interleaved(rounds, [functools.partial(events_per_second, rig) for rig in rigs]))
    return [
        Row(f"events through the daemon, {name}", value, "1/s", "journal off", off, Goal(0.85, at_least=True))
        for name, value in zip(SETTINGS, on, strict=True)
    ]

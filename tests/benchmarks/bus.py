"""One event (write pulse and read-verify) on the bus: ours beside two public drivers, on the same virtual B1500A."""

from __future__ import annotations

import sys
from pathlib import Path

from rheostat_hal.virtual.launch import launch
from tests.benchmarks.proxy import CountingProxy
from tests.benchmarks.rows import Goal, Row, interleaved, medians
from tests.benchmarks.worker import Worker

ROOT = Path(__file__).resolve().parent.parent.parent
PUBLIC = ("QCoDeS", "PyMeasure")
WINDOW = (600.0, 1000.0)  # ohm: every driver must read the same device


def workers(analyser: str, switch: str) -> list[Worker]:
    bench_python = str(ROOT / ".venv-bench" / "bin" / "python")
    ours = Worker(sys.executable, "bus_ours.py", analyser, switch)
    return [ours, *(Worker(bench_python, "bus_public.py", name.lower(), analyser) for name in PUBLIC)]


def timed(worker: Worker, events: int) -> float:
    """s an event. Settings are sent before the clock runs: the drivers share the instrument in turn."""
    worker.ask("prepare 0")
    answer = worker.ask(f"events {events}")
    if not WINDOW[0] < answer["resistance"] < WINDOW[1]:
        raise RuntimeError(f"a driver reads {answer['resistance']:.1f} ohm: it does not see the device")
    return float(answer["seconds"]) / events


def measure(rounds: int = 9, events: int = 200) -> list[Row]:
    with_virtual = launch(None)
    proxy = CountingProxy(int(with_virtual.analyser.split("::")[2]))
    rows = []
    try:
        counts = []
        for worker in workers(proxy.resource, with_virtual.switch):
            with worker:
                worker.ask("prepare 0")
                before = (proxy.traffic.round_trips, proxy.traffic.sent)
                worker.ask(f"events {events}")
                counts.append([(now - then) / events for now, then in zip(_now(proxy), before, strict=True)])
        for which, what in enumerate(("bus round trips per event", "lines sent per event")):
            for name, count in zip(PUBLIC, counts[1:], strict=True):
                rows.append(Row(what, counts[0][which], "", name, count[which], Goal(0.5)))
        fleet = workers(with_virtual.analyser, with_virtual.switch)
        try:
            measures = [lambda worker=worker: timed(worker, events) for worker in fleet]
            ours, *public = (1e3 * value for value in medians(interleaved(rounds, measures)))
        finally:
            for worker in fleet:
                worker.__exit__(None, None, None)
        fastest = min(public)
        for name, value in zip(PUBLIC, public, strict=True):
            rows.append(Row("wall time per event", ours, "ms", name, value, Goal(0.2) if value == fastest else None))
    finally:
        proxy.close()
        with_virtual.close()
    return rows


def _now(proxy: CountingProxy) -> tuple[int, int]:
    return proxy.traffic.round_trips, proxy.traffic.sent

"""One event (write pulse and read-verify) on the bus: ours beside two public drivers, on the same virtual B1500A."""

from __future__ import annotations

import contextlib
import functools
import sys
from pathlib import Path

from rheostat_hal.virtual.launch import VirtualBench, launch
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
    """The default virtual bench holds the data of an XE for 5 ms, in case *OPC? follows, as GPIB would order them. Our
    line brings its own query and never waits for that; hence the second comparison, without it."""
    with launch(None) as virtual:
        rows = [*traffic(virtual), *wall_time(virtual, rounds, events // 4, "wall time per event")]
        rows.append(own_time(virtual, rounds, events))
    with launch(None, hold=0.0) as virtual:
        return [*rows, *wall_time(virtual, rounds, events, "wall time per event, data never held back")]


def traffic(virtual: VirtualBench, events: int = 20) -> list[Row]:
    """What crosses the bus, counted on the way."""
    proxy = CountingProxy(int(virtual.analyser.split("::")[2]))
    counts = []
    try:
        for worker in workers(proxy.resource, virtual.switch):
            with worker:
                worker.ask("prepare 0")
                before = proxy.traffic.round_trips, proxy.traffic.sent
                worker.ask(f"events {events}")
                after = proxy.traffic.round_trips, proxy.traffic.sent
                counts.append([(now - then) / events for now, then in zip(after, before, strict=True)])
    finally:
        proxy.close()
    ours, *public = counts
    return [
        Row(what, ours[which], "", name, count[which])
        for which, what in enumerate(("bus round trips per event", "lines sent per event"))
        for name, count in zip(PUBLIC, public, strict=True)
    ]


def own_time(virtual: VirtualBench, rounds: int, events: int) -> Row:
    """What our rig, driver and bus take of the processor beyond a bare exchange of an event's bytes. The least of the
    rounds: what else the machine does only adds."""
    with Worker(sys.executable, "bus_ours.py", virtual.analyser, virtual.switch) as ours:
        ours.ask("prepare 0")
        ours.ask("events 20")
        measures = [lambda word=word: float(ours.ask(f"{word} {events}")["processor"]) for word in ("events", "bare")]
        whole, bare = (1e3 * seconds / events for seconds in map(min, interleaved(rounds, measures)))
    name = "own processor time per event, least of the rounds"
    return Row(name, whole - bare, "ms", "bare socket, same bytes", bare, Goal(0.1, "value"))


def wall_time(virtual: VirtualBench, rounds: int, events: int, what: str) -> list[Row]:
    with contextlib.ExitStack() as stack:
        fleet = [stack.enter_context(worker) for worker in workers(virtual.analyser, virtual.switch)]
        measures = [functools.partial(timed, worker, events) for worker in fleet]
        ours, *public = (1e3 * seconds for seconds in medians(interleaved(rounds, measures)))
    fastest = min(public)
    return [
        Row(what, ours, "ms", name, value, Goal(0.2) if value == fastest else None)
        for name, value in zip(PUBLIC, public, strict=True)
    ]

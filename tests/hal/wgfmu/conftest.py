"""A crossbar of two-terminal devices on a virtual bench with a B1530A, in this process and in one of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ctypes import byref, c_int, create_string_buffer
from pathlib import Path
from typing import Any

import pytest

from rheostat_hal import bench
from rheostat_hal.bench import Bench
from rheostat_hal.bench_rig import BenchRig, open_rig
from rheostat_hal.virtual.launch import VirtualBench, launch
from rheostat_hal.virtual.parts import VirtualInstruments
from rheostat_hal.virtual.wgfmu.standin import StandIn

HEAD = """
name = "crossbar"
[limits]
max_voltage_v = 2.0
max_width_s = 1e-3
compliance_a = 0.01
max_energy_j = 1e-6
max_pulses_per_device = 100000
read_voltage_v = 0.1
[windows.hfs2]
lrs_ohm = 250
hrs_ohm = 450
levels = 16
[analyser]
[virtual]
model = "hfs2-2t"
seed = 3
[wgfmu]
channels = { row = 201, column = 202, others = 301 }
edge_s = 30e-9
[switch]
rows = { row = 1, column = 2, others = 3 }
chain = "external"
cards = { 1 = "3730" }
[lines]
"""


def crossbar(rows: int, columns: int) -> str:
    """A bench file of rows x columns devices, each called by its place: A11, A12, ..."""
    lines = [f"r{r} = '1{r:02d}'\n" for r in range(1, rows + 1)]
    lines += [f"c{c} = '1{rows + c:02d}'\n" for c in range(1, columns + 1)]
    places = [(r, c) for r in range(1, rows + 1) for c in range(1, columns + 1)]
    devices = [f"[[devices]]\nname = 'A{r}{c}'\nkind = 'hfs2'\nrow = 'r{r}'\ncolumn = 'c{c}'\n" for r, c in places]
    return HEAD + "".join(lines + devices)


Serve = Callable[..., tuple[Bench, VirtualInstruments]]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """serve(rows=1, columns=1, ...): a bench in this process, and the bench file's values with its resources."""
    running: list[VirtualInstruments] = []

    def start(rows: int = 1, columns: int = 1, **options: Any) -> tuple[Bench, VirtualInstruments]:
        path = tmp_path / "bench.toml"
        path.write_text(crossbar(rows, columns))
        chosen = bench.load(path)
        running.append(VirtualInstruments(chosen, **options))
        return bench.with_resources(chosen, **running[-1].resources), running[-1]

    yield start
    for each in running:
        each.close()


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bench, VirtualBench]]:
    """One device on a virtual bench that is a process of its own."""
    path = tmp_path_factory.mktemp("bench") / "bench.toml"
    path.write_text(crossbar(1, 1))
    with launch(path) as running:
        yield bench.with_resources(bench.load(path), running.analyser, running.switch, running.wgfmu), running


@pytest.fixture
def rig(process: tuple[Bench, VirtualBench]) -> Iterator[BenchRig]:
    """The device of `process`, routed."""
    opened = open_rig(process[0])
    opened.route("A11")
    yield opened
    opened.close()


class Raw:
    """The stand-in's functions without any driver: codes, and a few values."""

    def __init__(self, place: str) -> None:
        self.handle = StandIn(place)

    def __call__(self, name: str, *arguments: Any) -> int:
        return int(getattr(self.handle, f"WGFMU_{name}")(*arguments))

    def status(self) -> int:
        from ctypes import c_double

        status = c_int()
        assert self("getStatus", byref(status), byref(c_double()), byref(c_double())) == 0
        return status.value

    def summary(self) -> str:
        size = c_int()
        assert self("getErrorSummarySize", byref(size)) == 0
        text = create_string_buffer(size.value + 1)
        assert self("getErrorSummary", text, byref(size)) == 0
        return text.value.decode()


@pytest.fixture
def raw(serve: Serve) -> Raw:
    """The stand-in with a session, on a bench in this process."""
    _, instruments = serve()
    opened = Raw(instruments.resources["wgfmu"])
    assert opened("openSession", instruments.flex.resource.encode()) == 0
    return opened

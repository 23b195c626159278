"""The virtual bench as a process: starting, ending, keeping its state, and pyvisa as a client."""

from __future__ import annotations

import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
import pyvisa

from rheostat_hal.errors import BenchError, BusUnavailable
from rheostat_hal.virtual.die import Die
from rheostat_hal.virtual.launch import VirtualBench, launch
from tests.hal.virtual.conftest import A1, ON


@pytest.fixture(scope="module")
def virtual() -> VirtualBench:
    with launch(None) as started:
        yield started


def open_visa(resource: str, end: str) -> pyvisa.resources.MessageBasedResource:
    ends = {"read_termination": end, "write_termination": end}
    return pyvisa.ResourceManager("@py").open_resource(resource, timeout=5000, **ends)


def test_it_tells_its_resources_and_ends_with_its_input(virtual: VirtualBench) -> None:
    with launch("", seed=3) as other:
        assert other.analyser != virtual.analyser
        assert other.process.poll() is None
    assert other.process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_on_a_signal_and_keeps_its_state(tmp_path: Path, number: signal.Signals) -> None:
    state = tmp_path / "die.npz"
    with launch(None, state=state) as bench:
        bench.process.send_signal(number)
        assert bench.process.wait(10) == 0
    assert Die("tio2x-4t", 2025, 24).load(state)


def test_it_says_why_it_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(BusUnavailable, match=r"nowhere\.toml: cannot be read"):
        launch(tmp_path / "nowhere.toml")
    broken = tmp_path / "die.npz"
    broken.write_bytes(b"PK not a state")
    with pytest.raises(BusUnavailable, match=r"die\.npz cannot be read"):
        launch(None, state=broken)


def test_a_port_that_is_taken_is_named(virtual: VirtualBench) -> None:
    taken = virtual.analyser.split("::")[2]
    command = [sys.executable, "-m", "rheostat_hal.virtual", "--flex-port", taken]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stdout.startswith("error ")
    assert "in use" in done.stdout


def test_the_die_is_the_same_after_a_restart(tmp_path: Path) -> None:
    state = tmp_path / "die.npz"
    read = "DV 1,5,0.1,0.1;TI 3,-17;DV 1,5,0"

    def visit(pulse: str) -> float:
        with launch(None, state=state, seed=7) as bench:
            switch, analyser = open_visa(bench.switch, "\n"), open_visa(bench.analyser, "\r\n")
            switch.query(f"channel.close('{','.join(A1)}') print('ready')")
            analyser.write(f"{ON};AAD 3,1;AIT 1,1,100")
            if pulse:
                analyser.write(pulse)
            reading = float(analyser.query(read)[3:])
            analyser.close()
            switch.close()
            return 0.1 / abs(reading)

    fresh = visit("")
    written = visit("DV 2,200,7,0.1;DV 4,200,7,0.1;PA 20;DV 2,200,0;DV 4,200,0")
    kept = visit("")
    assert written < fresh - 5.0
    assert kept == pytest.approx(written, abs=2.0)  # another closure, another contact


def test_a_state_of_another_seed_is_not_taken(tmp_path: Path) -> None:
    state = tmp_path / "die.npz"
    Die("tio2x-4t", 1, 24).save(state, 0)
    assert not Die("tio2x-4t", 2, 24).load(state)
    assert not Die("tio2x-4t", 1, 23).load(state)
    assert Die("tio2x-4t", 1, 24).load(state)


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(BenchError, match="no model is called 'magic'"):
        Die("magic", 1, 4)


def test_a_client_that_leaves_nagle_on_does_not_stall(virtual: VirtualBench) -> None:
    analyser = open_visa(virtual.analyser, "\r\n")
    took = []
    for _ in range(30):
        began = time.monotonic()
        analyser.write("TSR")
        assert analyser.query("ERRX?") == '+0,"No Error."'
        took.append(time.monotonic() - began)
    analyser.close()
    assert statistics.median(took) < 0.02


def test_pyvisa_reads_the_data_and_the_reply_of_one_line(virtual: VirtualBench) -> None:
    analyser = open_visa(virtual.analyser, "\r\n")
    analyser.clear()
    analyser.write(f"{ON};MM 1,1,2")
    assert analyser.query("XE;ERRX?") == '+0,"No Error."'
    assert [item[:3] for item in analyser.read().split(",")] == ["NAI", "NBI"]
    assert analyser.query("CL;*LRN? 0") == "CL"
    analyser.close()


def test_the_launcher_is_light_to_import() -> None:
    code = "import sys, rheostat_hal.virtual.launch; print([m for m in ('numpy', 'numba', 'lupa') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_modules_other_than_the_bench_needs_are_served_with_their_cables_loose() -> None:
    command = [sys.executable, "-m", "rheostat_hal.virtual", "--modules", "B1517A,B1517A,B1530A", "--until-eof"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = dict(line.split() for line in iter(process.stdout.readline, "ready\n"))
        with open_visa(said["analyser"], "\r\n") as analyser:
            assert analyser.query("UNT?").startswith("B1517A,0;B1517A,0;B1530A,0;0,0")
        process.stdin.close()
        assert process.wait(20) == 0


def test_time_is_let_pass_and_told_through_its_pipe(tmp_path: Path) -> None:
    state = tmp_path / "die.npz"
    with launch(None, state=state) as bench:
        began = bench.let_pass(0.0)
        asked = time.monotonic()
        assert bench.let_pass(1e6) == pytest.approx(began + 1e6)
        assert time.monotonic() - asked < 5.0
        assert bench.process.poll() is None
    with pytest.raises(BusUnavailable, match="has ended"):
        bench.let_pass(1.0)
    with launch(None, state=state) as again:  # its clock goes on where it was
        assert again.let_pass(0.0) >= began + 1e6


def test_in_real_time_no_time_is_let_pass() -> None:
    with launch(None, real_time=True) as bench:
        began = bench.let_pass(0.0)
        assert bench.let_pass(1e6) < began + 60.0


def test_what_it_does_not_understand_it_says(virtual: VirtualBench) -> None:
    with pytest.raises(BusUnavailable, match="pass SECONDS"):
        virtual.let_pass(-1.0)

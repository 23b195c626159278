"""`rheostatd doctor` as people start it, on instruments that are processes of their own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from rheostat.local import LocalDaemon
from rheostat_hal import bench
from rheostat_hal.bench_rig import analyser_bus, switch_bus
from rheostat_hal.virtual.launch import VirtualBench, launch
from rheostatd.command import run

DOCTOR = [sys.executable, "-m", "rheostatd", "doctor"]


def bench_file(folder: Path, instruments: VirtualBench) -> Path:
    """The embedded bench, but on these instruments, as if they were real."""
    text = resources.files("rheostat_hal").joinpath("embedded.toml").read_text()
    head, rest = text.split("[virtual]")
    text = head + rest[rest.index("[[devices]]") :]
    text = text.replace("[analyser]", f'[analyser]\nresource = "{instruments.analyser}"')
    path = folder / "bench.toml"
    path.write_text(text.replace("[switch]", f'[switch]\nresource = "{instruments.switch}"'))
    return path


@pytest.fixture(scope="module")
def instruments() -> Iterator[VirtualBench]:
    """Instruments that nobody has started for a daemon."""
    with launch(None) as started:
        yield started


@pytest.fixture
def file(tmp_path: Path, instruments: VirtualBench) -> Path:
    return bench_file(tmp_path, instruments)


def doctor(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*DOCTOR, *arguments], capture_output=True, text=True, timeout=120, check=False)


def is_safe(file: Path) -> bool:
    """What the instruments themselves say: outputs off, relays open."""
    chosen = bench.load(file)
    analyser, switch = analyser_bus(chosen), switch_bus(chosen)
    said = analyser.query("*LRN? 0", 5.0), switch.query("print(channel.getclose('allslots'))", 5.0)
    analyser.close()
    switch.close()
    return said == ("CL", "nil")


def test_a_healthy_bench_ends_in_status_0_and_a_line_for_each_check(tmp_path: Path) -> None:
    record = tmp_path / "dialogue.txt"
    ended = doctor("--devices", "A1,F4", "--record", str(record))
    assert ended.returncode == 0, ended
    assert ended.stderr == ""
    lines = ended.stdout.splitlines()
    assert len(lines) == 16
    assert all(line.startswith("ok    ") for line in lines)
    assert "device F4" in ended.stdout
    assert record.read_text().count("*CAL?") == 1


def test_json_is_an_object_a_line_and_a_failure_status_1(file: Path) -> None:
    file.write_text(file.read_text().replace('6 = "3730" }', '6 = "3731" }'))
    ended = doctor("--config", str(file), "--json")
    assert ended.returncode == 1, ended
    found: dict[str, Any] = {check["name"]: check for check in map(json.loads, ended.stdout.splitlines())}
    assert {name for name, check in found.items() if check["status"] != "ok"} == {"cards"}
    assert found["cards"]["error"] == "instrument.identity"
    assert found["cards"]["text"] == "switch: 0 slot 6 holds 3730, the bench says 3731"
    assert found["analyser identity"]["values"]["model"] == "B1500A"


def test_an_open_circuit_is_null_in_json(file: Path) -> None:
    """In the file T2 of A1 and A2 are exchanged."""
    text = file.read_text()
    swapped = text.replace("1202", "1@").replace("1206", "1202").replace("1@", "1206")
    file.write_text(swapped)
    ended = doctor("--config", str(file), "--json", "--devices", "A1")
    assert ended.returncode == 1
    found = {check["name"]: check for check in map(json.loads, ended.stdout.splitlines())}
    assert found["device A1"]["values"]["between_ohm"]["T1-T2"] is None
    assert "T2 is open" in found["device A1"]["text"]


def test_a_daemon_that_holds_the_instruments_is_named(file: Path, tmp_path: Path) -> None:
    with LocalDaemon(tmp_path / "data", config=file) as daemon:
        daemon.ready(timeout=120.0)
        ended = doctor("--config", str(file))
    assert ended.returncode == 3
    assert len(ended.stderr.splitlines()) == 1
    assert "is held by the daemon with pid" in ended.stderr


def stopped(file: Path, after: str, number: int) -> tuple[int, str]:
    """Status and stderr of a doctor that got a signal once it had said a line."""
    process = subprocess.Popen(
        [*DOCTOR, "--config", str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    while after not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(number)
    said = process.communicate(timeout=15)[1]  # less than the self-test takes
    return process.returncode, said


STOPPED = (1, "rheostatd doctor: stopped; the bench is safe\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_relays_move_leaves_the_bench_safe(file: Path, number: int) -> None:
    assert stopped(file, "device A1", number) == STOPPED
    assert is_safe(file)


def test_a_signal_during_the_self_test_does_not_wait_for_its_end(tmp_path: Path) -> None:
    with launch(None, real_time=True) as instruments:
        file = bench_file(tmp_path, instruments)
        assert stopped(file, "safe state", signal.SIGINT) == STOPPED
        assert is_safe(file)


class Signals:
    """Nobody wants it to end."""

    asked = None

    def tell(self, told: object) -> None: ...


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["docter"], "rheostatd: unknown: docter; did you mean 'doctor'? ("),
        (["--recrod", "x"], "rheostatd: unknown: --recrod; did you mean '--record'? ("),
        (["--port", "x"], "rheostatd: argument --port: invalid int value: 'x'\n"),
        (["doctor", "--jsn"], "rheostatd doctor: unknown: --jsn; did you mean '--json'? ("),
        (["doctor", "--devices", "A11"], "rheostatd: --devices: no device 'A11' on this bench: did you mean 'A1'? ("),
        (["doctor", "--config", "nowhere.toml"], "rheostatd: nowhere.toml: cannot be read: "),
    ],
)
def test_a_mistyped_command_line_is_one_line_that_helps(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = run(Signals(), arguments)  # type: ignore[arg-type]
    except SystemExit as end:
        status = end.code  # type: ignore[assignment]
    assert status == 2
    told = capsys.readouterr().err
    assert told.startswith(said)
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["--help"], ["doctor", "--help"]])
def test_help_shows_examples_and_exit_statuses(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        run(Signals(), arguments)  # type: ignore[arg-type]
    assert end.value.code == 0
    told = capsys.readouterr().out
    assert "rheostatd doctor --config bench.toml" in told
    assert "exit status: 0" in told

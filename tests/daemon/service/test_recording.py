"""`rheostatd --record FILE`: what it writes, and that it plays back as it is."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from rheostat import wire
from rheostat_hal import bench
from rheostat_hal.bench_rig import BenchRig, analyser_bus, switch_bus
from rheostat_hal.bus_replay import Dialogue, steps
from rheostat_hal.virtual.parts import VirtualInstruments
from rheostatd import messages
from rheostatd.command import run
from rheostatd.errors import ConfigError
from rheostatd.executor import loop
from rheostatd.executor.control import Control
from rheostatd.executor.estop import Guard
from rheostatd.recording import Recording, claim
from tests.hal.dialogues.play import perform

READ = wire.Read(devices=("A1", "F4"), readings=3)
INITIALISE = wire.Initialise(devices=("B2",), state="LRS")


@pytest.fixture
def recorded(tmp_path: Path, daemon_process: Any) -> Iterator[Callable[..., Any]]:
    """Starts the daemon with `--record tmp_path/dialogue.txt`."""
    started = []

    def start(*arguments: str) -> Any:
        data = tmp_path / "data"
        command = [sys.executable, "-m", "rheostatd", "--data", str(data), "--port", "0"]
        started.append(daemon_process([*command, "--record", str(tmp_path / "dialogue.txt"), *arguments], data))
        return started[-1]

    yield start
    for daemon in started:
        if daemon.process.poll() is None:
            daemon.stop()


def play_back(
    text: str, folder: Path, monkeypatch: pytest.MonkeyPatch, *commands: messages.Command
) -> dict[str, tuple[messages.Finished, wire.Arrays]]:
    """An executor in this process, its instruments played by the dialogue: what it says of each job's end."""
    dialogue = Dialogue(text)

    def open_rig(chosen: bench.Bench, record: object) -> BenchRig:
        rig = BenchRig(chosen, dialogue.bus("analyser"), dialogue.bus("switch"))
        dialogue.interrupt = rig.abort
        rig.recover()
        return rig

    monkeypatch.setattr(loop, "open_rig", open_rig)
    service = zmq.Context.instance().socket(zmq.PAIR)
    service.linger = 0
    guard = Guard()
    guard.start()
    control = Control(f"tcp://127.0.0.1:{service.bind_to_random_port('tcp://127.0.0.1')}")
    ended: dict[str, tuple[messages.Finished, wire.Arrays]] = {}

    def command_all() -> None:
        for command in commands:
            service.send_multipart(messages.pack(command))
            answer: Any = None
            while not isinstance(answer, messages.Finished | messages.Recovered):
                if not service.poll(30_000):
                    break
                answer, arrays = messages.unpack_report(service.recv_multipart())
            if isinstance(answer, messages.Finished):
                ended[answer.job_id] = answer, arrays
        service.send_multipart(messages.pack(messages.Shutdown()))

    thread = threading.Thread(target=command_all, daemon=True)
    try:
        with loop.opened(control, guard, messages.Open("", str(folder))) as station:
            thread.start()
            loop.serve(station, ())
        thread.join(30)
        return ended
    finally:
        control.close()
        service.close()
        guard.close()


def test_a_recorded_dialogue_plays_back_against_the_drivers_and_another_virtual_bench(
    recorded: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = recorded()
    told = {}
    for job_id, spec in (("reading", READ), ("initialising", INITIALISE)):
        daemon.call(wire.Submit(job_id=job_id, spec=spec))
        assert daemon.call.wait(job_id, timeout=60.0).state is wire.JobState.DONE
        daemon.call(wire.GetResult(job_id=job_id))
        told[job_id] = daemon.call.arrays
    assert daemon.stop() == 0
    text = (tmp_path / "dialogue.txt").read_text()
    check_header([line for line in text.splitlines() if line.startswith("#")])

    jobs = messages.Run("reading", READ), messages.Run("initialising", INITIALISE)
    again = play_back(text, tmp_path / "again", monkeypatch, *jobs)
    assert np.array_equal(again["reading"][1]["resistance"], told["reading"]["resistance"])
    for name in ("achieved", "pulses", "outcome", "energy"):
        assert np.array_equal(again["initialising"][1][name], told["initialising"][name]), name

    instruments = VirtualInstruments(bench.load(None))
    placed = bench.with_resources(bench.load(None), instruments.flex.resource, instruments.tsp.resource)
    buses = {"analyser": analyser_bus(placed), "switch": switch_bus(placed)}
    perform(text, buses)
    for bus in buses.values():
        bus.close()
    instruments.close()


def check_header(comments: list[str]) -> None:
    """Date, version, bench, and who answered with which firmware."""
    assert comments[0].startswith("# dialogue of rheostat 0.")
    assert comments[0].endswith(" with the bench tio2x-die-virtual")
    assert comments[1].startswith("# analyser: TCPIP0::127.0.0.1::")
    assert comments[2].startswith("# switch: TCPIP0::127.0.0.1::")
    assert time.strptime(comments[3], "# %Y-%m-%d %H:%M:%S UTC")
    said = "\n".join(comments)
    assert "# analyser: Agilent Technologies B1500A, serial 0, firmware A.06.02.2023.0401; slot 1 B1517A;" in said
    assert "# switch: KEITHLEY INSTRUMENTS INC. 3706A-SNFP, serial 04447336, firmware 01.56a; slot 1 3730;" in said


def test_an_emergency_stop_in_a_write_pulse_plays_back(
    recorded: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caller: Any
) -> None:
    file = tmp_path / "dialogue.txt"
    daemon = recorded("--real-time")
    estop = caller(daemon.call(wire.GetStatus()).estop)
    daemon.call(wire.Submit(job_id="stopped", spec=INITIALISE))
    end = time.monotonic() + 30.0
    while "MCPNX" not in file.read_text():
        assert time.monotonic() < end
        time.sleep(0.02)
    assert estop(wire.EmergencyStop(reason="test")) == wire.Ok()
    estop.socket.close()
    assert daemon.call.wait("stopped").state is wire.JobState.FAILED
    assert daemon.call(wire.Recover()) == wire.Ok()
    daemon.call(wire.Submit(job_id="after", spec=READ))
    assert daemon.call.wait("after").state is wire.JobState.DONE
    assert daemon.stop() == 0
    text = file.read_text()
    assert [of for of, step in steps(text) if step == "! aborted"] == ["analyser", "switch"]
    commands = messages.Run("stopped", INITIALISE), messages.Recover(1), messages.Run("after", READ)
    again = play_back(text, tmp_path / "again", monkeypatch, *commands)
    assert again["stopped"][0].error_code == "bus.aborted"
    assert again["after"][0].state is wire.JobState.DONE


def test_a_killed_executor_leaves_its_dialogue_whole_and_the_next_goes_on_in_the_file(
    recorded: Callable[..., Any], tmp_path: Path
) -> None:
    daemon = recorded()
    os.kill(daemon.executor_pid(), signal.SIGKILL)
    end = time.monotonic() + 30.0
    while (text := (tmp_path / "dialogue.txt").read_text()).count("# switch: KEITHLEY") < 2:
        assert time.monotonic() < end, text
        time.sleep(0.05)
    assert daemon.stop() == 0
    assert text.count("# dialogue of rheostat") == 2
    assert text.count('analyser > *RST;ERRX?\nanalyser < +0,"No Error."\n') == 2


def test_a_file_that_exists_is_left_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "dialogue.txt"
    file.write_text("# mine\n")
    assert run(Signals(), ["--data", str(tmp_path / "data"), "--port", "0", "--record", str(file)]) == 2
    assert capsys.readouterr().err == f"rheostatd: --record: {file} exists and is left as it is: name another file\n"
    assert file.read_text() == "# mine\n"


class Signals:
    """Nobody wants the daemon to end."""

    asked = None


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "nowhere" / "dialogue.txt"
    assert run(Signals(), ["--data", str(tmp_path / "data"), "--port", "0", "--record", str(file)]) == 2
    assert capsys.readouterr().err == f"rheostatd: --record: {file} cannot be written: No such file or directory\n"


def test_an_empty_file_is_taken(tmp_path: Path) -> None:
    claim(tmp_path / "dialogue.txt")
    claim(tmp_path / "dialogue.txt")
    with pytest.raises(ConfigError, match="Is a directory"):
        claim(tmp_path)


def test_a_disk_that_is_full_ends_the_recording_and_nothing_else() -> None:
    recording = Recording(Path("/dev/full"), bench.load(None))
    recording("analyser > DZ")
    recording.close()
    recording("analyser > DZ")


def test_times_stand_in_comments_once_a_second(tmp_path: Path) -> None:
    file = tmp_path / "dialogue.txt"
    times = iter((1.0e9, 1.0e9 + 0.4, 1.0e9 + 1.2))
    recording = Recording(file, bench.load(None), clock=lambda: next(times))
    for line in ("a > 1", "a > 2", "a > 3"):
        recording(line)
    recording.close()
    body = file.read_text().split("\n", 3)[3]
    assert body == "# 2001-09-09 01:46:40 UTC\na > 1\na > 2\n# 2001-09-09 01:46:41 UTC\na > 3\n"

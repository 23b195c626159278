"""Bad input gets a clear answer and loses nothing: the message, and what the journal holds afterwards."""

from __future__ import annotations

import contextlib
import math
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rheostat import wire

State = wire.JobState
NOWHERE = "TCPIP0::127.0.0.1::1::SOCKET"


def journal(data: Path) -> tuple[list[str], list[str]]:
    """Everything in it: the jobs as SQL, and the names of the arrays."""
    with contextlib.closing(sqlite3.connect(data / "jobs.db")) as connection:
        jobs = list(connection.iterdump())
    return jobs, sorted(path.name for path in (data / "arrays").rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory, start: Callable[..., Any]) -> Any:
    """One daemon for all requests that change nothing."""
    return start(tmp_path_factory.mktemp("lasting") / "data")


# ---- requests: sent past the client, which would refuse most of them itself ----------------------------------------


@pytest.mark.parametrize(
    ("fields", "code", "said"),
    [
        ({"targets": (math.nan, 790.0)}, "request.bad_targets", "target 0 (device A1) is nan"),
        ({"targets": (800.0, math.inf)}, "request.bad_targets", "target 1 (device A2) is inf"),
        ({"targets": (800.0, -math.inf)}, "request.bad_targets", "target 1 (device A2) is -inf"),
        ({"targets": (950.0, 790.0)}, "request.bad_targets", "740 to 880 ohm) is 950 ohm"),
        ({"targets": (0.00125, 790.0)}, "request.bad_targets", "is 0.00125 ohm"),  # siemens by mistake
        ({"targets": (800.0, 790.0, 780.0)}, "request.bad_targets", "targets (3,) and device (2,)"),
        ({"targets": (), "device": ()}, "request.bad_targets", "not empty"),
        ({"shape": (3, 5)}, "request.bad_targets", "does not hold 2 targets"),
        ({"devices": ("A1", "A9")}, "request.unknown_device", "no device 'A9'; did you mean"),
        ({"scheme": "fpp"}, "request.unknown_scheme", "no scheme 'fpp'; did you mean 'ffp'?"),
        ({"parameters": {"max_voltage_v": 100.0}}, "request.bad_parameter", "no parameter 'max_voltage_v'"),
        ({"max_pulses": 0}, "request.bad_parameter", "max_pulses 0"),
        ({"tolerance": math.nan}, "request.bad_parameter", "tolerance nan"),
    ],
)
def test_a_wrong_job_is_refused_and_the_journal_stays_as_it_was(
    lasting: Any, program: Any, fields: dict[str, Any], code: str, said: str
) -> None:
    daemon = lasting
    daemon.call(*program("before"))
    assert daemon.call.wait("before").state is State.DONE
    kept, sequence = journal(daemon.data), daemon.call(wire.GetStatus()).sequence
    refused = daemon.call(*program("wrong", **fields))
    assert isinstance(refused, wire.Failure), refused
    assert (refused.code, said in refused.message) == (code, True), refused.message
    assert journal(daemon.data) == kept
    assert daemon.call(wire.GetStatus()).sequence == sequence  # nobody has been told of it either
    assert daemon.call(wire.GetJob(job_id="wrong")).code == "request.unknown_job"


@pytest.mark.parametrize(
    "spec",
    [
        wire.Calibrate(device="A1", voltages=(1.0, 7.1)),
        wire.Calibrate(device="A1", width=2.1),
    ],
)
def test_a_client_cannot_ask_for_more_than_the_limits_of_the_bench(lasting: Any, spec: wire.Calibrate) -> None:
    kept = journal(lasting.data)
    refused = lasting.call(wire.Submit(job_id="wrong", spec=spec))
    assert refused.code == "limit.exceeded"
    assert "the bench allows write pulses up to" in refused.message
    assert journal(lasting.data) == kept


def test_a_job_sent_twice_is_in_the_journal_once_and_unchanged(daemon: Any, program: Any) -> None:
    daemon.call(*program("one"))
    done = daemon.call.wait("one")
    kept = journal(daemon.data)
    assert daemon.call(*program("one")) == done
    conflict = daemon.call(*program("one", targets=(801.0, 790.0)))
    assert conflict.code == "request.conflict"
    assert "'one'" in conflict.message
    assert journal(daemon.data) == kept


def test_large_targets_that_are_refused_leave_no_array_behind(lasting: Any, program: Any) -> None:
    daemon = lasting
    targets = np.full(200_000, 800.0)
    targets[-1] = math.nan
    kept = journal(daemon.data)
    refused = daemon.call(*program("wrong", targets=targets, device=np.zeros(targets.size)))
    assert "target 199999 (device A1) is nan" in refused.message
    assert journal(daemon.data) == kept


# ---- benches: a daemon that cannot begin, on the journal of an earlier one -----------------------------------------


class Impostor:
    """Answers every line on a loopback port with the same words, or with nothing."""

    def __init__(self, words: bytes) -> None:
        self._words = words
        self._server = socket.create_server(("127.0.0.1", 0))
        self.resource = f"TCPIP0::127.0.0.1::{self._server.getsockname()[1]}::SOCKET"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed: over
            while True:
                connection, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            while connection.recv(4096):
                connection.sendall(self._words)

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def impostor() -> Iterator[Callable[[bytes], str]]:
    """Starts one; its resource."""
    started: list[Impostor] = []

    def start(words: bytes) -> str:
        started.append(Impostor(words))
        return started[-1].resource

    yield start
    for one in started:
        one.close()


def bench(folder: Path, change: Callable[[str], str]) -> Path:
    text = resources.files("rheostat_hal").joinpath("embedded.toml").read_text()
    changed = change(text)
    assert changed != text
    path = folder / "bench.toml"
    path.write_text(changed)
    return path


def real(analyser: str, switch: str) -> Callable[[str], str]:
    """The same bench on given instruments."""

    def change(text: str) -> str:
        head, rest = text.split("[virtual]")
        text = (head + rest[rest.index("[[devices]]") :]).replace("[analyser]", f'[analyser]\nresource = "{analyser}"')
        return text.replace("[switch]", f'[switch]\nresource = "{switch}"')

    return change


def without_limits(text: str) -> str:
    return text[: text.index("[limits]")] + text[text.index("[windows") :]


@pytest.fixture
def earlier(serve: Callable[..., Any], program: Any) -> Path:
    """A data folder with a job that is done and one that waits."""
    daemon = serve()
    daemon.call(*program("done"))
    daemon.call.wait("done")
    daemon.call(wire.Pause())
    daemon.call(*program("waits"))
    daemon.stop()
    folder: Path = daemon.data
    return folder


def refuses(data: Path, path: Path) -> tuple[int, str]:
    """The exit status and the last line of a daemon on this bench file. What it leaves in the journal is compared."""
    kept = journal(data)
    command = [sys.executable, "-m", "rheostatd", "--config", str(path), "--data", str(data), "--port", "0"]
    began = time.monotonic()
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert time.monotonic() - began < 30.0
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    assert journal(data) == kept
    assert not (data / "daemon.lock").exists()
    return ended.returncode, ended.stderr.splitlines()[-1]


def test_a_wrong_bench_file_is_refused_and_the_journal_stays_as_it_was(
    earlier: Path, tmp_path: Path, serve: Callable[..., Any]
) -> None:
    for change, said in (
        (lambda text: text.replace("[switch]", "[switch]\nspeed = 3"), "[switch] speed: is not"),
        (lambda text: text.replace('T1 = "1105"', 'T1 = "1101"'), "channel 1101 is used twice, also by A1 T1"),
        (without_limits, "limits: is missing"),
    ):
        status, last = refuses(earlier, bench(tmp_path, change))
        assert status == 2
        assert last.startswith("rheostatd: ")
        assert str(tmp_path / "bench.toml") in last
        assert said in last
    again = serve()
    assert again.call(wire.GetJob(job_id="waits")).state is State.QUEUED
    again.call(wire.Resume())
    assert again.call.wait("waits").state is State.DONE


def test_an_absent_instrument_is_named_and_the_journal_stays_as_it_was(earlier: Path, tmp_path: Path) -> None:
    status, last = refuses(earlier, bench(tmp_path, real(NOWHERE, NOWHERE.replace("::1::", "::2::"))))
    assert status == 4
    assert last.startswith("rheostatd: the rig cannot be opened: ")
    assert NOWHERE in last


@pytest.mark.parametrize("words", [b"ACME,Toaster 3000,17,1.0\r\n", b"\xff\xfe\x00\r\n", b""])
def test_an_instrument_that_answers_something_else_is_named_and_the_journal_stays_as_it_was(
    earlier: Path, tmp_path: Path, impostor: Callable[[bytes], str], words: bytes
) -> None:
    resource = impostor(words)
    status, last = refuses(earlier, bench(tmp_path, real(resource, impostor(words))))
    assert status == 4
    assert last.startswith("rheostatd: the rig cannot be opened: ")
    assert resource in last or "analyser" in last.lower() or "B1500A" in last, last
    if b"Toaster" in words:
        assert "Toaster 3000" in last

"""What client/PROTOCOL.md shows is what the daemon speaks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from rheostat import wire

PAGE = (Path(__file__).parents[3] / "client" / "PROTOCOL.md").read_text(encoding="utf-8")
HEX = re.compile(r"(?:[0-9a-f]{2} )*[0-9a-f]{2}(?=\s{3}|$)")


def example(name: str) -> list[bytes]:
    """The frames of one example: what stands left of the comments."""
    block = re.search(rf"```hex {name}\n(.*?)```", PAGE, re.DOTALL)
    assert block, name
    frames = [b""]
    for line in block[1].splitlines():
        if line.startswith("--"):
            frames.append(b"")
            continue
        found = HEX.match(line)
        assert found, line
        frames[-1] += bytes.fromhex(found[0])
    return frames


def test_the_example_requests_are_requests() -> None:
    assert wire.unpack_request(wire.unpack_header(example("status")[0])) == wire.GetStatus()
    header = wire.unpack_header(example("submit")[0])
    arrays = wire.unpack_arrays(header, example("submit")[1:])
    spec = wire.Program(devices=("A1",), tolerance=0.137)
    assert wire.unpack_request(header) == wire.Submit(job_id="demo-1", spec=spec)
    np.testing.assert_array_equal(arrays["targets"], [800.0])
    np.testing.assert_array_equal(arrays["device"], [0])


def test_the_example_answers_are_those_of_the_daemon() -> None:
    failure = wire.Failure(code="request.unknown_job", message="no job 'x'")
    assert example("failure") == [bytes(frame) for frame in wire.pack(failure, 9)]
    event = wire.Event(sequence=12, time=1.5, name="job.queued", job_id="demo-1", data={"total": 1})
    assert example("event") == [wire.pack_event(event)]


def test_the_example_job_is_taken_by_a_daemon(daemon: Any) -> None:
    daemon.call.socket.send_multipart(example("submit"))
    number, job, _ = daemon.call.receive()
    assert (number, job.job_id, job.state) == (8, "demo-1", wire.JobState.QUEUED)


@pytest.mark.parametrize("kind", [*wire.Request.__args__, *wire.Spec.__args__], ids=lambda kind: kind.__name__)
def test_every_request_and_every_key_of_it_is_on_the_page(kind: Any) -> None:
    assert f"`{kind.__struct_config__.tag}`" in PAGE
    for field in msgspec.structs.fields(kind):
        assert f"`{field.name}`" in PAGE, field.name


def test_every_outcome_and_state_is_on_the_page() -> None:
    for outcome in wire.Outcome:
        assert f"{outcome.value} {outcome.name.lower().replace('_', ' ')} |" in PAGE
    for state in wire.JobState:
        assert f"`{state.value}`" in PAGE

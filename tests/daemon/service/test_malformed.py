"""Nothing that comes over a socket stops the daemon, and whatever can be answered is."""

from __future__ import annotations

import os
import random
from typing import Any

import msgspec
import numpy as np
import pytest
import zmq
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rheostat import wire


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, start: Any) -> Any:
    """One daemon for all of them: it has to stand them in a row."""
    return start(tmp_path_factory.mktemp("malformed") / "data")


def raw(daemon: Any, *frames: bytes) -> wire.Failure:
    daemon.call.socket.send_multipart(frames)
    _, reply, _ = daemon.call.receive()
    assert isinstance(reply, wire.Failure), reply
    return reply


def header(body: Any, *, version: int = wire.VERSION, arrays: tuple[Any, ...] = ()) -> bytes:
    return msgspec.msgpack.encode({"version": version, "number": 7, "body": body, "arrays": arrays})


def described(**fields: Any) -> dict[str, Any]:
    return {"name": "targets", "dtype": "<f8", "shape": (1,), "sha256": b"", **fields}


@pytest.mark.parametrize(
    ("frames", "said"),
    [
        ([b"\xff\xff"], "Expected `object`"),
        ([b"x" * (wire.MAX_HEADER_BYTES + 1)], "header of 1048577 bytes"),
        ([header({"op": "status"}, version=2)], "protocol version 2"),
        ([header({"op": "explode"})], "explode"),
        ([header({"op": "job"})], "job_id"),
        ([header({"op": "job", "job_id": 3})], "Expected `str`"),
        ([header({"op": "status", "surprise": 1})], "surprise"),
        ([header({"op": "status"}), b"frame"], "0 arrays announced, 1 frames came"),
        ([header({"op": "status"}, arrays=(described(),))], "1 arrays announced, 0 frames came"),
    ],
)
def test_what_is_not_of_the_protocol_is_refused_with_a_reason(daemon: Any, frames: list[bytes], said: str) -> None:
    refused = raw(daemon, *frames)
    assert refused.code == "wire.malformed"
    assert said in refused.message
    assert isinstance(daemon.call(wire.GetStatus()), wire.Status)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (described(dtype="|O"), "not allowed"),
        (described(shape=(-1,)), "not allowed"),
        (described(shape=(0, 1 << 62)), "not allowed"),
        (described(shape=(1,) * 40), "40 dimensions"),
        (described(shape=(1 << 27,)), "8 bytes came, 1073741824 announced"),
        (described(), "does not match its hash"),
    ],
)
def test_an_array_is_checked_before_it_is_used(daemon: Any, array: dict[str, Any], said: str) -> None:
    body = {"op": "submit", "job_id": "x", "spec": {"op": "read", "devices": ["A1"]}}
    refused = raw(daemon, header(body, arrays=(array,)), bytes(8))
    assert refused.code == "wire.malformed"
    assert said in refused.message


def test_a_failure_carries_the_number_of_its_request(daemon: Any) -> None:
    daemon.call.socket.send(header({"op": "explode"}))
    number, reply, _ = daemon.call.receive()
    assert (number, reply.code) == (7, "wire.malformed")


def test_a_req_socket_is_answered_too(daemon: Any) -> None:
    socket = zmq.Context.instance().socket(zmq.REQ)
    socket.connect(daemon.address)
    socket.send_multipart(wire.pack(wire.GetStatus(), 5))
    assert socket.poll(5000)
    found = wire.unpack_header(socket.recv_multipart()[0])
    assert (found.number, type(wire.unpack_reply(found))) == (5, wire.Status)
    socket.close(0)


def test_a_client_that_leaves_in_mid_request_disturbs_nobody(daemon: Any) -> None:
    for _ in range(20):
        socket = zmq.Context.instance().socket(zmq.DEALER)
        socket.connect(daemon.address)
        socket.send_multipart(wire.pack(wire.Wait(job_id="x", timeout=1.0), 1))
        socket.close(0)
    assert isinstance(daemon.call(wire.GetStatus()), wire.Status)


SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=8) | st.binary()
JUNK = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)
DESCRIBED = st.fixed_dictionaries(
    {
        "name": st.text(max_size=4),
        "dtype": st.sampled_from(["<f8", "|O", "<i4", "zz"]),
        "shape": st.lists(st.integers(-2, 2**63), max_size=3),
        "sha256": st.binary(max_size=32),
    }
)
FIELDS = ["job_id", "spec", "priority", "label", "dry_run", "limit", "states", "timeout", "device", "version", "after"]
OPS = [member.__struct_config__.tag for member in wire.Request.__args__]


@st.composite
def messages(draw: st.DrawFn) -> list[bytes]:
    """From plain noise to requests that are wrong in one field only."""
    if draw(st.booleans()):
        return draw(st.lists(st.binary(max_size=64), min_size=1, max_size=4))
    body = {"op": draw(st.sampled_from(OPS)), **draw(st.dictionaries(st.sampled_from(FIELDS), JUNK, max_size=3))}
    arrays = draw(st.lists(DESCRIBED, max_size=2))
    return [header(body, arrays=tuple(arrays)), *draw(st.lists(st.binary(max_size=32), max_size=2))]


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(frames=messages())
@example(frames=[b"\xdf\x00\x00\x00\x01\xa2\x00\x80"])  # a key that is no UTF-8
def test_every_message_gets_one_answer_and_none_stops_the_daemon(daemon: Any, frames: list[bytes]) -> None:
    daemon.call.socket.send_multipart(frames)
    _, reply, _ = daemon.call.receive()
    if isinstance(reply, wire.Failure):
        assert reply.code != "daemon.failed", reply.message
    assert isinstance(daemon.call(wire.GetStatus()), wire.Status)


def test_a_damaged_request_is_never_taken_for_a_job(daemon: Any, program: Any) -> None:
    frames = [bytes(frame) for frame in wire.pack(program("damaged")[0], 1, program("damaged")[1])]
    dice = random.Random(5)
    for _ in range(200):
        which = dice.randrange(1, len(frames))  # the arrays: their hash is in the header
        at = dice.randrange(len(frames[which]))
        changed = bytearray(frames[which])
        changed[at] ^= 1 << dice.randrange(8)
        daemon.call.socket.send_multipart([*frames[:which], bytes(changed), *frames[which + 1 :]])
        _, reply, _ = daemon.call.receive()
        assert isinstance(reply, wire.Failure)
    assert daemon.call(wire.GetJob(job_id="damaged")).code == "request.unknown_job"


def test_noise_on_the_bare_tcp_port_disturbs_nobody(daemon: Any) -> None:
    import socket

    host, port = daemon.address.removeprefix("tcp://").split(":")
    for _ in range(10):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(os.urandom(4096))
    assert isinstance(daemon.call(wire.GetStatus()), wire.Status)


def test_large_arrays_come_through(daemon: Any, program: Any) -> None:
    n = 200_000
    device = np.arange(n) % 2
    daemon.call(wire.Resume())  # the noise before may have paused the queue
    daemon.call(*program("large", targets=np.linspace(741.0, 879.0, n), device=device), timeout=30.0)
    assert daemon.call.wait("large", timeout=30.0).state is wire.JobState.DONE
    daemon.call(wire.GetResult(job_id="large"), timeout=30.0)
    np.testing.assert_array_equal(daemon.call.arrays["device"], device)

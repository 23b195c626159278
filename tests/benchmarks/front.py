"""The service's answer: a `status` round trip beside a bare pyzmq echo of a message of the same length."""

from __future__ import annotations

import functools
import statistics
import sys
import time
from collections.abc import Callable

import zmq

from rheostat import wire
from tests.benchmarks.daemon import daemon
from tests.benchmarks.rows import Goal, Row, interleaved, medians
from tests.benchmarks.worker import Worker


def median_time(call: Callable[[], object], times: int) -> float:
    """Median s of one call."""
    samples = []
    for _ in range(times):
        begin = time.perf_counter()
        call()
        samples.append(time.perf_counter() - begin)
    return statistics.median(samples)


def measure(rounds: int = 15, times: int = 400) -> list[Row]:
    context = zmq.Context()
    try:
        with daemon() as rig, Worker(sys.executable, "echo.py") as echo:
            message = b"".join(wire.pack(rig.status()))
            bare = _dealer(context, f"tcp://127.0.0.1:{echo.ready['port']}")
            raw = _dealer(context, rig.address)
            request = wire.pack(wire.GetStatus(), number=1)

            def bare_echo() -> None:
                bare.send(message)
                bare.recv()

            def raw_status() -> None:
                raw.send_multipart(request)
                wire.unpack_reply(wire.unpack_header(raw.recv_multipart()[0]))

            calls = (rig.status, raw_status, bare_echo)
            measures = [functools.partial(median_time, call, times) for call in calls]
            client, plain, reference = (1e6 * seconds for seconds in medians(interleaved(rounds, measures)))
    finally:
        context.destroy(linger=0)
    echoed = "bare pyzmq echo of its bytes"
    return [
        Row("status round trip, on the wire", plain, "us", echoed, reference, Goal(2)),
        Row("status round trip, rig.status()", client, "us", echoed, reference, Goal(2)),
    ]


def _dealer(context: zmq.Context[zmq.Socket[bytes]], address: str) -> zmq.Socket[bytes]:
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.RCVTIMEO, 5000)
    socket.connect(address)
    return socket

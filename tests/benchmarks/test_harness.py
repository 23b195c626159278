"""The benchmark harness itself: what it counts, how it takes turns, what it writes."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest

from tests.benchmarks.proxy import CountingProxy
from tests.benchmarks.rows import Goal, Row, interleaved, medians, save


def test_measures_take_turns_and_none_is_always_first():
    order = []

    def measure(name):
        return lambda: order.append(name) or float(len(order))

    samples = interleaved(3, [measure("a"), measure("b"), measure("c")])
    assert order == list("abcbcacab")
    assert samples == [[1.0, 6.0, 8.0], [2.0, 4.0, 9.0], [3.0, 5.0, 7.0]]
    assert medians(samples) == [6.0, 4.0, 5.0]


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        (Goal(0.2), True),
        (Goal(0.1), False),
        (Goal(2.0, "value"), True),
        (Goal(0.15, at_least=True), True),
        (Goal(0.3, at_least=True), False),
    ],
)
def test_a_goal_is_met_by_the_number_it_speaks_of(goal, met):
    assert goal.met(Row("a", 2.0, "ms", "b", 10.0, goal)) is met


def test_saved_rows_hold_name_value_unit_reference_ratio_and_goal(tmp_path):
    save([Row("events", 900.0, "1/s", "journal off", 1000.0, Goal(0.85, at_least=True))], tmp_path / "b" / "bench.json")
    assert json.loads((tmp_path / "b" / "bench.json").read_text()) == [
        {
            "name": "events",
            "value": 900.0,
            "unit": "1/s",
            "reference": "journal off",
            "reference_value": 1000.0,
            "ratio": 0.9,
            "goal": "ratio >= 0.85",
            "met": True,
        }
    ]


def test_the_proxy_counts_lines_and_the_times_the_host_waited():
    server = socket.create_server(("127.0.0.1", 0))

    def instrument():
        peer, _ = server.accept()
        with peer, peer.makefile("r") as lines:
            for line in lines:
                if "?" in line:
                    peer.sendall(b"answer\n")

    threading.Thread(target=instrument, daemon=True).start()
    proxy = CountingProxy(server.getsockname()[1])
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as host, host.makefile("r") as replies:
        host.sendall(b"DV 1\n")
        time.sleep(0.05)
        host.sendall(b"ERRX?\n")
        assert replies.readline() == "answer\n"
        host.sendall(b"TI?;ERRX?\n")
        assert replies.readline() == "answer\n"
    assert (proxy.traffic.sent, proxy.traffic.answered, proxy.traffic.round_trips) == (3, 2, 2)
    proxy.close()
    server.close()

"""What a recorded dialogue holds of the WGFMU library's calls."""

from __future__ import annotations

from typing import Any

from rheostat_hal.bench_rig import open_rig
from rheostat_hal.bus_replay import steps
from rheostat_hal.values import Pulse


def test_every_call_of_the_library_stands_in_a_comment_with_its_numbers_and_its_code(serve: Any) -> None:
    placed, _ = serve()
    notes: list[str] = []
    rig = open_rig(placed, notes.append)
    rig.route("A11")
    before = len(notes)
    event = rig.apply(Pulse(0.8, 200e-9), 2)
    calls = [line.removeprefix("# wgfmu WGFMU_") for line in notes[before:]]
    assert len(calls) == len(notes) - before  # nothing of an event goes over the bus
    assert "createPattern(b'row', 0.0) 0" in calls
    row = next(call for call in calls if call.startswith("addVectors(b'row', [3e-08, 1.7e-07, 3e-08, "))
    assert row.endswith(", [0.8, 0.8, 0, 0, -0.1, -0.1, 0, 0], 8) 0")
    assert sum(call.startswith("getStatus(") for call in calls) == 1  # however often it was asked
    values = next(call for call in calls if call.startswith("getMeasureValues(202, 0, 2, "))
    assert values.endswith(f"[{event.currents[0]:.6g}, {event.currents[1]:.6g}]) 0")
    rig.close()
    assert {name for name, _ in steps("\n".join(notes))} == {"analyser", "switch"}

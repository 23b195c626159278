"""What of a step's result is not as it was asked for, in sentences that name the device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from rheostat.characterisation.data import DIRECTIONS
from rheostat.results import Result
from rheostat.wire import FeedforwardTable, Outcome


def found(step: str, result: Result, table: FeedforwardTable | None = None) -> tuple[str, ...]:
    """Sentences, one for each device that did not do the whole of it. table: what a calibration has stored."""
    name = step.replace(".others", "").replace("_", " ")
    return tuple(f"{device}, {name}: {words}." for device, words in _words(result, table))


def _words(result: Result, table: FeedforwardTable | None) -> Iterator[tuple[str, str]]:
    a = result.arrays
    for k, device in enumerate(result.devices):
        match result.kind:
            case "staircase" | "identical_pulses":
                what = "sweeps" if result.kind == "staircase" else "trains"
                outcome = a["outcome"][k]
                for way, direction in enumerate(DIRECTIONS.values()):
                    own = outcome[:, way] if result.kind == "staircase" else outcome[way]
                    if not np.all(own == Outcome.VERIFIED):
                        yield device, f"{_whole(own)} {what} in {direction}"
            case "iv_loops":
                whole = np.isfinite(a["resistance"][k]).all(axis=1)
                if not whole.all():
                    yield device, f"{int(whole.sum())} of {len(whole)} loops"
            case "train":
                known = np.isfinite(a["resistance"][k]) | np.isfinite(a["energy"][k])  # a run has one or both
                whole = known.all(axis=1)
                if not whole.all():
                    yield device, f"{int(whole.sum())} of {len(whole)} cycles, {int(a['pulses'][k])} write pulses"
            case "retention":
                read = np.isfinite(a["resistance"][k])
                if not read.all():
                    yield device, f"{int(read.sum())} of {len(read)} readings"
            case "check_table":
                if not a["fits"][k]:
                    moved = " and ".join(f"{gain:.2f}" for gain in a["gain"][k])
                    yield device, f"the feedforward table does not fit it: it travels {moved} of what that predicts"
            case "calibrate":
                if table is not None and device not in table.info.gains:
                    yield device, "its gain could not be measured"


def _whole(outcome: Any) -> str:
    counts = Counter(Outcome(int(number)) for number in np.ravel(outcome))
    others = ", ".join(
        f"{count} {kind.name.lower().replace('_', ' ')}"
        for kind, count in counts.items()
        if kind is not Outcome.VERIFIED
    )
    return f"{counts[Outcome.VERIFIED]} of {counts.total()} ({others})"

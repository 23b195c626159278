"""What the axes of a result's arrays count, as files tell it to other software."""

from __future__ import annotations

from rheostat.wire import Outcome

DIRECTIONS = "direction (potentiation, depression)"
_SWEEP = ("device", "cycle", DIRECTIONS)
_TRAIN = ("device", DIRECTIONS, "voltage", "repetition")
# Kind of job -> name of an array on the wire -> its axes; "": all others of the kind. As in `wire.Result`.
_AXES: dict[str, dict[str, tuple[str, ...]]] = {
    "program": {"": ("target",)},
    "read": {"": ("device", "reading")},
    "initialise": {"": ("device",)},
    "calibrate": {"voltages": ("voltage",), "resistances": ("resistance",), "": ("voltage", "resistance")},
    "train": {
        **dict.fromkeys(("voltage", "width"), ("pulse",)),
        "pulses": ("device",),
        "": ("device", "cycle", "pulse"),
    },
    "iv_loops": {"voltage": ("step",), "": ("device", "loop", "step")},
    "identical_pulses": {"voltages": ("voltage",), "resistance": (*_TRAIN, "reading"), "": _TRAIN},
    "staircase": {**dict.fromkeys(("counts", "final", "outcome"), _SWEEP), "": ("pulse of all sweeps in turn",)},
    "retention": {"times": ("time",), "": ("device", "time")},
    "check_table": {
        **dict.fromkeys(("predicted", "measured"), ("device", DIRECTIONS, "pulse")),
        "fits": ("device",),
        "": ("device", DIRECTIONS),
    },
}
OUTCOMES = tuple(f"{int(outcome)} {outcome.name.lower()}" for outcome in Outcome)


def axes(kind: str, name: str) -> tuple[str, ...]:
    """Of the array `name` (as on the wire) of a job of this kind; of targets, in whatever shape they were given, one
    name. Empty where the kind is not known."""
    if name.startswith("trace_"):
        return ("event",)
    known = _AXES.get(kind, {})
    return known.get(name, known.get("", ()))

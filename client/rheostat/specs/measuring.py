"""Jobs that characterise devices: trains, loops, sweeps, calibration, retention. Nothing is brought to a target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack, cast

import numpy as np
import numpy.typing as npt

from rheostat import wire
from rheostat.errors import InputError
from rheostat.specs.asked import JobOptions, count, different, each_once, flat, names_or_all, positive, submitted
from rheostat.specs.sources import job_of
from rheostat.talk import Submission, Talk
from rheostat.talk import devices as ask_devices
from rheostat.targets import as_array, names

AMPLITUDE = 6.0  # V, the "initialisation" voltage of Z. Diao et al., Nanoscale Horiz. 10, 780 (2025)
STEPS = 6  # from 0 V to the amplitude


def train(
    devices: Any,
    voltages: Any,
    widths: Any,
    cycles: int = 1,
    *,
    measure: str = "states",
    **options: Unpack[JobOptions],
) -> Talk[Submission]:
    """The job that applies a train of write pulses; `widths` broadcasts to `voltages`."""
    used = yield from names_or_all(devices)
    voltage = np.atleast_1d(as_array(voltages, "voltages"))
    width = np.atleast_1d(as_array(widths, "widths"))
    try:
        voltage, width = (np.ascontiguousarray(a) for a in np.broadcast_arrays(voltage, width))
    except ValueError:
        raise InputError(f"{voltage.size} voltages and {width.size} widths: as many of both, or one width") from None
    if voltage.ndim != 1:
        raise InputError(f"voltages of shape {voltage.shape}: a train is a flat list")
    if np.any(width <= 0):
        raise InputError(f"widths must be positive, got {width.min():g} s")
    if measure not in ("states", "energy"):
        raise InputError(f'measure must be "states" or "energy", got {measure!r}')
    spec = wire.Train(devices=used, cycles=count("cycles", cycles), measure=cast("Any", measure))
    return Submission(submitted(spec, **options), {"voltage": voltage, "width": width})


def loop(amplitude: float = AMPLITUDE, steps: int = STEPS) -> npt.NDArray[np.float64]:
    """Voltages of one I-V loop, (4 steps,) V: from 0 to the amplitude, to minus the amplitude, and back to before 0."""
    quarter = np.arange(count("steps", steps)) / steps
    return np.concatenate([quarter, 1.0 - quarter, -quarter, quarter - 1.0]) * positive("amplitude", amplitude)


def iv_loops(
    devices: Any = None,
    amplitude: float | None = None,
    *,
    voltages: Any = None,
    steps: int | None = None,
    loops: int = 20,
    dwell: float = 100.0,
    width: float | None = None,
    **options: Unpack[JobOptions],
) -> Talk[Submission]:
    """The job that runs I-V loops: of `voltages`, or of `steps` from 0 V to the amplitude."""
    if voltages is None:
        voltages = loop(AMPLITUDE if amplitude is None else amplitude, STEPS if steps is None else steps)
    elif amplitude is not None or steps is not None:
        raise InputError("a loop has either its voltages or an amplitude and steps, not both")
    voltage = flat("voltages", voltages)
    if not voltage.any():
        raise InputError("voltages: a loop of 0 V alone writes nothing")
    pulse = {} if width is None else {"width": positive("width", width)}
    used = yield from each_once(devices)
    spec = wire.IvLoops(
        devices=used,
        voltages=tuple(voltage.tolist()),
        loops=count("loops", loops),
        dwell=positive("dwell", dwell),
        **pulse,
    )
    return Submission(submitted(spec, **options), {})


def identical_pulses(
    devices: Any = None,
    voltages: Sequence[float] | None = None,
    pulses: int = 100,
    repetitions: int = 5,
    width: float = 2.0,
    **options: Unpack[JobOptions],
) -> Talk[Submission]:
    """The job that applies trains of identical write pulses, each voltage in both directions."""
    used = yield from each_once(devices)
    spec = wire.IdenticalPulses(
        devices=used,
        voltages=wire.PAPER_VOLTAGES if voltages is None else different("voltages", voltages),
        pulses=count("pulses", pulses),
        repetitions=count("repetitions", repetitions),
        width=positive("width", width),
    )
    return Submission(submitted(spec, **options), {})


def staircase(
    devices: Any = None,
    cycles: int = 66,
    *,
    table: str | None = None,
    max_pulses: int = 2000,
    **options: Unpack[JobOptions],
) -> Talk[Submission]:
    """The job that sweeps devices through the whole window and back by the feedforward table."""
    used = yield from each_once(devices)
    spec = wire.Staircase(
        devices=used, cycles=count("cycles", cycles), table=table, max_pulses=count("max_pulses", max_pulses)
    )
    return Submission(submitted(spec, **options), {})


def retention(devices: Any, times: Any, readings: int = 4, **options: Unpack[JobOptions]) -> Talk[Submission]:
    """The job that reads devices at `times` after its first reading; the 0 of that first one may be left out."""
    asked = flat("times", times)
    if asked[0] != 0.0:
        asked = np.concatenate([[0.0], asked])
    if np.any(np.diff(asked) <= 0.0):
        raise InputError("times must be positive and rise: s after the first reading")
    used = yield from each_once(devices)
    spec = wire.Retention(devices=used, times=tuple(asked.tolist()), readings=count("readings", readings))
    return Submission(submitted(spec, **options), {})


def check_table(
    devices: Any = None, table: str | None = None, pulses: int = 24, **options: Unpack[JobOptions]
) -> Talk[Submission]:
    """The job that tells by a few write pulses whether a feedforward table still fits its devices."""
    if count("pulses", pulses) < 2:
        raise InputError("pulses: one in either direction at the least, so two")
    used = yield from each_once(devices)
    return Submission(submitted(wire.CheckTable(devices=used, table=table, pulses=int(pulses)), **options), {})


def calibrate(
    device: str,
    others: Any = (),
    *,
    voltages: Sequence[float] | None = None,
    width: float | None = None,
    max_train: int | None = None,
    gain_pulses: int | None = None,
    trains: Any = None,
    **options: Unpack[JobOptions],
) -> Talk[Submission]:
    """The job that measures dR(V, R) on `device`, or fits it to the `trains` of an earlier job; `others`: names, or
    "all" for every other device of the bench."""
    given: dict[str, Any] = {}
    if voltages is not None:
        given["voltages"] = different("voltages", voltages)
    if width is not None:
        given["width"] = positive("width", width)
    if max_train is not None:
        given["max_train"] = count("max_train", max_train)
    if given and trains is not None:
        raise InputError(f"{', '.join(given)}: with trains of an earlier job these are that job's; leave them out")
    if gain_pulses is not None:
        given["gain_pulses"] = count("gain_pulses", gain_pulses)
    if trains is not None:
        measured = yield from job_of(trains)
        if measured.kind != "identical_pulses":
            raise InputError(f"trains: job {measured.job_id} is a {measured.kind} job, not identical_pulses")
        given["trains"] = measured.job_id
    if isinstance(others, str) and others == "all":
        known = yield from ask_devices()
        others = [other.name for other in known if other.name != device]
    spec = wire.Calibrate(device=device, others=tuple(names(others)) if len(others) else (), **given)
    return Submission(submitted(spec, **options), {})

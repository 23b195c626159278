"""The commands that ask for a job: to be sent, or with --dry-run only planned."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from rheostat import units, wire
from rheostat.cli import given, show
from rheostat.cli.follow import job_command
from rheostat.cli.look import rig_of
from rheostat.client import Rig
from rheostat.errors import InputError
from rheostat.export import format_of, load, plain
from rheostat.results import Result
from rheostat.targets import WeightMapping


def program(options: Namespace) -> int:
    wanted = given.targets(options.targets, options.file, options.key)
    named = given.names(options.devices)
    unit = options.unit or wanted.unit or "ohm"
    _check_out(options)
    with rig_of(options) as rig:
        return _ask(
            rig,
            options,
            "program",
            wanted.targets,
            named if options.devices else wanted.devices,
            unit=unit,
            mapping=_mapping(rig, options) if unit == units.WEIGHT else None,
            scheme=options.scheme,
            tolerance=options.tolerance,
            parameters=given.parameters(options.param),
            confidence=options.confidence,
            order=options.order,
            max_pulses=options.max_pulses,
            table=options.table,
            traces=given.names(options.trace) or (),
        )


def _mapping(rig: Rig, options: Namespace) -> WeightMapping:
    from rheostat.weights.mapping import Mapping

    windows = {device.window for device in rig.devices()}
    if len(windows) != 1:
        raise InputError("weights need devices of one window; this bench has several: give targets in ohm")
    return Mapping(window=windows.pop(), levels=options.levels, weight_range=options.range)


def read(options: Namespace) -> int:
    return _measured(options, "read", readings=options.readings)


def initialise(options: Namespace) -> int:
    return _measured(options, "initialise", state=options.state, max_pulses=options.max_pulses)


def train(options: Namespace) -> int:
    voltages = given.numbers(options.voltages, "--voltages")
    widths = given.numbers(options.widths, "--widths")
    details = {"cycles": options.cycles, "measure": options.measure}
    return _measured(options, "train", voltages=voltages, widths=widths, **details)


def iv_loops(options: Namespace) -> int:
    shape = {"amplitude": options.amplitude, "steps": options.steps, "voltages": _voltages(options)}
    return _measured(options, "iv_loops", **shape, loops=options.loops, dwell=options.dwell, width=options.width)


def identical_pulses(options: Namespace) -> int:
    numbers = {"pulses": options.pulses, "repetitions": options.repetitions, "width": options.width}
    return _measured(options, "identical_pulses", voltages=_voltages(options), **numbers)


def staircase(options: Namespace) -> int:
    limits = {"table": options.table, "max_pulses": options.max_pulses}
    return _measured(options, "staircase", cycles=options.cycles, **limits)


def retention(options: Namespace) -> int:
    return _measured(options, "retention", times=given.times(options.times), readings=options.readings)


def check_table(options: Namespace) -> int:
    return _measured(options, "check_table", table=options.table, pulses=options.pulses)


def calibrate(options: Namespace) -> int:
    _check_out(options)
    others: Any = "all" if options.others == "all" else given.names(options.others) or ()
    with rig_of(options) as rig:
        return _ask(
            rig,
            options,
            "calibrate",
            options.device,
            others,
            voltages=_voltages(options),
            width=options.width,
            max_train=options.max_train,
            gain_pulses=options.gain_pulses,
            trains=options.trains,
        )


def repeat(options: Namespace) -> int:
    _check_out(options)
    saved = _saved(options.job)
    with rig_of(options) as rig:
        source: Any = saved or rig.job(options.job)
        kind = saved.kind if saved else source.progress().kind
        return _ask(rig, options, "repeat", source, unfinished=options.unfinished, counted=kind)


def _saved(name: str) -> Result | None:
    """The result in a file, if it is one that is named and not a job."""
    path = Path(name)
    if path.suffix.lower() not in (".h5", ".hdf5", ".npz"):
        return None
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    return load(path)


def _measured(options: Namespace, kind: str, **details: Any) -> int:
    _check_out(options)
    with rig_of(options) as rig:
        return _ask(rig, options, kind, given.names(options.devices), **details)


def _ask(rig: Rig, options: Namespace, kind: str, *arguments: Any, counted: str = "", **details: Any) -> int:
    """Sends the job, or shows its plan; `counted`: the kind whose stages are counted, where that is another one."""
    details |= {"priority": options.priority, "label": options.label}
    if options.dry_run:
        return _plan(getattr(rig.plans, kind)(*arguments, **details), options, counted or kind)
    return job_command(getattr(rig, kind)(*arguments, **details), options, always=kind == "read")


def _voltages(options: Namespace) -> list[float] | None:
    return given.numbers(options.voltages, "--voltages") if options.voltages else None


def _plan(planned: wire.Plan, options: Namespace, kind: str) -> int:
    if options.json:
        named = plain(planned)
        named["energy_j"], named["rig_time_s"] = named.pop("energy"), named.pop("rig_time")
        show.dump(named)
    else:
        show.plan(planned, kind)
    return 0


def _check_out(options: Namespace) -> None:
    """A wrong ending is said before the rig works for hours."""
    if options.out:
        path = Path(options.out)
        format_of(path, None)
        if not path.parent.is_dir():
            raise InputError(f"--out {path}: there is no folder {path.parent}")

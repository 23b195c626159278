"""The commands that act, and the list of all. A command takes the parsed options and returns the exit status."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from typing import Any

from rheostat import address, units, wire
from rheostat.cli import given, show
from rheostat.cli.follow import job_command, watch
from rheostat.cli.look import devices, jobs, rig_of, status, tables
from rheostat.client import Rig, emergency_stop
from rheostat.errors import InputError, RheostatError
from rheostat.export import format_of, plain, save
from rheostat.targets import WeightMapping


def program(options: Namespace) -> int:
    wanted = given.targets(options.targets, options.file, options.key)
    named = given.names(options.devices)
    unit = options.unit or wanted.unit or "ohm"
    _check_out(options)
    with rig_of(options) as rig:
        mapping = _mapping(rig, options) if unit == units.WEIGHT else None
        arguments: dict[str, Any] = {
            "unit": unit,
            "mapping": mapping,
            "scheme": options.scheme,
            "tolerance": options.tolerance,
            "parameters": given.parameters(options.param),
            "confidence": options.confidence,
            "order": options.order,
            "max_pulses": options.max_pulses,
            "table": options.table,
            "traces": given.names(options.trace) or (),
            "priority": options.priority,
            "label": options.label,
        }
        chosen = named if options.devices else wanted.devices
        if options.dry_run:
            return _plan(rig.plan(wanted.targets, chosen, **arguments), options)
        return job_command(rig.program(wanted.targets, chosen, **arguments), options)


def _mapping(rig: Rig, options: Namespace) -> WeightMapping:
    from rheostat.weights.mapping import Mapping

    windows = {device.window for device in rig.devices()}
    if len(windows) != 1:
        raise InputError("weights need devices of one window; this bench has several: give targets in ohm")
    return Mapping(window=windows.pop(), levels=options.levels, weight_range=options.range)


def read(options: Namespace) -> int:
    _check_out(options)
    with rig_of(options) as rig:
        job = rig.read(given.names(options.devices), options.readings, priority=options.priority, label=options.label)
        return job_command(job, options, always=True)


def calibrate(options: Namespace) -> int:
    _check_out(options)
    others: Any = "all" if options.others == "all" else given.names(options.others) or ()
    details = {
        "voltages": given.numbers(options.voltages, "--voltages") if options.voltages else None,
        "width": options.width,
        "max_train": options.max_train,
        "gain_pulses": options.gain_pulses,
    }
    with rig_of(options) as rig:
        if options.dry_run:
            return _plan(rig.plan_calibration(options.device, others, **details), options)
        common = {"priority": options.priority, "label": options.label}
        return job_command(rig.calibrate(options.device, others, **details, **common), options)


def initialise(options: Namespace) -> int:
    _check_out(options)
    with rig_of(options) as rig:
        chosen = given.names(options.devices)
        common = {"priority": options.priority, "label": options.label}
        return job_command(rig.initialise(chosen, options.state, options.max_pulses, **common), options)


def train(options: Namespace) -> int:
    _check_out(options)
    voltages = given.numbers(options.voltages, "--voltages")
    widths = given.numbers(options.widths, "--widths")
    with rig_of(options) as rig:
        chosen = given.names(options.devices)
        common = {"priority": options.priority, "label": options.label}
        job = rig.train(chosen, voltages, widths, options.cycles, measure=options.measure, **common)
        return job_command(job, options)


def export(options: Namespace) -> int:
    from pathlib import Path

    format_of(Path(options.out), options.format)
    with rig_of(options) as rig:
        result = rig.job(options.job).result(timeout=0, partial=True)
        path = save(result, options.out, options.format)
    if options.json:
        show.dump({"job": result.job.job_id, "file": str(path)})
    else:
        show.say(f"job {result.job.job_id} written to {path}")
    return 0


def cancel(options: Namespace) -> int:
    return _change(options, "cancel", "is being cancelled")


def pause(options: Namespace) -> int:
    return _change(options, "pause", "is paused")


def resume(options: Namespace) -> int:
    return _change(options, "resume", "goes on")


def _change(options: Namespace, verb: str, words: str) -> int:
    with rig_of(options) as rig:
        job = rig.job(options.job) if options.job else None
        if job is not None and (before := job.progress()).state.final:
            raise RheostatError(f"job {job.id} has ended ({before.state}): there is nothing to {verb}")
        getattr(job or rig, verb)()
    if options.json:
        show.dump({"job": job.id if job else None, "done": verb})
    else:
        show.say(f"job {job.id} {words}" if job else f"the queue {words}")
    return 0


def estop(options: Namespace) -> int:
    """The daemon's own file names the emergency socket of a daemon on this machine: then nothing else is asked."""
    reason = " ".join(options.reason) or "rheostat estop"
    where = address.resolve(options.address)
    said = address.running(where.endpoint)
    if said and said.get("estop"):
        emergency_stop(str(said["estop"]), reason, options.timeout)
    else:
        with rig_of(options, opened=False) as rig:
            rig.estop(reason)
    if options.json:
        show.dump({"stopped": True})
    else:
        show.say("stopped: outputs at 0 V, relays open; the rig refuses everything until: rheostat recover")
    return 0


def recover(options: Namespace) -> int:
    with rig_of(options) as rig:
        rig.recover()
        state = rig.status().state
    if options.json:
        show.dump({"state": state})
    else:
        show.say(f"the rig is checked and safe; it is {state}")
    return 0


def _plan(planned: wire.Plan, options: Namespace) -> int:
    if options.json:
        named = plain(planned)
        named["energy_j"], named["rig_time_s"] = named.pop("energy"), named.pop("rig_time")
        show.dump(named)
    else:
        show.plan(planned)
    return 0


def _check_out(options: Namespace) -> None:
    """A wrong ending is said before the rig works for hours."""
    if options.out:
        from pathlib import Path

        path = Path(options.out)
        format_of(path, None)
        if not path.parent.is_dir():
            raise InputError(f"--out {path}: there is no folder {path.parent}")


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "status": status,
    "devices": devices,
    "tables": tables,
    "program": program,
    "read": read,
    "calibrate": calibrate,
    "initialise": initialise,
    "train": train,
    "jobs": jobs,
    "watch": watch,
    "export": export,
    "cancel": cancel,
    "pause": pause,
    "resume": resume,
    "estop": estop,
    "recover": recover,
}

"""What each command does. A command takes the parsed options and returns the exit status."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from typing import Any

from rheostat import address, units, wire
from rheostat.cli import given, show
from rheostat.cli.follow import job_command, watch
from rheostat.client import Rig, connect, emergency_stop
from rheostat.errors import InputError
from rheostat.export import format_of, plain, save
from rheostat.targets import WeightMapping


def rig_of(options: Namespace) -> Rig:
    return connect(options.address, timeout=options.timeout)


def status(options: Namespace) -> int:
    with rig_of(options) as rig:
        now = rig.status()
        where = rig.address
    if options.json:
        show.dump({"address": where, **plain(now)})
        return 0
    lines = {
        "bench": f"{now.bench}{' (virtual)' * now.virtual}",
        "state": now.state + (f": {now.latch}" if now.latch else ""),
        "running": now.running or "nothing",
        "queued": str(now.queued),
        "up": units.duration(now.uptime),
        "address": f"{where} (pid {now.pid}, version {now.version})",
        "data": now.data,
    }
    for instrument in now.instruments:
        words = f"{instrument.vendor} {instrument.model}, serial {instrument.serial}, firmware {instrument.firmware}"
        lines[instrument.name] = f"{words}, {instrument.resource}"
    show.facts(lines)
    return 0


def devices(options: Namespace) -> int:
    with rig_of(options) as rig:
        known = rig.devices()
    if options.json:
        show.dump(
            [
                {
                    "name": device.name,
                    "kind": device.kind,
                    "channels": device.channels,
                    "lrs_ohm": device.window[0],
                    "hrs_ohm": device.window[1],
                    "resistance_ohm": device.resistance,
                    "read_at": device.read_at,
                    "pulses": device.pulses,
                    "suspect": device.suspect,
                }
                for device in known
            ]
        )
        return 0
    rows = [
        (
            device.name,
            device.kind,
            f"{device.window[0]:g} to {device.window[1]:g}",
            show.ohm(device.resistance),
            show.moment(device.read_at),
            str(device.pulses),
            "read it again" if device.suspect else "",
            " ".join(f"{terminal}:{channel}" for terminal, channel in device.channels.items()),
        )
        for device in known
    ]
    headers = ("device", "kind", "window/ohm", "last/ohm", "read at", "pulses", "", "channels")
    show.table(headers, rows, right=("last/ohm", "pulses"))
    return 0


def tables(options: Namespace) -> int:
    with rig_of(options) as rig:
        known = rig.tables()
    if options.json:
        show.dump([_table_json(table) for table in known])
        return 0
    if not known:
        show.say("no feedforward table yet: rheostat calibrate DEVICE --others all --wait")
        return 0
    rows = [
        (
            table.version,
            table.device,
            str(len(table.gains)),
            f"{table.width:g}",
            f"{table.noise:.3f}",
            show.moment(table.created),
        )
        for table in known
    ]
    headers = ("table", "device", "gains", "width/s", "noise/ohm", "created")
    show.table(headers, rows, right=("gains", "width/s", "noise/ohm"))
    return 0


def _table_json(table: wire.TableInfo) -> dict[str, Any]:
    return {
        "version": table.version,
        "device": table.device,
        "created": table.created,
        "width_s": table.width,
        "window_ohm": table.window,
        "gains": table.gains,
        "step_ohm": table.step,
        "bounds_ohm": table.bounds,
        "noise_ohm": table.noise,
    }


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


def jobs(options: Namespace) -> int:
    with rig_of(options) as rig:
        states = given.names(options.state) or ()
        known = rig.jobs(options.limit, states)
    if options.json:
        show.dump([job_json(job) for job in known])
        return 0
    rows = [
        (
            job.job_id,
            job.kind,
            str(job.state),
            f"{job.done}/{job.total}",
            show.outcomes(job.outcomes) or (job.error or ""),
            str(job.pulses),
            units.duration(job.rig_time),
            show.moment(job.submitted),
            job.label,
        )
        for job in known
    ]
    headers = ("job", "kind", "state", "done", "outcomes", "pulses", "rig time", "submitted", "label")
    show.table(headers, rows, right=("done", "pulses", "rig time"))
    return 0


def job_json(job: wire.Job) -> dict[str, Any]:
    named = plain(job)
    named["energy_j"], named["rig_time_s"] = named.pop("energy"), named.pop("rig_time")
    return dict(named)


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
        with rig_of(options) as rig:
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
    "jobs": jobs,
    "watch": watch,
    "export": export,
    "cancel": cancel,
    "pause": pause,
    "resume": resume,
    "estop": estop,
    "recover": recover,
}

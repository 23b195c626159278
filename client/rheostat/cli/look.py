"""The commands that only look: status, devices, tables, jobs."""

from __future__ import annotations

import time
from argparse import Namespace
from typing import Any

from rheostat import units, wire
from rheostat.cli import given, show
from rheostat.client import Rig, connect
from rheostat.export import plain

OPENING = 30.0  # s that a command waits for a daemon that is opening its rig


def rig_of(options: Namespace, opened: bool = True) -> Rig:
    """The daemon's rig; `opened`: not before the daemon has opened it."""
    rig = connect(options.address, timeout=options.timeout)
    end = time.monotonic() + OPENING
    while opened and rig.status().state == "starting" and time.monotonic() < end:
        time.sleep(0.1)
    return rig


def status(options: Namespace) -> int:
    with rig_of(options, opened=False) as rig:
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
    show.table(headers, rows, right=("last/ohm", "pulses"), spare=("channels", "kind"))
    return 0


def tables(options: Namespace) -> int:
    with rig_of(options) as rig:
        known = rig.tables()
    now = time.time()
    if options.json:
        show.dump([_table_json(table, now) for table in known])
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
            f"{units.duration(_age(table, now))} old",
            show.moment(table.created),
        )
        for table in known
    ]
    headers = ("table", "device", "gains", "width/s", "noise/ohm", "age", "created")
    show.table(headers, rows, right=("gains", "width/s", "noise/ohm", "age"), spare=("created",))
    return 0


def _age(table: wire.TableInfo, now: float) -> float:
    """s; none of a table that a daemon's clock dates in the future."""
    return max(0.0, now - table.created)


def _table_json(table: wire.TableInfo, now: float) -> dict[str, Any]:
    return {
        "version": table.version,
        "device": table.device,
        "created": table.created,
        "age_s": _age(table, now),
        "width_s": table.width,
        "window_ohm": table.window,
        "gains": table.gains,
        "step_ohm": table.step,
        "bounds_ohm": table.bounds,
        "noise_ohm": table.noise,
    }


def jobs(options: Namespace) -> int:
    with rig_of(options) as rig:
        states = given.names(options.state) or ()
        known = rig.jobs(options.limit, states)
    if options.json:
        show.dump([job_json(job) for job in known])
        return 0
    if not known:
        show.say("no jobs" + (" in these states" if states else " yet"))
        return 0
    rows = [
        (
            job.job_id,
            job.kind,
            show.state(job),
            f"{job.done}/{job.total}",
            ", ".join(filter(None, (show.outcomes(job.outcomes) or job.error, show.goes_on(job)))),
            str(job.pulses),
            units.duration(job.rig_time),
            show.moment(job.submitted),
            job.label,
        )
        for job in known
    ]
    headers = ("job", "kind", "state", "done", "outcomes", "pulses", "rig time", "submitted", "label")
    show.table(headers, rows, right=("done", "pulses", "rig time"), spare=("submitted", "rig time", "pulses"))
    return 0


def job_json(job: wire.Job) -> dict[str, Any]:
    named = plain(job)
    named["energy_j"], named["rig_time_s"] = named.pop("energy"), named.pop("rig_time")
    return dict(named)

"""The commands that act on jobs and the rig, and the list of all: each takes the parsed options and returns the exit
status."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable

from rheostat import address
from rheostat.cli import ask, show
from rheostat.cli.follow import watch
from rheostat.cli.look import devices, jobs, rig_of, status, tables
from rheostat.client import emergency_stop
from rheostat.errors import RheostatError
from rheostat.export import format_of, save


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


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "status": status,
    "devices": devices,
    "tables": tables,
    "program": ask.program,
    "read": ask.read,
    "initialise": ask.initialise,
    "iv-loops": ask.iv_loops,
    "identical-pulses": ask.identical_pulses,
    "calibrate": ask.calibrate,
    "check-table": ask.check_table,
    "staircase": ask.staircase,
    "train": ask.train,
    "retention": ask.retention,
    "repeat": ask.repeat,
    "jobs": jobs,
    "watch": watch,
    "export": export,
    "cancel": cancel,
    "pause": pause,
    "resume": resume,
    "estop": estop,
    "recover": recover,
}

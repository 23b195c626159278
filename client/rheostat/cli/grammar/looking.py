"""What can be said to look at a rig and its jobs, to hold them and to stop them."""

from __future__ import annotations

from rheostat.cli.grammar.options import Add, job


def look(add: Add) -> None:
    add("status", "what the daemon and its rig do now", "rheostat status", "rheostat status --json")
    add("devices", "the devices of the bench and their last readings", "rheostat devices")
    add("tables", "the feedforward tables that calibrations have stored", "rheostat tables")


def jobs(add: Add) -> None:
    jobs = add("jobs", "the latest jobs", "rheostat jobs", "rheostat jobs --state running,queued")
    jobs.option("--state", metavar="STATES", help="only jobs in these states, separated by commas")
    jobs.option("--limit", type=int, default=20, metavar="N", help="at most so many (default 20)")

    watch = add("watch", "follow a job to its end", "rheostat watch", "rheostat watch last --json")
    job(watch, "the job (default: the one that runs)", optional=True)

    for name, words in (
        ("cancel", "cancel a job; what it has reached stays in its result"),
        ("pause", "pause a job, or the whole queue"),
        ("resume", "let a paused job, or the queue, go on"),
    ):
        command = add(name, words, f"rheostat {name} last")
        whole = name != "cancel"
        job(command, "the job" + " (default: the whole queue)" * whole, optional=whole)

    export = add(
        "export",
        "write a job's result to a file",
        "rheostat export last --out run.h5",
        "rheostat export last --format csv --out run.txt",
    )
    job(export, "the job")
    export.option("--out", required=True, metavar="FILE", help="where to: the ending tells the format")
    export.option("--format", choices=("csv", "npz", "hdf5"), help="instead of the one the ending tells")


def stop(add: Add) -> None:
    estop = add("estop", "emergency stop: 0 V, relays open, everything refused until recover", "rheostat estop smoke")
    estop.option("reason", nargs="*", help="for the record")
    add("recover", "check the rig and clear the latch of an error or emergency stop", "rheostat recover")

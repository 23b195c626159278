"""Waiting for jobs on a terminal: the bar, Ctrl-C, and what a job's end means for the exit status."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from rheostat import wire
from rheostat.cli import show
from rheostat.cli.look import rig_of
from rheostat.client import Job
from rheostat.errors import JobFailed, RequestRefused, WaitTimeout
from rheostat.export import save
from rheostat.results import CheckTableResult, Result

OK, FAILED, INTERRUPTED = 0, 1, 130
AS_ASKED = {"verified", "applied", "fits"}  # outcomes of targets, of trains, of checks of a table


def job_command(job: Job[Any], options: Namespace, always: bool = False) -> int:
    """After a job was sent: says its id, or waits for its result, shows and saves it."""
    if not (always or options.wait or options.out):
        if options.json:
            show.dump({"job": job.id})
        else:
            show.say(f"job {job.id} is queued; follow it: rheostat watch {job.id}")
        return OK
    if not options.json and not always:
        show.note(f"job {job.id}")
    try:
        _attend(job, bars=not options.json)
        result = job.result(partial=True)
    except KeyboardInterrupt:
        return _interrupted(job, options.cancel_on_interrupt)
    except RequestRefused as refused:
        if refused.code != "request.not_ready":  # it was cancelled before it did anything
            raise
        return _without_result(job, options)
    except JobFailed:  # before it did anything
        return _without_result(job, options)
    if options.out:
        show.note(f"written to {save(result, options.out)}")
    if options.json:
        show.dump(show.result_json(result))
    else:
        show.result(result)
    return status_of(result)


def watch(options: Namespace) -> int:
    """Follows a job; without one, that which runs, or would next."""
    with rig_of(options) as rig:
        job_id = options.job or rig.status().running
        if job_id is None:
            live = rig.jobs(1, (wire.JobState.PAUSED, wire.JobState.QUEUED)) or rig.jobs(1, (wire.JobState.WAITING,))
            if not live:
                show.dump(None) if options.json else show.say("no job runs, and none is queued")
                return OK
            job_id = live[0].job_id
        job = rig.job(job_id)
        try:
            if options.json:
                for event in job.follow(after=0):  # all that the daemon still knows of it
                    show.dump(event)
            else:
                _attend(job, bars=True)
        except KeyboardInterrupt:
            return _interrupted(job, cancel=False)
        ended = job.progress()
        if not options.json:
            _say_end(ended)
        return _status(ended)


def _attend(job: Job[Any], bars: bool) -> None:
    with show.bar(f"job {job.id}", bars) as bar:
        if bars:
            bar.show(job.progress())
        for event in job.follow():
            if bars and event.data.get("state") == wire.JobState.WAITING:
                bar.show(job.progress())  # which tells when it goes on
            else:
                bar.update(event.data)


def _interrupted(job: Job[Any], cancel: bool) -> int:
    if not cancel:
        show.note(f"\njob {job.id} goes on. Follow it: rheostat watch {job.id}   stop it: rheostat cancel {job.id}")
        return INTERRUPTED
    job.cancel()
    try:
        state = job.wait(30.0).state
    except WaitTimeout as late:
        show.note(f"\n{late}; it was told to stop")
    else:
        show.note(f"\njob {job.id} {state}; what it had reached: rheostat export {job.id} --out FILE")
    return INTERRUPTED


def _without_result(job: Job[Any], options: Namespace) -> int:
    ended = job.progress()
    if options.json:
        show.dump({"job": job.id, "state": ended.state, "error": ended.error})
    else:
        _say_end(ended)
    return FAILED


def _say_end(ended: wire.Job) -> None:
    counts = show.outcomes(ended.outcomes) or f"{ended.done} of {ended.total} done"
    show.say(f"{show.ending(ended)}; {counts}")


def status_of(result: Result) -> int:
    """The exit status of a job with this result: a table that does not fit is not as asked."""
    misfit = isinstance(result, CheckTableResult) and not result.fits.all()
    return FAILED if misfit else _status(result.job)


def _status(ended: wire.Job) -> int:
    return OK if ended.state is wire.JobState.DONE and ended.outcomes.keys() <= AS_ASKED else FAILED

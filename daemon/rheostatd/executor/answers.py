"""What the service may ask at any time, also while a job runs: traces from the record, and dry runs."""

from __future__ import annotations

from rheostat import wire
from rheostatd import messages
from rheostatd.errors import DaemonError, JournalError
from rheostatd.executor.plan import plan
from rheostatd.executor.station import Station
from rheostatd.journal.blocks import EVENT, joined, trace_arrays
from rheostatd.journal.pulses import PulseRecord


def fetch_trace(station: Station, command: messages.FetchTrace) -> None:
    """Answers from the record: everything that is durable by now."""
    events, error = joined((), EVENT), None
    try:
        events = station.ledger.ask(PulseRecord.events, command.job_id, command.device)
    except JournalError as failure:
        error = str(failure)
    if error is None and not len(events):
        error = f"the record has nothing of device {command.device!r} in job {command.job_id!r}"
    station.control.send(messages.Fetched(command.number, error), trace_arrays(events))


def answer_dry(station: Station, command: messages.Dry, arrays: wire.Arrays) -> None:
    planned: wire.Plan | wire.Failure
    try:
        planned = plan(station, command.spec, arrays, command.origin.continues)
    except DaemonError as error:
        planned = wire.Failure(code=error.code, message=str(error))
    station.control.send(messages.Planned(command.number, planned))

"""What service and executor say to each other over their private socket: tagged, typed, in the wire's framing.

The executor connects to the service's PAIR socket on loopback. Arrays travel as raw frames after the header, as on
the wire. The executor owns the record of pulses, the service that of jobs.
"""

from __future__ import annotations

from typing import Any

import msgspec

from rheostat import wire

KEPT = "kept_"  # begins the names of arrays by which a job that waits goes on; they are no part of a result

# ---- service -> executor -------------------------------------------------------------------------------------------


class Open(msgspec.Struct, frozen=True, tag="open"):
    """The first command: open this bench. `resources` replace those of the file when the bench is virtual.

    `unfinished`: jobs that were sent to an executor before and whose end the service has not seen. For each of them
    that has a record, the executor sends a Finished before Ready: as it ended, or INTERRUPTED with what was done.
    """

    bench: str  # path of the bench file; "" for the embedded default
    data: str  # folder of the journal
    resources: dict[str, str] = {}  # of the virtual instruments, by their name in the bench
    unfinished: tuple[str, ...] = ()
    real_time: bool = False  # the virtual bench waits for real, whatever the file says
    record: str = ""  # file for the dialogue with the instruments


class Origin(msgspec.Struct, frozen=True):
    """Which earlier jobs a job comes from. `repeats`: it is the same measurement as that one; `continues`: it does what
    those (newest first) have not finished, and takes over what they have."""

    repeats: str | None = None
    continues: tuple[str, ...] = ()


NEW = Origin()  # comes from none


class Run(msgspec.Struct, frozen=True, tag="run"):
    """Arrays: those of the spec, and for a job that has waited those that its last Finished brought.

    `now`: s that the bench's clock shows, for a job that waits on a bench whose time is virtual.
    """

    job_id: str
    spec: wire.Spec
    origin: Origin = NEW
    now: float | None = None


class Dry(msgspec.Struct, frozen=True, tag="dry"):
    """Answered by Planned. Arrays: those of the spec."""

    number: int
    spec: wire.Spec
    origin: Origin = NEW


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    job_id: str


class Pause(msgspec.Struct, frozen=True, tag="pause"):
    job_id: str


class Resume(msgspec.Struct, frozen=True, tag="resume"):
    job_id: str


class Recover(msgspec.Struct, frozen=True, tag="recover"):
    number: int


class FetchTrace(msgspec.Struct, frozen=True, tag="fetch_trace"):
    """Answered by Fetched with the arrays of wire.Trace."""

    number: int
    job_id: str
    device: str


class Shutdown(msgspec.Struct, frozen=True, tag="shutdown"):
    pass


Command = Open | Run | Dry | Cancel | Pause | Resume | Recover | FetchTrace | Shutdown

# ---- executor -> service -------------------------------------------------------------------------------------------


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The rig is open, identified and safe. `interrupted`: jobs whose pulses the journal shows unfinished.

    `schemes`: name -> names of its parameters, for the service to check requests by (it does not import schemes).
    """

    instruments: tuple[wire.Instrument, ...]
    devices: tuple[wire.Device, ...]
    tables: tuple[wire.TableInfo, ...]
    estop: str
    interrupted: tuple[str, ...] = ()
    schemes: dict[str, tuple[str, ...]] = {}


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """Totals of the running job so far, a few times a second and at its end."""

    job_id: str
    total: int
    done: int
    pulses: int
    reads: int
    energy: float
    rig_time: float
    outcomes: dict[str, int]
    device: str | None = None
    resistance: float | None = None


class Happened(msgspec.Struct, frozen=True, tag="happened"):
    """An event to publish: see wire.Event for the names."""

    name: str
    job_id: str | None = None
    data: dict[str, Any] = {}


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """A job's end: its state is final, or WAITING until `due` (s of unix time, or of the bench's where Run told it).
    Arrays: those of wire.Result. Already durable in the executor's journal."""

    job_id: str
    state: wire.JobState
    provenance: dict[str, Any]
    devices: tuple[wire.Device, ...]  # the devices touched, as they are now
    error_code: str | None = None
    error: str | None = None
    table: wire.TableInfo | None = None  # a calibration's
    totals: Progress | None = None
    due: float | None = None


class Latched(msgspec.Struct, frozen=True, tag="latched"):
    """The rig is safe (or said why not) and refuses everything until Recover."""

    code: str
    reason: str


class Recovered(msgspec.Struct, frozen=True, tag="recovered"):
    """Answer to Recover; `error` says why it did not succeed."""

    number: int
    error: str | None = None


class Planned(msgspec.Struct, frozen=True, tag="planned"):
    number: int
    plan: wire.Plan | wire.Failure


class Fetched(msgspec.Struct, frozen=True, tag="fetched"):
    number: int
    error: str | None = None


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The executor could not start: the bench is wrong or an instrument is absent. It exits after this."""

    code: str
    reason: str


Report = Ready | Progress | Happened | Finished | Latched | Recovered | Planned | Fetched | Failed

_decode_command = msgspec.msgpack.Decoder(Command)
_decode_report = msgspec.msgpack.Decoder(Report)


def pack(body: Command | Report, arrays: wire.Arrays | None = None) -> list[bytes | memoryview]:
    return wire.pack(body, arrays=arrays)


def unpack_command(frames: list[Any]) -> tuple[Command, wire.Arrays]:
    header = wire.unpack_header(frames[0])
    command: Command = _decode_command.decode(header.body)
    return command, wire.unpack_arrays(header, frames[1:])


def unpack_report(frames: list[Any]) -> tuple[Report, wire.Arrays]:
    header = wire.unpack_header(frames[0])
    report: Report = _decode_report.decode(header.body)
    return report, wire.unpack_arrays(header, frames[1:])

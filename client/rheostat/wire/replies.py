"""What the daemon answers and publishes."""

from __future__ import annotations

from typing import Any

import msgspec

from rheostat.wire.base import JobState, Message
from rheostat.wire.tables import TableInfo


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened, numbered without gaps since the daemon started. Names: job.queued job.started
    job.progress job.paused job.resumed job.waiting job.finished device.started device.verified device.failed
    pulses.applied rig.latched rig.recovered rig.estop daemon.stopping. `data` carries suffixed keys (resistance_ohm,
    rig_time_s)."""

    sequence: int
    time: float  # unix time, s
    name: str
    job_id: str | None = None
    data: dict[str, Any] = msgspec.field(default_factory=dict)


class Failure(Message, frozen=True, kw_only=True, tag="error"):
    """The request was refused. `code` is stable, `message` is for people and says what is possible."""

    code: str
    message: str


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    vendor: str
    model: str
    serial: str
    firmware: str
    resource: str


class Status(Message, frozen=True, kw_only=True, tag="status"):
    version: str
    bench: str
    virtual: bool
    state: str  # "starting", "idle", "running", "paused", "latched", "stopping"
    latch: str | None  # why the rig is latched
    running: str | None  # job id
    queued: int
    sequence: int  # of the newest event
    uptime: float  # s
    pid: int
    executor_pid: int | None
    data: str  # folder of the journal
    events: str  # PUB endpoint
    estop: str  # endpoint of the emergency socket
    instruments: tuple[Instrument, ...] = ()


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """One device as the daemon knows it. Resistance and time are of the last reading in the journal, if any."""

    name: str
    kind: str
    channels: dict[str, str]
    window: tuple[float, float]  # LRS, HRS, ohm
    levels: int = 512  # that the window is divided in
    resistance: float | None = None
    read_at: float | None = None  # unix time, s
    pulses: int = 0
    suspect: bool = False  # may have been pulsed without a reading after it


class DeviceList(Message, frozen=True, kw_only=True, tag="devices"):
    devices: tuple[Device, ...]


class Job(Message, frozen=True, kw_only=True, tag="job"):
    job_id: str
    kind: str
    state: JobState
    priority: int = 0
    label: str = ""
    submitted: float = 0.0  # unix time, s
    started: float | None = None
    finished: float | None = None
    total: int = 0  # targets (or devices, or trains)
    done: int = 0
    pulses: int = 0
    reads: int = 0
    energy: float = 0.0  # J
    rig_time: float = 0.0  # s
    outcomes: dict[str, int] = msgspec.field(default_factory=dict)  # name of the outcome -> count
    error_code: str | None = None
    error: str | None = None
    due: float | None = None  # unix time, s: when a job that waits goes on


class JobList(Message, frozen=True, kw_only=True, tag="jobs"):
    jobs: tuple[Job, ...]


class Plan(Message, frozen=True, kw_only=True, tag="plan"):
    """What a job would do: targets, pulses and rig time expected, risks in words."""

    total: int
    pulses: int
    rig_time: float
    energy: float | None
    risks: tuple[str, ...] = ()


class Result(Message, frozen=True, kw_only=True, tag="result"):
    """The job with its arrays and all that is needed to repeat it.

    Arrays of program: targets (n,) f8, device (n,) i4, achieved (n,) f8 ohm (estimate of the true resistance),
    uncertainty (n,) f8 ohm (its standard error), outcome (n,) u1, pulses (n,) i4, reads (n,) i4, energy (n,) f8 J,
    rig_time (n,) f8 s, wall_time (n,) f8 s. Read: resistance (n_devices, readings) f8. Initialise: achieved, outcome,
    pulses, energy, rig_time, wall_time (n_devices,). Calibrate: those of the FeedforwardTable. Train: voltage, width,
    resistance (n_devices, cycles, n) f8 ohm, energy (n_devices, cycles, n) f8 J, pulses (n_devices,) i4.
    Iv_loops: voltage (n,) f8 V; resistance (n_devices, loops, n) f8 ohm, read after each dwell; current (n_devices,
    loops, n) f8 A into the write terminals, of its last write pulse; energy (n_devices, loops, n) f8 J of each dwell.
    Identical_pulses: voltages (v,) f8; the others (n_devices, 2, v, repetitions), potentiation before depression:
    resistance (..., pulses + 1) f8 ohm, before the first write pulse and after each; stroke f8 ohm that the device was
    moved the other way just before; energy f8 J of the train; outcome u1 (VERIFIED: the whole train).
    Staircase: counts (n_devices, cycles, 2) i4 write pulses of each sweep, potentiation first; final, the same shape,
    f8 ohm read after its last; outcome, the same shape, u1 (VERIFIED: through the whole window); resistance, voltage,
    energy (sum of counts,) f8 of all write pulses one after another: the reading before it ohm, V signed, J.
    Retention: times (t,) f8 s asked for; elapsed (n_devices, t) f8 s; resistance (n_devices, t) f8 ohm, mean; error
    (n_devices, t) f8 ohm, its standard error.
    Check_table: predicted, measured (n_devices, 2, k) f8 ohm, step of each write pulse, potentiation first, nan where
    there was none; gain, gain_error, expected (n_devices, 2) f8, travel over the table's prediction, its standard
    error, and what the table holds; fits (n_devices,) u1: 1 within what the errors allow.
    Traces, when asked for: trace_<k>_<field> for the k-th name in `traces`, fields as in Trace.
    """

    job: Job
    devices: tuple[str, ...]
    provenance: dict[str, Any]


class Trace(Message, frozen=True, kw_only=True, tag="trace"):
    """Arrays, one element per event: voltage (m,) f8 V (nan: a reading only), width (m,) f8 s, resistance (m,) f8 ohm
    (mean of its readings), reads (m,) i4, energy (m,) f8 J, target (m,) i4 (index of the target in the
    job; -1: the first look before a sweep)."""

    job_id: str
    device: str


class Events(Message, frozen=True, kw_only=True, tag="events"):
    events: tuple[Event, ...]
    complete: bool  # False: older events than these were asked for and are gone


class TableList(Message, frozen=True, kw_only=True, tag="tables"):
    tables: tuple[TableInfo, ...]


class Table(Message, frozen=True, kw_only=True, tag="table"):
    info: TableInfo


class Ok(Message, frozen=True, kw_only=True, tag="ok"):
    pass


Reply = Failure | Status | DeviceList | Job | JobList | Plan | Result | Trace | Events | TableList | Table | Ok

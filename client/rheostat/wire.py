"""The protocol between client and daemon: every message, outcome code and table, typed. Imports nothing of ours.

A message is one header frame (MessagePack) and then its arrays as raw frames: [header, array, array, ...]. The header
holds the protocol version, the request's number, a tagged body and one description per array (name, dtype, shape,
SHA-256). Requests go from a DEALER to the daemon's ROUTER; events come from its PUB as [topic, header].
SI units everywhere: ohm, volt, second, joule.
"""

from __future__ import annotations

import enum
import hashlib
import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import msgspec
import numpy as np
import numpy.typing as npt

VERSION = 1
MAX_HEADER_BYTES = 1 << 20
MAX_ARRAYS = 256
MAX_ARRAY_BYTES = 1 << 30
MAX_DIMENSIONS = 16
DTYPES = frozenset({"<f8", "<f4", "<i8", "<i4", "|u1", "|b1"})

Array = npt.NDArray[Any]
Arrays = dict[str, Array]


class WireError(Exception):
    """A message that is not one of this protocol. `code` is stable."""

    code = "wire.malformed"


class Outcome(enum.IntEnum):
    """How programming one target on one device ended. Numbers are part of the protocol: never reuse one."""

    PENDING = 0  # not attempted yet
    VERIFIED = 1  # the estimate of the true resistance lies within the tolerance with the confidence asked for
    NOT_CONVERGED = 2  # the pulses allowed for one target were used up
    STUCK = 3  # write pulses no longer move the device
    SATURATED = 4  # the device reached the end of what the limits allow, before the target
    OPEN = 5  # no read current
    SHORTED = 6  # far below the window
    COMPLIANCE = 7  # a channel reached its current compliance
    NOISY = 8  # readings scatter so much that the tolerance cannot be verified
    UNREACHABLE = 9  # the target lies outside the window
    LIMIT = 10  # the next write pulse would have passed a limit of the bench
    CANCELLED = 11  # the job was cancelled or stopped before this target was done
    INTERRUPTED = 12  # the daemon or rig died meanwhile: the device may have been pulsed and has to be read again


class JobState(enum.StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"  # every target has an outcome; look at them
    FAILED = "failed"  # the rig or the job itself failed: `error_code`, `error`
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"  # the daemon died while it ran

    @property
    def final(self) -> bool:
        return self not in (JobState.QUEUED, JobState.RUNNING, JobState.PAUSED)


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", kw_only=True):
    """Base of all bodies: frozen, unknown fields refused, told apart by `op`."""


# ---- what a job asks for -------------------------------------------------------------------------------------------


class Program(Message, frozen=True, kw_only=True, tag="program"):
    """Bring devices to target resistances. Arrays: targets (n,) f8 ohm; device (n,) i4 index into `devices`; perhaps
    tolerance (n,) f8 ohm, in place of the one for all.

    Several targets on one device are visited one after another, in the given order or as a sweep through the window
    (`order`), each measured when it is reached.
    """

    devices: tuple[str, ...]
    tolerance: float  # ohm, half the width of the accepted band
    scheme: str = "ffp"
    parameters: dict[str, float] = {}
    confidence: float = 0.95
    max_pulses: int = 2000  # for one target
    order: str = "given"  # or "sweep"
    table: str | None = None  # version of the feedforward table; None: the newest that covers the devices
    traces: tuple[str, ...] = ()  # devices whose every pulse and reading comes back with the result
    shape: tuple[int, ...] | None = None  # of the targets as the client holds them, for whoever fetches the result


class Read(Message, frozen=True, kw_only=True, tag="read"):
    """Read devices, each `readings` times in one routing."""

    devices: tuple[str, ...]
    readings: int = 1


class Initialise(Message, frozen=True, kw_only=True, tag="initialise"):
    """Bring devices to one end of the window in closed loop: state "HRS" or "LRS"."""

    devices: tuple[str, ...]
    state: str
    max_pulses: int = 2000


class Calibrate(Message, frozen=True, kw_only=True, tag="calibrate"):
    """Measure dR(V, R) on `device` in full and the gain of `others` from at most `gain_pulses` each; store a table."""

    device: str
    others: tuple[str, ...] = ()
    voltages: tuple[float, ...] = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0)
    width: float = 0.8
    max_train: int = 250  # write pulses of one train (the paper's 200 s); it ends earlier once it is saturated
    gain_pulses: int = 50


class Train(Message, frozen=True, kw_only=True, tag="train"):
    """The same write pulses for each device, `cycles` times over, one reading after each; nothing decides and nothing
    is verified. Arrays: voltage (n,) f8 V, positive potentiates; width (n,) f8 s.

    measure: "states" for the resistances; "energy" for the energies, where the source cannot measure both in one run.
    """

    devices: tuple[str, ...]
    cycles: int = 1
    measure: Literal["states", "energy"] = "states"


Spec = Program | Read | Initialise | Calibrate | Train


# ---- requests ------------------------------------------------------------------------------------------------------


class GetStatus(Message, frozen=True, kw_only=True, tag="status"):
    pass


class ListDevices(Message, frozen=True, kw_only=True, tag="devices"):
    pass


class Submit(Message, frozen=True, kw_only=True, tag="submit"):
    """A job. The client makes `job_id`; the same job sent again gets the same answer. Arrays: the spec's."""

    job_id: str
    spec: Spec
    priority: int = 0  # higher first
    label: str = ""
    dry_run: bool = False  # answer a Plan and do nothing


class GetJob(Message, frozen=True, kw_only=True, tag="job"):
    job_id: str


class ListJobs(Message, frozen=True, kw_only=True, tag="jobs"):
    limit: int = 50
    states: tuple[JobState, ...] = ()


class Wait(Message, frozen=True, kw_only=True, tag="wait"):
    """Answered when the job has reached a final state (or any of `states`), or after `timeout` s with what is."""

    job_id: str
    timeout: float = 30.0
    states: tuple[JobState, ...] = ()


class GetResult(Message, frozen=True, kw_only=True, tag="result"):
    job_id: str


class GetTrace(Message, frozen=True, kw_only=True, tag="trace"):
    """Every pulse and reading of one device in one job, from the journal."""

    job_id: str
    device: str


class Cancel(Message, frozen=True, kw_only=True, tag="cancel"):
    job_id: str


class Pause(Message, frozen=True, kw_only=True, tag="pause"):
    """Pause one job, or the whole queue when `job_id` is None. A running job pauses between two devices' events."""

    job_id: str | None = None


class Resume(Message, frozen=True, kw_only=True, tag="resume"):
    job_id: str | None = None


class ListTables(Message, frozen=True, kw_only=True, tag="tables"):
    pass


class GetTable(Message, frozen=True, kw_only=True, tag="table"):
    """A feedforward table; None: the newest. The reply's arrays are those of `FeedforwardTable`."""

    version: str | None = None


class Recover(Message, frozen=True, kw_only=True, tag="recover"):
    """Check the rig and clear the latch that an error or an emergency stop has set."""


class ReplayEvents(Message, frozen=True, kw_only=True, tag="events"):
    """The events after sequence number `after` that the daemon still holds."""

    after: int


class EmergencyStop(Message, frozen=True, kw_only=True, tag="estop"):
    """On the emergency socket only. Stops the line that runs, 0 V, relays open, latches the rig."""

    reason: str = ""


Request = (
    GetStatus
    | ListDevices
    | Submit
    | GetJob
    | ListJobs
    | Wait
    | GetResult
    | GetTrace
    | Cancel
    | Pause
    | Resume
    | ListTables
    | GetTable
    | Recover
    | ReplayEvents
    | EmergencyStop
)


# ---- events --------------------------------------------------------------------------------------------------------


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened, numbered without gaps since the daemon started. Names: job.queued job.started
    job.progress job.paused job.resumed job.finished device.started device.verified device.failed pulses.applied
    rig.latched rig.recovered rig.estop daemon.stopping. `data` carries suffixed keys (resistance_ohm, rig_time_s)."""

    sequence: int
    time: float  # unix time, s
    name: str
    job_id: str | None = None
    data: dict[str, Any] = {}


# ---- replies -------------------------------------------------------------------------------------------------------


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
    outcomes: dict[str, int] = {}  # name of the outcome -> count
    error_code: str | None = None
    error: str | None = None


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


class TableInfo(msgspec.Struct, frozen=True, kw_only=True):
    """`width`: s; `window`: LRS, HRS ohm; `gains`: device -> (potentiation, depression) relative to `device`."""

    version: str
    device: str
    created: float  # unix time, s
    width: float
    window: tuple[float, float]
    gains: dict[str, tuple[float, float]]
    step: tuple[float, float] = (0.262, 0.2405)  # ohm per pulse aimed at, potentiation and depression
    bounds: tuple[float, float] = (0.1, 0.3)  # ohm, bounds of a predicted step
    noise: float = 0.0  # ohm rms of one reading, measured during the calibration


class TableList(Message, frozen=True, kw_only=True, tag="tables"):
    tables: tuple[TableInfo, ...]


class Table(Message, frozen=True, kw_only=True, tag="table"):
    info: TableInfo


class Ok(Message, frozen=True, kw_only=True, tag="ok"):
    pass


Reply = Failure | Status | DeviceList | Job | JobList | Plan | Result | Trace | Events | TableList | Table | Ok


# ---- tables ------------------------------------------------------------------------------------------------------


class FeedforwardTable:
    """The calibrated dR(V, R) of one device and the gains of others: what the feedforward scheme looks up.

    info: TableInfo; voltages (a,) f8 V, positive, rising; resistances (m,) f8 ohm, rising;
    potentiation (a, m) f8 ohm: fall of resistance by one pulse of +voltages[a] at resistances[m], >= 0;
    depression (a, m) f8 ohm: rise by one pulse of -voltages[a], >= 0. Both non-decreasing along a.
    """

    ARRAYS: ClassVar[tuple[str, ...]] = ("voltages", "resistances", "potentiation", "depression")

    def __init__(self, info: TableInfo, voltages: Array, resistances: Array, potentiation: Array, depression: Array):
        shape = (len(voltages), len(resistances))
        if potentiation.shape != shape or depression.shape != shape:
            raise WireError(f"feedforward table: dR must have shape {shape}")
        self.info = info
        self.voltages = voltages
        self.resistances = resistances
        self.potentiation = potentiation
        self.depression = depression

    def __repr__(self) -> str:
        others = len(self.info.gains) - 1
        return (
            f"<FeedforwardTable {self.info.version}: dR(V, R) of {self.info.device}, gains of {others} others; "
            f"{len(self.voltages)} voltages x {len(self.resistances)} resistances>"
        )

    def arrays(self) -> Arrays:
        return {name: getattr(self, name) for name in self.ARRAYS}

    @classmethod
    def from_arrays(cls, info: TableInfo, arrays: Arrays) -> FeedforwardTable:
        return cls(info, *(arrays[name] for name in cls.ARRAYS))


# ---- framing -------------------------------------------------------------------------------------------------------


class ArrayHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    dtype: str
    shape: tuple[int, ...]
    sha256: bytes


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`number` repeats in the reply; `body` is one of Request or Reply, decoded by the receiver."""

    version: int
    number: int
    body: msgspec.Raw
    arrays: tuple[ArrayHeader, ...] = ()


_encode = msgspec.msgpack.Encoder().encode
_decode_header = msgspec.msgpack.Decoder(Header)
_decode_request = msgspec.msgpack.Decoder(Request)
_decode_reply = msgspec.msgpack.Decoder(Reply)
_decode_event = msgspec.msgpack.Decoder(Event)


def pack(body: msgspec.Struct, number: int = 0, arrays: Arrays | None = None) -> list[bytes | memoryview]:
    """The frames of one message. Arrays must have a dtype of DTYPES; they are sent C-contiguous, without a copy."""
    described = []
    frames: list[bytes | memoryview] = [b""]
    for name, array in (arrays or {}).items():
        flat = np.ascontiguousarray(array)
        if flat.dtype.str not in DTYPES:
            raise WireError(f"array {name!r}: dtype {flat.dtype.str} cannot travel")
        raw = flat.reshape(-1).view(np.uint8).data.cast("B")
        described.append(ArrayHeader(name, flat.dtype.str, array.shape, hashlib.sha256(raw).digest()))
        frames.append(raw)
    frames[0] = _encode(Header(VERSION, number, msgspec.Raw(_encode(body)), tuple(described)))
    return frames


def unpack_header(raw: bytes | memoryview) -> Header:
    """The header frame, checked for size, form and version."""
    header: Header = _decode(_decode_header, raw)
    if header.version != VERSION:
        raise WireError(f"protocol version {header.version}, this side speaks {VERSION}")
    return header


def unpack_request(header: Header) -> Request:
    """The body as a Request. Raises WireError naming the field."""
    request: Request = _decode(_decode_request, header.body)
    return request


def unpack_reply(header: Header) -> Reply:
    """The body as a Reply. Raises WireError naming the field."""
    reply: Reply = _decode(_decode_reply, header.body)
    return reply


def pack_event(event: Event) -> bytes:
    return _encode(event)


def unpack_event(raw: bytes | memoryview) -> Event:
    event: Event = _decode(_decode_event, raw)
    return event


def unpack_arrays(header: Header, frames: Sequence[Any]) -> Arrays:
    """The arrays that came with a header: count, size and hash are checked before anything is used. Read-only."""
    if len(frames) != len(header.arrays) or len(frames) > MAX_ARRAYS:
        raise WireError(f"{len(header.arrays)} arrays announced, {len(frames)} frames came (at most {MAX_ARRAYS})")
    arrays: Arrays = {}
    for described, frame in zip(header.arrays, frames, strict=True):
        raw = memoryview(frame).cast("B")
        extent = math.prod(max(n, 1) for n in described.shape)  # numpy refuses what overflows, even when it is empty
        if described.dtype not in DTYPES or min(described.shape, default=0) < 0 or extent > MAX_ARRAY_BYTES:
            raise WireError(f"array {described.name!r}: dtype {described.dtype!r} or shape not allowed")
        if len(described.shape) > MAX_DIMENSIONS:
            raise WireError(f"array {described.name!r}: {len(described.shape)} dimensions, at most {MAX_DIMENSIONS}")
        size = math.prod(described.shape) * np.dtype(described.dtype).itemsize
        if size != len(raw) or size > MAX_ARRAY_BYTES:
            raise WireError(f"array {described.name!r}: {len(raw)} bytes came, {size} announced")
        if hashlib.sha256(raw).digest() != described.sha256:
            raise WireError(f"array {described.name!r}: its content does not match its hash")
        array = np.frombuffer(raw, dtype=described.dtype).reshape(described.shape)
        array.flags.writeable = False
        arrays[described.name] = array
    return arrays


def _decode(decoder: Any, raw: Any) -> Any:
    if len(memoryview(raw)) > MAX_HEADER_BYTES:
        raise WireError(f"header of {len(memoryview(raw))} bytes, at most {MAX_HEADER_BYTES}")
    try:
        return decoder.decode(raw)
    except msgspec.DecodeError as error:
        raise WireError(str(error)) from error

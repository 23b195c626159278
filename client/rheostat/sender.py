"""The jobs that a rig can be asked for, one method each, and what each would do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, Unpack

from rheostat import specs, talk, wire
from rheostat.job import Job
from rheostat.results import (
    CalibrateResult,
    CheckTableResult,
    IdenticalPulsesResult,
    InitialiseResult,
    IvLoopsResult,
    ProgramResult,
    ReadResult,
    RetentionResult,
    StaircaseResult,
    TrainResult,
)
from rheostat.targets import WeightMapping

T = TypeVar("T")
P = ParamSpec("P")


class Do(Protocol):
    """Holds a conversation with the daemon."""

    def __call__(self, conversation: talk.Talk[T], /) -> T: ...


def _dry(spec: Callable[P, talk.Talk[talk.Submission]]) -> Callable[Concatenate[Plans, P], wire.Plan]:
    @wraps(spec)
    def plan(self: Plans, /, *arguments: P.args, **options: P.kwargs) -> wire.Plan:
        return self._do(talk.planned(spec(*arguments, **options)))

    return plan


class Plans:
    """What jobs would do: methods and arguments are those of the `Rig` (without `wait`); nothing is done."""

    def __init__(self, do: Do) -> None:
        self._do = do

    program = _dry(specs.program)
    read = _dry(specs.read)
    initialise = _dry(specs.initialise)
    train = _dry(specs.train)
    iv_loops = _dry(specs.iv_loops)
    identical_pulses = _dry(specs.identical_pulses)
    staircase = _dry(specs.staircase)
    retention = _dry(specs.retention)
    check_table = _dry(specs.check_table)
    calibrate = _dry(specs.calibrate)
    repeat = _dry(specs.repeat)


class Sender(ABC):
    """What a rig does on request. Each method sends a job and returns it at once, or when it has ended: `wait`."""

    @abstractmethod
    def _do(self, conversation: talk.Talk[T], /) -> T:
        """Holds a conversation with the daemon."""

    @abstractmethod
    def _submit(self, conversation: talk.Talk[talk.Submission], wait: bool) -> Job[Any]:
        """Sends the job that a conversation makes."""

    def program(
        self,
        targets: Any,
        devices: Any = None,
        *,
        unit: str = "ohm",
        mapping: WeightMapping | None = None,
        scheme: str = "ffp",
        tolerance: Any = None,
        parameters: Mapping[str, float] | None = None,
        confidence: float = 0.95,
        order: str = "given",
        max_pulses: int = 2000,
        table: str | None = None,
        traces: Sequence[str] = (),
        priority: int = 0,
        label: str = "",
        job_id: str | None = None,
        wait: bool = False,
    ) -> Job[ProgramResult]:
        """Brings devices to target resistances; the Job's result has the shape of the targets.

        targets: numbers in `unit` ("ohm", "kohm", "S", "uS", ...), or weights with a `mapping`; a numpy array, nested
            list or torch tensor of any shape.
        devices: one name; an array of names that broadcasts to the targets; or a list that is dealt to the targets in
            turn. None: all devices of the bench in turn.
        tolerance: half the width of the accepted band: a number or an array like the targets, always ohm; or text with
            a unit, "20 uS". None: half a level of the window (of 512, unless the bench says otherwise).
        parameters: settings of the scheme by name.
        order: in which several targets of one device are visited: "given", or as one "sweep" through the window.
        max_pulses: for one target. table: version of the feedforward table; None: the newest that fits.
        traces: devices whose every pulse and reading comes back. priority: higher first.
        job_id: your own; the same job sent again under one id runs once.
        wait: return when the job has ended.
        Raises InputError before anything is sent, RequestRefused when the daemon says no.
        """
        submission = specs.program(
            targets,
            devices,
            unit=unit,
            mapping=mapping,
            scheme=scheme,
            tolerance=tolerance,
            parameters=parameters,
            confidence=confidence,
            order=order,
            max_pulses=max_pulses,
            table=table,
            traces=traces,
            priority=priority,
            label=label,
            job_id=job_id,
        )
        return self._submit(submission, wait)

    def plan(self, targets: Any, devices: Any = None, **options: Unpack[specs.ProgramOptions]) -> wire.Plan:
        """What `program` with the same arguments would do: targets, pulses and rig time expected, risks in words."""
        return self.plans.program(targets, devices, **options)

    def read(
        self, devices: Any = None, readings: int = 1, *, wait: bool = False, **options: Unpack[specs.JobOptions]
    ) -> Job[ReadResult]:
        """Reads devices (None: all), each `readings` times in one routing."""
        return self._submit(specs.read(devices, readings, **options), wait)

    def initialise(
        self,
        devices: Any,
        state: str,
        max_pulses: int = 2000,
        *,
        wait: bool = False,
        **options: Unpack[specs.JobOptions],
    ) -> Job[InitialiseResult]:
        """Brings devices (None: all) to one end of the window in closed loop: "HRS" or "LRS"."""
        return self._submit(specs.initialise(devices, state, max_pulses, **options), wait)

    def train(
        self,
        devices: Any,
        voltages: Any,
        widths: Any,
        cycles: int = 1,
        *,
        measure: str = "states",
        wait: bool = False,
        **options: Unpack[specs.JobOptions],
    ) -> Job[TrainResult]:
        """Applies the same write pulses to each device, `cycles` times over, and reads after each of them.

        voltages: (n,) V, positive potentiates; widths: (n,) s, or one for all; measure: "states" or "energy", where
        the source cannot measure both in one run.
        """
        return self._submit(specs.train(devices, voltages, widths, cycles, measure=measure, **options), wait)

    def iv_loops(
        self,
        devices: Any = None,
        amplitude: float | None = None,
        *,
        voltages: Any = None,
        steps: int | None = None,
        loops: int = 20,
        dwell: float = 100.0,
        width: float | None = None,
        wait: bool = False,
        **options: Unpack[specs.JobOptions],
    ) -> Job[IvLoopsResult]:
        """Runs I-V loops on devices (None: all): the memory characteristic, which settles from loop to loop.

        amplitude: V (None: 6) and steps from 0 V to it (None: 6); or voltages: (n,) V, one loop, signed.
        dwell: s at each voltage, made of write pulses of at most `width` s; a reading after it.
        """
        asked = {"voltages": voltages, "steps": steps, "loops": loops, "dwell": dwell, "width": width}
        return self._submit(specs.iv_loops(devices, amplitude, **asked, **options), wait)

    def identical_pulses(
        self,
        devices: Any = None,
        voltages: Sequence[float] | None = None,
        pulses: int = 100,
        repetitions: int = 5,
        width: float = 2.0,
        *,
        wait: bool = False,
        **options: Unpack[specs.JobOptions],
    ) -> Job[IdenticalPulsesResult]:
        """Applies trains of identical write pulses to devices (None: all), from HRS down and from LRS up, each of
        `voltages` (V, positive; None: the fifteen of Diao 2025) `repetitions` times. width: s."""
        return self._submit(specs.identical_pulses(devices, voltages, pulses, repetitions, width, **options), wait)

    def staircase(
        self,
        devices: Any = None,
        cycles: int = 66,
        *,
        table: str | None = None,
        max_pulses: int = 2000,
        wait: bool = False,
        **options: Unpack[specs.JobOptions],
    ) -> Job[StaircaseResult]:
        """Sweeps devices (None: all) through the whole window and back, each Vw chosen by the reading before it.

        table: version of the feedforward table; None: the newest that covers the devices. max_pulses: of one sweep.
        """
        return self._submit(specs.staircase(devices, cycles, table=table, max_pulses=max_pulses, **options), wait)

    def retention(
        self,
        devices: Any,
        times: Any,
        readings: int = 4,
        *,
        wait: bool = False,
        **options: Unpack[specs.JobOptions],
    ) -> Job[RetentionResult]:
        """Reads devices (None: all) now and at `times` (s after that, rising), each `readings` times in one routing.

        Other jobs run between; a daemon that starts again goes on with what is left.
        """
        return self._submit(specs.retention(devices, times, readings, **options), wait)

    def check_table(
        self,
        devices: Any = None,
        table: str | None = None,
        pulses: int = 24,
        *,
        wait: bool = False,
        **options: Unpack[specs.JobOptions],
    ) -> Job[CheckTableResult]:
        """Tells by at most `pulses` write pulses a device whether a feedforward table (None: the newest) still fits."""
        return self._submit(specs.check_table(devices, table, pulses, **options), wait)

    def calibrate(
        self,
        device: str,
        others: Any = (),
        *,
        voltages: Sequence[float] | None = None,
        width: float | None = None,
        max_train: int | None = None,
        gain_pulses: int | None = None,
        trains: Any = None,
        wait: bool = False,
        **options: Unpack[specs.JobOptions],
    ) -> Job[CalibrateResult]:
        """Measures dR(V, R) on `device` in full, and the gain of `others` (names, or "all") from a few pulses each.

        voltages: V, positive; width: s; max_train: write pulses of one train; gain_pulses: for each other device.
        trains: an identical_pulses job (id, Job or Result) whose trains of `device` are fitted, in place of new ones.
        """
        submission = specs.calibrate(
            device,
            others,
            voltages=voltages,
            width=width,
            max_train=max_train,
            gain_pulses=gain_pulses,
            trains=trains,
            **options,
        )
        return self._submit(submission, wait)

    def plan_calibration(self, device: str, others: Any = (), **options: Any) -> wire.Plan:
        """What `calibrate` with the same arguments would do, and the rig time it would take."""
        return self.plans.calibrate(device, others, **options)

    def repeat(
        self, source: Any, unfinished: bool = False, *, wait: bool = False, **options: Unpack[specs.JobOptions]
    ) -> Job[Any]:
        """Does again what an earlier job did, under a new id.

        source: its id, its Job, or its Result, also one that was loaded from a file of another daemon's.
        unfinished: only what that job had not finished; what it had measured is in the new result, too (iv_loops,
            identical_pulses, staircase and calibrate jobs).
        """
        return self._submit(specs.repeat(source, unfinished, **options), wait)

    @property
    def plans(self) -> Plans:
        """What each job would do: `rig.plans.staircase("A1")` for `rig.staircase("A1")`, the same for every kind."""
        return Plans(self._do)

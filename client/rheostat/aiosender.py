"""The asyncio twin of `rheostat.sender`, which describes every option."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, Unpack

from rheostat import specs, talk, wire
from rheostat.aiojob import Job
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

T = TypeVar("T")
P = ParamSpec("P")


class Do(Protocol):
    """Holds a conversation with the daemon."""

    async def __call__(self, conversation: talk.Talk[T], /) -> T: ...


def _dry(spec: Callable[P, talk.Talk[talk.Submission]]) -> Callable[Concatenate[Plans, P], Awaitable[wire.Plan]]:
    @wraps(spec)
    async def plan(self: Plans, /, *arguments: P.args, **options: P.kwargs) -> wire.Plan:
        return await self._do(talk.planned(spec(*arguments, **options)))

    return plan


class Plans:
    """As `rheostat.sender.Plans`; every method is awaited."""

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
    """As `rheostat.sender.Sender`; every method is awaited."""

    @abstractmethod
    async def _do(self, conversation: talk.Talk[T], /) -> T:
        """Holds a conversation with the daemon."""

    @abstractmethod
    async def _submit(self, conversation: talk.Talk[talk.Submission], wait: bool) -> Job[Any]:
        """Sends the job that a conversation makes."""

    async def program(
        self, targets: Any, devices: Any = None, *, wait: bool = False, **options: Unpack[specs.ProgramOptions]
    ) -> Job[ProgramResult]:
        return await self._submit(specs.program(targets, devices, **options), wait)

    async def plan(self, targets: Any, devices: Any = None, **options: Unpack[specs.ProgramOptions]) -> wire.Plan:
        return await self.plans.program(targets, devices, **options)

    async def read(
        self, devices: Any = None, readings: int = 1, *, wait: bool = False, **options: Unpack[specs.JobOptions]
    ) -> Job[ReadResult]:
        return await self._submit(specs.read(devices, readings, **options), wait)

    async def initialise(
        self,
        devices: Any,
        state: str,
        max_pulses: int = 2000,
        *,
        wait: bool = False,
        **options: Unpack[specs.JobOptions],
    ) -> Job[InitialiseResult]:
        return await self._submit(specs.initialise(devices, state, max_pulses, **options), wait)

    async def train(
        self, devices: Any, voltages: Any, widths: Any, cycles: int = 1, *, wait: bool = False, **options: Any
    ) -> Job[TrainResult]:
        return await self._submit(specs.train(devices, voltages, widths, cycles, **options), wait)

    async def iv_loops(
        self, devices: Any = None, amplitude: float | None = None, *, wait: bool = False, **options: Any
    ) -> Job[IvLoopsResult]:
        return await self._submit(specs.iv_loops(devices, amplitude, **options), wait)

    async def identical_pulses(
        self, devices: Any = None, voltages: Any = None, *arguments: Any, wait: bool = False, **options: Any
    ) -> Job[IdenticalPulsesResult]:
        return await self._submit(specs.identical_pulses(devices, voltages, *arguments, **options), wait)

    async def staircase(
        self, devices: Any = None, cycles: int = 66, *, wait: bool = False, **options: Any
    ) -> Job[StaircaseResult]:
        return await self._submit(specs.staircase(devices, cycles, **options), wait)

    async def retention(
        self, devices: Any, times: Any, readings: int = 4, *, wait: bool = False, **options: Unpack[specs.JobOptions]
    ) -> Job[RetentionResult]:
        return await self._submit(specs.retention(devices, times, readings, **options), wait)

    async def check_table(
        self,
        devices: Any = None,
        table: str | None = None,
        pulses: int = 24,
        *,
        wait: bool = False,
        **options: Unpack[specs.JobOptions],
    ) -> Job[CheckTableResult]:
        return await self._submit(specs.check_table(devices, table, pulses, **options), wait)

    async def calibrate(
        self, device: str, others: Any = (), *, wait: bool = False, **options: Any
    ) -> Job[CalibrateResult]:
        return await self._submit(specs.calibrate(device, others, **options), wait)

    async def plan_calibration(self, device: str, others: Any = (), **options: Any) -> wire.Plan:
        return await self.plans.calibrate(device, others, **options)

    async def repeat(
        self, source: Any, unfinished: bool = False, *, wait: bool = False, **options: Unpack[specs.JobOptions]
    ) -> Job[Any]:
        return await self._submit(specs.repeat(source, unfinished, **options), wait)

    @property
    def plans(self) -> Plans:
        return Plans(self._do)

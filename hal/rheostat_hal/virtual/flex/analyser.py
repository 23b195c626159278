"""The B1500A: modules, settings, error queue, and how a line is carried out.

Commands are functions in a table, `@command("DV", 3, 6)`, and measurement modes in another, `@mode(27)`: a module that
adds either is imported by `flex.commands`. A command gets the analyser and its numbers, raises FlexError, and speaks
through the port of the connection whose line runs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from rheostat_hal.virtual.adc import Adc, Averaging, Integration, default_averaging
from rheostat_hal.virtual.faults import LineFault
from rheostat_hal.virtual.flex import data, parser, struck
from rheostat_hal.virtual.flex.errors import ErrorQueue, FlexError
from rheostat_hal.virtual.flex.modules import SMUS
from rheostat_hal.virtual.flex.selector import Selector
from rheostat_hal.virtual.flex.smu import Smu
from rheostat_hal.virtual.flex.sources import MultiPulse, PulseSource, Sampling, Staircase
from rheostat_hal.virtual.flex.spgu import SpguChannel, Spgus
from rheostat_hal.virtual.world import World

TICK = 100_000  # ns
NOT_KEPT = ("ST", "DO", "RU", "SCR", "*RST", "AB")  # in the program memory
Numbers = tuple[float, ...]


class Port(Protocol):
    """The way back to the client: two output buffers, and waits that an abort ends."""

    def reply(self, text: str) -> None: ...

    def put_data(self, text: str, items: int, *, hold: bool) -> None: ...

    def clear_data(self) -> None: ...

    def clear(self) -> None: ...

    @property
    def waiting_items(self) -> int: ...

    def sleep(self, seconds: float) -> None: ...


class CommandEntry(NamedTuple):
    run: Callable[[Analyser, Numbers], None]
    least: int
    most: int


COMMANDS: dict[str, CommandEntry] = {}
MODES: dict[int, Callable[[Analyser], None]] = {}


def command(
    name: str, least: int = 0, most: int | None = None
) -> Callable[[Callable[[Analyser, Numbers], None]], Callable[[Analyser, Numbers], None]]:
    """Enter a command that takes `least` to `most` numbers."""

    def enter(run: Callable[[Analyser, Numbers], None]) -> Callable[[Analyser, Numbers], None]:
        COMMANDS[name] = CommandEntry(run, least, least if most is None else most)
        return run

    return enter


def mode(number: int) -> Callable[[Callable[[Analyser], None]], Callable[[Analyser], None]]:
    """Enter what XE does in measurement mode `number`."""

    def enter(run: Callable[[Analyser], None]) -> Callable[[Analyser], None]:
        MODES[number] = run
        return run

    return enter


class Analyser:
    """`modules`: model in each of the ten slots, "0" for none; `selector`: what is wired to the ports of a 16440A (see
    flex.selector). One line at a time: hold `lock` around `run`."""

    def __init__(
        self, world: World, modules: Sequence[str], selector: Mapping[int, tuple[int, int]] | None = None
    ) -> None:
        self.world = world
        self.modules = tuple(modules)
        self.lock = threading.Lock()
        self.errors = ErrorQueue()
        self.interlock_closed = False
        self.programs: dict[int, list[str]] = {}
        self.storing: int | None = None  # the program that is being sent
        kinds = {slot: SMUS[model] for slot, model in enumerate(self.modules, 1) if model in SMUS}
        self.smus = {slot: Smu(slot, kind, world) for slot, kind in kinds.items()}
        self.spgus = Spgus.of(self.modules, world)
        self.selector = Selector(selector or {}, world)
        self.port: Port
        self._fault: LineFault | None = None
        self._settle()

    def reset(self) -> None:
        """*RST: outputs off, settings as at power on; the error queue stays."""
        for smu in self.smus.values():
            smu.reset()
        self.spgus.reset()
        self.selector.reset()
        self._settle()

    def reboot(self) -> None:
        """As after a loss of power."""
        self.errors = ErrorQueue()
        self.reset()

    def _settle(self) -> None:
        self.layout = 1
        self.source_data = 0
        self.trigger_mode = 1
        self.auto_calibration = False
        self.auto_zero = False
        self.parallel = False
        self.stamp = False
        self.timer = self.world.clock.now
        self.averaging: dict[Adc, Averaging] = {kind: default_averaging(kind, Integration.AUTO) for kind in Adc}
        self.wait_times = {1: (1.0, 0.0), 2: (1.0, 0.0)}
        self.measuring: tuple[int, tuple[Smu, ...]] | None = None
        self.pulse = PulseSource()
        self.multi = MultiPulse()
        self.staircase = Staircase()
        self.sampling = Sampling()
        self.next_trigger = 0  # ns: the period of the last pulse ends

    def run(self, line: str, port: Port, fault: LineFault | None = None) -> None:
        """Carry out one line. An error goes to the queue and stops the rest of the line. `fault`: scripted for it."""
        self.port = port
        self._fault = fault
        try:
            if fault is not None:
                struck.before_line(fault, self.errors)
            for text in parser.split(line):
                if self.storing is None:
                    self.carry_out(*parser.parse(text))
                else:
                    self._keep(text, self.storing)
        except FlexError as error:
            self.errors.add(error)

    def carry_out(self, name: str, numbers: Numbers) -> None:
        """One command. FlexError 100, 103, 120, or its own."""
        entry = COMMANDS.get(name)
        if entry is None:
            raise FlexError(100)
        if len(numbers) < entry.least:
            raise FlexError(103)
        if len(numbers) > entry.most:
            raise FlexError(120)
        entry.run(self, numbers)

    def _keep(self, text: str, number: int) -> None:
        """A command for the program memory. FlexError 100, 160, 162, which end the program (assumed)."""
        self.storing = None
        name, _ = parser.parse(text)
        if name == "END":
            return
        if name not in COMMANDS:
            raise FlexError(100)
        if name in NOT_KEPT or name.endswith("?"):
            raise FlexError(160 if name == "ST" else 162)
        self.programs[number].append(text)
        self.storing = number

    def smu(self, channel: float, *, on: bool = False) -> Smu:
        """The SMU of channel n or n01. FlexError 121, 153; 200 if it must be `on` and is not."""
        number, sub = divmod(int(channel), 100) if channel > 100 else (int(channel), 1)
        if channel != int(channel) or sub not in (1, 2) or not 1 <= number <= 10:
            raise FlexError(121)
        smu = self.smus.get(number)
        if smu is None or sub != 1:
            raise FlexError(153)
        if on and not smu.on:
            raise FlexError(200)
        return smu

    def several(self, channels: Numbers) -> list[Smu]:
        """The SMUs named; all of them when none is named."""
        return [self.smu(channel) for channel in channels] if channels else list(self.smus.values())

    def outputs(self, channels: Numbers) -> list[Smu | SpguChannel]:
        """As `several`, with the channels of the SPGUs."""
        if not channels:
            return [*self.smus.values(), *self.spgus.channels.values()]
        return [self.spgus.find(channel) or self.smu(channel) for channel in channels]

    def wait(self, seconds: float) -> None:
        """Let time pass; raises LineAborted."""
        if seconds > 0.0:
            self.world.wait(seconds, self.port.sleep)

    def elapsed(self, later: float = 0.0) -> float:
        """s since TSR, `later` s from now, as the timer counts: in steps of 100 us."""
        return (self.world.clock.now + round(later * 1e9) - self.timer) // TICK / (1e9 / TICK)

    def reply(self, text: str) -> None:
        self.port.reply(text)

    def emit(self, items: list[data.Datum], *, hold: bool = False) -> None:
        """Measurement data; `hold`: those of XE, before which a query reply may still pass."""
        if self._fault is not None:
            items = struck.distorted(items, self._fault)
        self.port.put_data(data.reply(items, data.FORMATS[self.layout]), len(items), hold=hold)


def whole(number: float, least: int, most: int) -> int:
    """An integer parameter within bounds, or FlexError 120."""
    if number != int(number) or not least <= number <= most:
        raise FlexError(120)
    return int(number)


def within(number: float, least: float, most: float) -> float:
    """A parameter within bounds, or FlexError 120."""
    if not least - 1e-12 <= number <= most + 1e-12:
        raise FlexError(120)
    return number

"""The values that pass between the instruments and those who use them: frozen, SI units throughout."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Status(enum.IntFlag):
    """What the instrument said beside the numbers of one event."""

    OK = 0
    COMPLIANCE = 1  # the measuring or forcing channel reached its current compliance
    OTHER_COMPLIANCE = 2  # another channel did
    OVER_RANGE = 4  # the measurement converter overflowed
    UNSETTLED = 8  # oscillation, force saturation


@dataclass(frozen=True, slots=True)
class Pulse:
    """A write pulse on the write terminals. `voltage` V: positive potentiates, negative depresses; `width` s."""

    voltage: float
    width: float


@dataclass(frozen=True, slots=True)
class Event:
    """One exchange with the rig: an optional write pulse, then `len(resistances)` readings within the same routing.

    resistances: ohm, one per reading, inf for an open circuit; currents: A, of each reading, as it flows out of
    the channel that measures, T3's or the column's: against the read voltage;
    write_current: A into the write terminals during the pulse; energy: J; both nan without a pulse, and where the
    converter overflowed;
    duration: s of rig time, from the programmed times of the instruments.
    """

    pulse: Pulse | None
    resistances: tuple[float, ...]
    currents: tuple[float, ...]
    write_current: float
    energy: float
    duration: float
    status: Status


@dataclass(frozen=True, slots=True)
class InstrumentIdentity:
    """What an instrument says it is: `name` in the bench, then its own words; `modules` slot -> model."""

    name: str
    vendor: str
    model: str
    serial: str
    firmware: str
    resource: str
    modules: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class DeviceAddress:
    """A device of the bench: `name`, `kind` (which physics and window apply), relay channel of each terminal."""

    name: str
    kind: str
    channels: tuple[tuple[str, str], ...]  # (terminal, relay channel), for example ("T1", "1101")

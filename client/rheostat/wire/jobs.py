"""What a job asks for: one message for each kind of job. SI units."""

from __future__ import annotations

from typing import Literal

import msgspec

from rheostat.wire.base import Message

# V: those explored by Z. Diao et al., Nanoscale Horiz. 10, 780 (2025), Fig. 2
PAPER_VOLTAGES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0)


class Program(Message, frozen=True, kw_only=True, tag="program"):
    """Bring devices to target resistances. Arrays: targets (n,) f8 ohm; device (n,) i4 index into `devices`; perhaps
    tolerance (n,) f8 ohm, in place of the one for all.

    Several targets on one device are visited one after another, in the given order or as a sweep through the window
    (`order`), each measured when it is reached.
    """

    devices: tuple[str, ...]
    tolerance: float  # ohm, half the width of the accepted band
    scheme: str = "ffp"
    parameters: dict[str, float] = msgspec.field(default_factory=dict)
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
    """Measure dR(V, R) on `device` in full and the gain of `others` from at most `gain_pulses` each; store a table.

    trains: id of a job "identical_pulses" whose trains of `device` are fitted, in place of new ones; voltages, width
    and max_train are then that job's.
    """

    device: str
    trains: str | None = None
    others: tuple[str, ...] = ()
    voltages: tuple[float, ...] = PAPER_VOLTAGES
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


class IvLoops(Message, frozen=True, kw_only=True, tag="iv_loops"):
    """The memory characteristic: each of `voltages` (V, one loop, signed; 0: a reading only) for `dwell` s, a reading
    after it, `loops` times over. A dwell longer than `width` is made of equal write pulses of at most `width` s."""

    devices: tuple[str, ...]
    voltages: tuple[float, ...]
    loops: int = 20
    dwell: float = 100.0
    width: float = 2.0


class IdenticalPulses(Message, frozen=True, kw_only=True, tag="identical_pulses"):
    """Trains of `pulses` identical write pulses, a reading after each: for either direction (potentiation from HRS,
    depression from LRS, reached in closed loop before each train), each of `voltages` (V, positive) `repetitions`
    times."""

    devices: tuple[str, ...]
    voltages: tuple[float, ...] = PAPER_VOLTAGES
    pulses: int = 100
    repetitions: int = 5
    width: float = 2.0  # s


class Staircase(Message, frozen=True, kw_only=True, tag="staircase"):
    """Feedforward sweeps through the whole window, potentiation and depression in turn, `cycles` times: before each
    pulse one reading, Vw from the table by that reading (Z. Diao et al., 2025, Fig. 3a). What does not depend on a
    reading is a `Train`."""

    devices: tuple[str, ...]
    cycles: int = 66
    table: str | None = None  # version of the feedforward table; None: the newest that covers the devices
    max_pulses: int = 2000  # of one sweep


class Retention(Message, frozen=True, kw_only=True, tag="retention"):
    """Reads devices at `times` (s after the first reading, rising, the first 0), each `readings` times in one routing.
    Between them other jobs run; a daemon that starts again goes on with what is left."""

    devices: tuple[str, ...]
    times: tuple[float, ...]
    readings: int = 4


class CheckTable(Message, frozen=True, kw_only=True, tag="check_table"):
    """Tells by at most `pulses` write pulses a device whether a feedforward table still fits it."""

    devices: tuple[str, ...]
    table: str | None = None  # None: the newest that covers the devices
    pulses: int = 24


Spec = Program | Read | Initialise | Calibrate | Train | IvLoops | IdenticalPulses | Staircase | Retention | CheckTable

# Kinds of jobs that another one can finish: their record tells what is complete.
GOES_ON = tuple(str(kind.__struct_config__.tag) for kind in (IvLoops, IdenticalPulses, Staircase, Train, Calibrate))

"""What a bench is, as values: instruments, wiring, devices, limits. `rheostat_hal.bench` reads them from bench.toml."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from rheostat_hal.values import DeviceAddress

MATRIX_CARDS = {"3730": (6, 16), "3731": (6, 16)}  # model -> rows, columns
HARDWARE_TIMED = 2.0  # s, the longest write pulse the analyser times by itself
WITHOUT_INTERLOCK = 42.0  # V


@dataclass(frozen=True, slots=True)
class Topology:
    """How the devices of a bench are joined to the instruments.

    terminals: in the order of a device's channels; write_terminals: how many of them carry the write current, each
    from a source with its own compliance; write_to_read: conductance of the write path over that of the read path,
    before a write pulse has measured it.
    """

    terminals: tuple[str, ...]
    write_terminals: int
    write_to_read: float


# A network of six conductances with neighbours 2.4 times the opposite ones reads 800 ohm between T1 and T3 and shows
# the write terminals T2 and T4 83 ohm: 9.6, rounded up.
FOUR_TERMINAL = Topology(("T1", "T2", "T3", "T4"), 2, 10.0)
TWO_TERMINAL = Topology(("row", "column"), 1, 1.0)
OTHERS = "others"  # all lines of a crossbar that are not addressed


@dataclass(frozen=True, slots=True)
class Limits:
    """The envelope every write pulse is checked against before any voltage. V, s, A, J."""

    max_voltage: float
    max_width: float
    compliance: float
    max_energy: float  # of one write pulse
    max_pulses_per_device: int  # in one job
    read_voltage: float
    host_timed: bool = False  # allow write pulses longer than 2 s, timed by the host


@dataclass(frozen=True, slots=True)
class Analyser:
    """The B1500A. `smus`: terminal -> SMU channel; `averaging`: samples of one reading; `adc`: "high-resolution" or
    "high-speed"; `read_range`: A, fixed; `timeout`: s beyond the programmed duration of a line."""

    resource: str
    smus: tuple[tuple[str, int], ...]
    adc: str
    averaging: int
    read_range: float
    timeout: float = 5.0


@dataclass(frozen=True, slots=True)
class Wgfmu:
    """B1530A channels that write and read two-terminal devices. `channels`: "row", "column" and perhaps "others" ->
    channel (slot * 100 + 1 or 2); `library`: path of Keysight's library, or where its virtual stand-in answers
    (`tcp:HOST:PORT`); `read_range`, `write_range`: A, fixed, of states and of write currents; `read_time`: s of a read
    pulse; `gap`: s from the end of a write pulse to its reading; `edge`: s from base to peak."""

    channels: tuple[tuple[str, int], ...]
    library: str
    read_range: float = 1e-3
    write_range: float = 1e-2
    read_time: float = 30e-6
    gap: float = 20e-6
    edge: float = 30e-9


@dataclass(frozen=True, slots=True)
class Spgu:
    """A B1525A channel that writes two-terminal devices through a 16440A selector. `channel`: slot * 100 + 1 or 2;
    `selector_port`: of the selector, which joins the row to this channel or to the row's SMU; `edge`: s."""

    channel: int
    selector_port: int = 0
    edge: float = 30e-9


@dataclass(frozen=True, slots=True)
class Switch:
    """The 3706A. `rows`: terminal -> matrix row; `chain`: how rows are joined across cards, "external" or
    "backplane" (then the sources enter at the lowest slot); `cards`: slot -> model."""

    resource: str
    rows: tuple[tuple[str, int], ...]
    chain: str
    cards: tuple[tuple[int, str], ...]
    timeout: float = 5.0


@dataclass(frozen=True, slots=True)
class Window:
    """The conductance window of a kind of device as read: LRS and HRS, ohm; `levels`: how many it is divided in."""

    lrs: float
    hrs: float
    levels: int = 512

    @property
    def half_level(self) -> float:
        """Half the distance of two levels, evenly spaced in ohm."""
        return 0.5 * (self.hrs - self.lrs) / (self.levels - 1)


@dataclass(frozen=True, slots=True)
class Virtual:
    """The virtual bench instead of instruments: `seed` of the die and of every noise, `model` of the devices, `spread`
    from device to device (relative, rms; None: the model's own)."""

    model: str
    seed: int
    real_time: bool = False
    backend: str = "@py"
    spread: float | None = None


@dataclass(frozen=True, slots=True)
class Bench:
    """`lines`: of a crossbar, name -> slot and column of the matrix card they are wired to ("101"); none of them for
    four-terminal devices. `wgfmu`, `spgu`: the fast source that writes, where there is one. `schemes`: name -> the
    parameters that suit these devices, for programs that do not say others."""

    name: str
    analyser: Analyser
    switch: Switch
    devices: tuple[DeviceAddress, ...]
    windows: tuple[tuple[str, Window], ...]  # kind -> window
    limits: Limits
    virtual: Virtual | None = None
    visa_library: str = ""  # pyvisa's: "" for the system's, "@py" for pyvisa-py
    lines: tuple[tuple[str, str], ...] = ()
    wgfmu: Wgfmu | None = None
    spgu: Spgu | None = None
    schemes: tuple[tuple[str, tuple[tuple[str, float], ...]], ...] = ()

    @property
    def topology(self) -> Topology:
        return TWO_TERMINAL if self.lines else FOUR_TERMINAL

    @property
    def source(self) -> Literal["smu", "wgfmu", "spgu"]:
        """What writes."""
        return "wgfmu" if self.wgfmu else "spgu" if self.spgu else "smu"

    @property
    def cables(self) -> tuple[tuple[int, int], ...]:
        """(channel of the analyser, matrix row it is cabled to)."""
        rows = dict(self.switch.rows)
        fast = self.wgfmu.channels if self.wgfmu else (("row", self.spgu.channel),) if self.spgu else ()
        return tuple((channel, rows[terminal]) for terminal, channel in (*self.analyser.smus, *fast))


def with_resources(
    bench: Bench, analyser: str | None = None, switch: str | None = None, wgfmu: str | None = None
) -> Bench:
    """The same bench with its instruments at other resources (those of a virtual bench); None leaves one."""
    fast = bench.wgfmu
    if fast is not None and wgfmu:
        fast = dataclasses.replace(fast, library=wgfmu)
    return dataclasses.replace(
        bench,
        analyser=dataclasses.replace(bench.analyser, resource=analyser or bench.analyser.resource),
        switch=dataclasses.replace(bench.switch, resource=switch or bench.switch.resource),
        wgfmu=fast,
    )

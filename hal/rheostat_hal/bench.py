"""The bench: which instruments, how they are wired to which devices, and what may never be exceeded (bench.toml)."""

from __future__ import annotations

from dataclasses import dataclass

from rheostat_hal.values import DeviceAddress


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
    "high-speed"; `read_range`: A, fixed."""

    resource: str
    smus: tuple[tuple[str, int], ...]
    adc: str
    averaging: int
    read_range: float
    timeout: float = 5.0


@dataclass(frozen=True, slots=True)
class Switch:
    """The 3706A. `rows`: terminal -> matrix row; `chain`: how rows are joined across cards, "external" or
    "backplane"; `cards`: slot -> model."""

    resource: str
    rows: tuple[tuple[str, int], ...]
    chain: str
    cards: tuple[tuple[int, str], ...]
    timeout: float = 5.0


@dataclass(frozen=True, slots=True)
class Window:
    """The conductance window of a kind of device as read: LRS and HRS, ohm."""

    lrs: float
    hrs: float


@dataclass(frozen=True, slots=True)
class Virtual:
    """The virtual bench instead of instruments: `seed` of the die and of every noise, `model` of the devices."""

    model: str
    seed: int
    real_time: bool = False
    backend: str = "@py"


@dataclass(frozen=True, slots=True)
class Bench:
    name: str
    analyser: Analyser
    switch: Switch
    devices: tuple[DeviceAddress, ...]
    windows: tuple[tuple[str, Window], ...]  # kind -> window
    limits: Limits
    virtual: Virtual | None = None
    visa_library: str = ""  # pyvisa's: "" for the system's, "@py" for pyvisa-py

"""The bench: which instruments, how they are wired to which devices, and what may never be exceeded (bench.toml)."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from rheostat_hal.bench_file import Table, hint
from rheostat_hal.errors import BenchError
from rheostat_hal.values import DeviceAddress

TERMINALS = ("T1", "T2", "T3", "T4")
MATRIX_CARDS = {"3730": (6, 16), "3731": (6, 16)}  # model -> rows, columns
HARDWARE_TIMED = 2.0  # s, the longest write pulse the analyser times by itself
WITHOUT_INTERLOCK = 42.0  # V


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
class Switch:
    """The 3706A. `rows`: terminal -> matrix row; `chain`: how rows are joined across cards, "external" or
    "backplane" (then the SMUs enter at the lowest slot); `cards`: slot -> model."""

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


def load(path: str | Path | None = None) -> Bench:
    """Read and check a bench file; None or "" gives the embedded virtual bench of 24 devices.

    Raises BenchError naming file, table and key. The [daemon] table belongs to the daemon and is not looked at.
    """
    if path is None or path == "":
        file, text = "embedded.toml", resources.files("rheostat_hal").joinpath("embedded.toml").read_text("utf-8")
    else:
        file = str(path)
        try:
            text = Path(path).expanduser().read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BenchError(f"{file}: cannot be read: {error}") from error
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BenchError(f"{file}: is not TOML: {error}") from error
    return _bench(Table(file, "", content))


def with_resources(bench: Bench, analyser: str | None, switch: str | None) -> Bench:
    """The same bench with its instruments at other VISA resources (those of a virtual bench); None leaves one."""
    return dataclasses.replace(
        bench,
        analyser=dataclasses.replace(bench.analyser, resource=analyser or bench.analyser.resource),
        switch=dataclasses.replace(bench.switch, resource=switch or bench.switch.resource),
    )


def _bench(root: Table) -> Bench:
    root.ignore("daemon")
    virtual = _virtual(root.table("virtual")) if "virtual" in root else None
    name = root.text("name")
    library = root.text("visa_library", "@py" if virtual else "")
    limits = _limits(root.table("limits"))
    windows = _windows(root.table("windows"))
    analyser = _analyser(root.table("analyser"), limits, windows, needs_resource=virtual is None)
    switch = _switch(root.table("switch"), needs_resource=virtual is None)
    devices = _devices(root.tables("devices", "name"), switch, windows)
    root.ignore("virtual")
    root.finish()
    return Bench(name, analyser, switch, devices, tuple(windows.items()), limits, virtual, library)


def _virtual(table: Table) -> Virtual:
    virtual = Virtual(
        model=table.text("model"),
        seed=table.integer("seed", 0, 2**63 - 1),
        real_time=table.flag("real_time", False),
        backend=table.text("backend", "@py"),
    )
    table.finish()
    return virtual


def _limits(table: Table) -> Limits:
    limits = Limits(
        max_voltage=table.number("max_voltage_v", at_most=WITHOUT_INTERLOCK),
        max_width=table.number("max_width_s"),
        compliance=table.number("compliance_a", at_most=1.0),
        max_energy=table.number("max_energy_j"),
        max_pulses_per_device=table.integer("max_pulses_per_device", 1, 10**9),
        read_voltage=table.number("read_voltage_v"),
        host_timed=table.flag("host_timed", False),
    )
    if limits.read_voltage > limits.max_voltage:
        table.fail("read_voltage_v", f"{limits.read_voltage:g} V is above max_voltage_v, {limits.max_voltage:g} V")
    if limits.max_width > HARDWARE_TIMED and not limits.host_timed:
        table.fail(
            "max_width_s",
            f"{limits.max_width:g} s: the analyser times write pulses up to {HARDWARE_TIMED:g} s; longer ones need "
            "host_timed = true and leave the device at the write voltage when the line stops",
        )
    table.finish()
    return limits


def _windows(table: Table) -> dict[str, Window]:
    windows = {}
    for kind in table.left:
        entry = table.table(kind)
        windows[kind] = Window(lrs=entry.number("lrs_ohm"), hrs=entry.number("hrs_ohm"))
        if windows[kind].lrs >= windows[kind].hrs:
            entry.fail("lrs_ohm", f"{windows[kind].lrs:g} ohm is not below hrs_ohm, {windows[kind].hrs:g} ohm")
        entry.finish()
    return windows


def _analyser(table: Table, limits: Limits, windows: dict[str, Window], *, needs_resource: bool) -> Analyser:
    adc = table.choice("adc", ("high-resolution", "high-speed"), "high-resolution")
    analyser = Analyser(
        resource=table.text("resource", None if needs_resource else ""),
        smus=_terminals(table, "smus", 10, "an SMU channel"),
        adc=adc,
        averaging=table.integer("averaging", 1, 127 if adc == "high-resolution" else 1023),
        read_range=table.number("read_range_a", at_most=1.0),
        timeout=table.number("timeout_s", 5.0),
    )
    if not any(abs(analyser.read_range / 10.0**-decade - 1) < 1e-9 for decade in range(13)):
        table.fail("read_range_a", f"{analyser.read_range:g} A is not a range of the analyser (1e-12 to 1, decades)")
    for kind, window in windows.items():
        current = limits.read_voltage / window.lrs
        if current > 1.15 * analyser.read_range:  # a range measures to 115 % of its name
            table.fail(
                "read_range_a", f"{analyser.read_range:g} A cannot hold the {current:g} A that {kind} reads at LRS"
            )
    table.finish()
    return analyser


def _switch(table: Table, *, needs_resource: bool) -> Switch:
    cards = {}
    for key, model in table.mapping("cards").items():
        if key not in set("123456"):
            table.fail(f"cards.{key}", "is not a slot (1 to 6)")
        if model not in MATRIX_CARDS:
            table.fail(f"cards.{key}", f"{model!r} is not a matrix card known here ({', '.join(MATRIX_CARDS)})")
        cards[int(key)] = str(model)
    if not cards:
        table.fail("cards", "names no card")
    switch = Switch(
        resource=table.text("resource", None if needs_resource else ""),
        rows=_terminals(table, "rows", 6, "a row"),
        chain=table.choice("chain", ("external", "backplane")),
        cards=tuple(sorted(cards.items())),
        timeout=table.number("timeout_s", 5.0),
    )
    table.finish()
    return switch


def _terminals(table: Table, key: str, highest: int, what: str) -> tuple[tuple[str, int], ...]:
    given = table.table(key)
    numbers: dict[str, int] = {}
    for terminal in TERMINALS:
        if terminal not in given:
            table.fail(f"{key}.{terminal}", f"terminal {terminal} has no number: {what}, 1 to {highest}")
        number = given.integer(terminal, 1, highest)
        for other, taken in numbers.items():
            if taken == number:
                given.fail(terminal, f"{number} is already that of {other}")
        numbers[terminal] = number
    given.finish()
    return tuple(numbers.items())


def _devices(tables: list[Table], switch: Switch, windows: dict[str, Window]) -> tuple[DeviceAddress, ...]:
    devices: list[DeviceAddress] = []
    used: dict[str, str] = {}  # channel -> device and terminal
    for table in tables:
        name = table.text("name")
        if not re.fullmatch(r"[\w.+-]{1,64}", name):
            table.fail("name", f"{name!r}: 1 to 64 letters, digits, '_', '.', '+' or '-'")
        if any(device.name == name for device in devices):
            table.fail("name", f"{name!r} is the name of two devices")
        kind = table.text("kind")
        if kind not in windows:
            table.fail("kind", f"{kind!r} has no window: there is no [windows.{kind}]{hint(kind, windows)}")
        given = table.table("channels")
        channels = tuple((terminal, given.text(terminal)) for terminal in TERMINALS)
        columns: dict[str, str] = {}
        for terminal, channel in channels:
            _check_channel(given, terminal, channel, switch)
            if channel in used:
                given.fail(terminal, f"channel {channel} is used twice, also by {used[channel]}")
            if channel[2:] in columns:
                given.fail(
                    terminal, f"channel {channel} is on the column of {columns[channel[2:]]}: they would be shorted"
                )
            used[channel], columns[channel[2:]] = f"{name} {terminal}", terminal
        given.finish()
        table.finish()
        devices.append(DeviceAddress(name, kind, channels))
    return tuple(devices)


def _check_channel(table: Table, terminal: str, channel: str, switch: Switch) -> None:
    if not re.fullmatch(r"[1-6][1-9]\d\d", channel):
        table.fail(terminal, f"{channel!r} is not a matrix channel: slot, row and two digits of column, like '1101'")
    slot, row, column = int(channel[0]), int(channel[1]), int(channel[2:])
    cards, rows = dict(switch.cards), dict(switch.rows)
    if slot not in cards:
        table.fail(terminal, f"channel {channel} is in slot {slot}, where [switch] has no card")
    if not 1 <= column <= MATRIX_CARDS[cards[slot]][1]:
        last = MATRIX_CARDS[cards[slot]][1]
        table.fail(terminal, f"channel {channel}: a {cards[slot]} has columns 1 to {last}, not {column}")
    if row != rows[terminal]:
        table.fail(terminal, f"channel {channel} is on row {row}, but {terminal} is wired to row {rows[terminal]}")

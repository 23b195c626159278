"""The bench file: which instruments, how they are wired to which devices, and what may never be exceeded."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from rheostat_hal.bench_config import (
    FOUR_TERMINAL,
    HARDWARE_TIMED,
    MATRIX_CARDS,
    OTHERS,
    TWO_TERMINAL,
    WITHOUT_INTERLOCK,
    Analyser,
    Bench,
    Limits,
    Spgu,
    Switch,
    Topology,
    Virtual,
    Wgfmu,
    Window,
    with_resources,
)
from rheostat_hal.bench_devices import Lines, four_terminal, two_terminal
from rheostat_hal.bench_file import Table, parse, read
from rheostat_hal.errors import BenchError

__all__ = [
    "FOUR_TERMINAL",
    "HARDWARE_TIMED",
    "MATRIX_CARDS",
    "OTHERS",
    "TWO_TERMINAL",
    "WITHOUT_INTERLOCK",
    "Analyser",
    "Bench",
    "Limits",
    "Spgu",
    "Switch",
    "Topology",
    "Virtual",
    "Wgfmu",
    "Window",
    "load",
    "with_resources",
]

_SMU = (1, 10, "an SMU channel, 1 to 10")
_FAST = (101, 1002, "a channel: slot * 100 + 1 or 2")


def load(path: str | Path | None = None) -> Bench:
    """Read and check a bench file; None or "" gives the embedded virtual bench of 24 devices.

    Raises BenchError naming file, table and key. The [daemon] table belongs to the daemon and is not looked at.
    """
    if path is None or path == "":
        embedded = resources.files("rheostat_hal").joinpath("embedded.toml").read_text("utf-8")
        return _bench(parse("embedded.toml", embedded))
    return _bench(read(path))


def _bench(root: Table) -> Bench:
    root.ignore("daemon")
    virtual = _virtual(root.table("virtual")) if "virtual" in root else None
    name = root.text("name")
    library = root.text("visa_library", "@py" if virtual else "")
    limits = _limits(root.table("limits"))
    windows = _windows(root.table("windows"))
    wgfmu = _wgfmu(root.table("wgfmu"), needs_library=virtual is None) if "wgfmu" in root else None
    spgu = _spgu(root.table("spgu")) if "spgu" in root else None
    if wgfmu and spgu:
        root.fail("spgu", "a bench writes with [wgfmu] or with [spgu], not with both")
    crossbar = "lines" in root
    if crossbar and not (wgfmu or spgu):
        root.fail("lines", "two-terminal devices need a fast source: a table [wgfmu] or [spgu]")
    if not crossbar and (wgfmu or spgu):
        root.fail("wgfmu" if wgfmu else "spgu", "writes two-terminal devices: there is no table [lines]")
    smus = () if wgfmu else TWO_TERMINAL.terminals if spgu else FOUR_TERMINAL.terminals
    analyser = _analyser(root.table("analyser"), smus, wgfmu, needs_resource=virtual is None)
    _check_read_range(root, analyser, limits, windows)
    terminals = (*smus, *(terminal for terminal, _ in wgfmu.channels)) if wgfmu else smus
    switch = _switch(root.table("switch"), terminals, needs_resource=virtual is None)
    lines = Lines.read(root.table("lines"), switch) if crossbar else None
    entries = root.tables("devices", "name")
    if lines is None:
        devices = four_terminal(entries, switch, windows)
    else:
        devices = two_terminal(entries, switch, windows, lines)
    schemes = _schemes(root.table("schemes")) if "schemes" in root else ()
    root.ignore("virtual", "wgfmu", "spgu", "lines", "schemes")
    root.finish()
    return Bench(
        name, analyser, switch, devices, tuple(windows.items()), limits, virtual, library,
        lines=() if lines is None else tuple(lines.places.items()), wgfmu=wgfmu, spgu=spgu, schemes=schemes,
    )  # fmt: skip


def _schemes(table: Table) -> tuple[tuple[str, tuple[tuple[str, float], ...]], ...]:
    """Which schemes and parameters there are is not known here: the daemon checks that."""
    found = []
    for scheme in table.left:
        entry = table.table(scheme)
        found.append((scheme, tuple((parameter, entry.number(parameter)) for parameter in entry.left)))
    return tuple(found)


def _virtual(table: Table) -> Virtual:
    virtual = Virtual(
        model=table.text("model"),
        seed=table.integer("seed", 0, 2**63 - 1),
        real_time=table.flag("real_time", False),
        backend=table.text("backend", "@py"),
        spread=table.number("spread", at_most=1.0, zero=True) if "spread" in table else None,
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
        windows[kind] = Window(entry.number("lrs_ohm"), entry.number("hrs_ohm"), entry.integer("levels", 2, 10**6, 512))
        if windows[kind].lrs >= windows[kind].hrs:
            entry.fail("lrs_ohm", f"{windows[kind].lrs:g} ohm is not below hrs_ohm, {windows[kind].hrs:g} ohm")
        entry.finish()
    return windows


def _analyser(table: Table, terminals: tuple[str, ...], wgfmu: Wgfmu | None, *, needs_resource: bool) -> Analyser:
    resource = table.text("resource", None if needs_resource else "")
    timeout = table.number("timeout_s", 5.0)
    if wgfmu is not None:  # it reads, too: there are no SMUs to configure
        table.finish()
        return Analyser(resource, (), "wgfmu", 1, wgfmu.read_range, timeout)
    adc = table.choice("adc", ("high-resolution", "high-speed"), "high-resolution")
    analyser = Analyser(
        resource=resource,
        smus=_terminals(table, "smus", terminals, *_SMU),
        adc=adc,
        averaging=table.integer("averaging", 1, 127 if adc == "high-resolution" else 1023),
        read_range=_range(table, "read_range_a"),
        timeout=timeout,
    )
    table.finish()
    return analyser


def _range(table: Table, key: str, default: float | None = None, decades: range = range(13)) -> float:
    given = table.number(key, default, at_most=1.0)
    if not any(abs(given / 10.0**-decade - 1) < 1e-9 for decade in decades):
        low, high = 10.0 ** -decades[-1], 10.0 ** -decades[0]
        table.fail(key, f"{given:g} A is not a range of the analyser ({low:g} to {high:g}, decades)")
    return given


def _check_read_range(root: Table, analyser: Analyser, limits: Limits, windows: dict[str, Window]) -> None:
    where = "analyser] read_range_a" if analyser.smus else "wgfmu] read_range_a"
    for kind, window in windows.items():
        current = limits.read_voltage / window.lrs
        if current > 1.15 * analyser.read_range:  # a range measures to 115 % of its name
            raise BenchError(
                f"{root.file}: [{where}: {analyser.read_range:g} A cannot hold the {current:g} A that {kind} reads "
                "at LRS"
            )


def _wgfmu(table: Table, *, needs_library: bool) -> Wgfmu:
    wgfmu = Wgfmu(
        channels=_terminals(table, "channels", TWO_TERMINAL.terminals, *_FAST, optional=OTHERS),
        library=table.text("library", None if needs_library else ""),
        read_range=_range(table, "read_range_a", 1e-3, range(2, 7)),
        write_range=_range(table, "write_range_a", 1e-2, range(2, 7)),
        read_time=table.number("read_time_s", 30e-6, at_most=1.0),
        gap=table.number("gap_s", 20e-6, at_most=1.0),
        edge=table.number("edge_s", 30e-9, at_most=1e-3),
    )
    for key, seconds in (("read_time_s", wgfmu.read_time), ("gap_s", wgfmu.gap), ("edge_s", wgfmu.edge)):
        if abs(seconds / 1e-8 - round(seconds / 1e-8)) > 1e-6 or seconds < 1e-8:
            table.fail(key, f"{seconds:g} s is not in steps of 10 ns")
    for key, seconds in (("read_time_s", wgfmu.read_time), ("gap_s", wgfmu.gap)):
        if seconds < 3 * wgfmu.edge:
            table.fail(key, f"{seconds:g} s is too short for edges of {wgfmu.edge:g} s")
    table.finish()
    return wgfmu


def _spgu(table: Table) -> Spgu:
    channel = table.integer("channel", _FAST[0], _FAST[1])
    _check_fast(table, "channel", channel)
    spgu = Spgu(channel, table.integer("selector_port", 0, 3, 0), table.number("edge_s", 30e-9, at_most=0.4))
    table.finish()
    return spgu


def _check_fast(table: Table, key: str, channel: int) -> None:
    if channel % 100 not in (1, 2):
        table.fail(key, f"{channel} is not {_FAST[2]}")


def _switch(table: Table, terminals: tuple[str, ...], *, needs_resource: bool) -> Switch:
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
        rows=_terminals(table, "rows", terminals, 1, 6, "a row, 1 to 6"),
        chain=table.choice("chain", ("external", "backplane")),
        cards=tuple(sorted(cards.items())),
        timeout=table.number("timeout_s", 5.0),
    )
    table.finish()
    return switch


def _terminals(
    table: Table, key: str, terminals: tuple[str, ...], lowest: int, highest: int, what: str, optional: str = ""
) -> tuple[tuple[str, int], ...]:
    """A number for each terminal, none of them twice."""
    given = table.table(key)
    numbers: dict[str, int] = {}
    for terminal in (*terminals, *([optional] if optional in given else [])):
        if terminal not in given:
            table.fail(f"{key}.{terminal}", f"terminal {terminal} has no number: {what}")
        number = given.integer(terminal, lowest, highest)
        if lowest > 100:
            _check_fast(given, terminal, number)
        for other, taken in numbers.items():
            if taken == number:
                given.fail(terminal, f"{number} is already that of {other}")
        numbers[terminal] = number
    given.finish()
    return tuple(numbers.items())

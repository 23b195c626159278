"""The devices of a bench file: four-terminal ones by their relay channels, two-terminal ones by their lines."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from rheostat_hal.bench_config import FOUR_TERMINAL, MATRIX_CARDS, OTHERS, TWO_TERMINAL, Switch, Window
from rheostat_hal.bench_file import Table, hint
from rheostat_hal.values import DeviceAddress


@dataclass(frozen=True)
class Lines:
    """The lines of a crossbar: name -> slot and column of the matrix card they are wired to, like "101"."""

    places: dict[str, str]

    @classmethod
    def read(cls, table: Table, switch: Switch) -> Lines:
        places: dict[str, str] = {}
        for name in table.left:
            place = table.text(name)
            if not re.fullmatch(r"[1-6]\d\d", place):
                table.fail(name, f"{place!r} is not a column of a card: slot and two digits, like '101'")
            _check_column(table, name, place, int(place[0]), int(place[1:]), switch)
            for other, taken in places.items():
                if taken == place:
                    table.fail(name, f"column {place} is used twice, also by {other}")
            places[name] = place
        table.finish()
        return cls(places)

    def channel(self, line: str, row: int) -> str:
        """The relay that joins a line to a matrix row."""
        place = self.places[line]
        return f"{place[0]}{row}{place[1:]}"


def two_terminal(
    tables: list[Table], switch: Switch, windows: dict[str, Window], lines: Lines
) -> tuple[DeviceAddress, ...]:
    """Each device lies where its row and its column cross. The other lines of its crossbar are held by the source
    called "others", while the device is routed: without it a line may carry one device only."""
    pairs: list[tuple[Table, str, str, str, str]] = []
    known: list[DeviceAddress] = []
    for table in tables:
        name, kind = _named(table, known, windows)
        ends = [table.choice(terminal, lines.places) for terminal in TWO_TERMINAL.terminals]
        if ends[0] == ends[1]:
            table.fail("column", f"{ends[1]!r} is its row, too")
        if any((row, column) == tuple(ends) for _, _, _, row, column in pairs):
            table.fail("column", f"another device lies where {ends[0]} and {ends[1]} cross")
        table.finish()
        pairs.append((table, name, kind, ends[0], ends[1]))
        known.append(DeviceAddress(name, kind, ()))
    rows = dict(switch.rows)
    devices = []
    for table, name, kind, row, column in pairs:
        others = _joined({row, column}, [{a, b} for _, _, _, a, b in pairs]) - {row, column}
        if others and OTHERS not in rows:
            table.fail("row", f"shares its lines with other devices: a channel for {OTHERS!r} has to hold those")
        channels = [("row", lines.channel(row, rows["row"])), ("column", lines.channel(column, rows["column"]))]
        channels += [(f"{OTHERS} {line}", lines.channel(line, rows[OTHERS])) for line in sorted(others)]
        devices.append(DeviceAddress(name, kind, tuple(channels)))
    return tuple(devices)


def _joined(lines: set[str], devices: list[set[str]]) -> set[str]:
    """All lines that current can reach from `lines` through devices."""
    while (more := lines.union(*(pair for pair in devices if pair & lines))) != lines:
        lines = more
    return lines


def _named(table: Table, devices: Iterable[DeviceAddress], windows: dict[str, Window]) -> tuple[str, str]:
    """Name and kind of a device."""
    name = table.text("name")
    if not re.fullmatch(r"[\w.+-]{1,64}", name):
        table.fail("name", f"{name!r}: 1 to 64 letters, digits, '_', '.', '+' or '-'")
    if any(device.name == name for device in devices):
        table.fail("name", f"{name!r} is the name of two devices")
    kind = table.text("kind")
    if kind not in windows:
        table.fail("kind", f"{kind!r} has no window: there is no [windows.{kind}]{hint(kind, windows)}")
    return name, kind


def four_terminal(tables: list[Table], switch: Switch, windows: dict[str, Window]) -> tuple[DeviceAddress, ...]:
    devices: list[DeviceAddress] = []
    used: dict[str, str] = {}  # channel -> device and terminal
    for table in tables:
        name, kind = _named(table, devices, windows)
        given = table.table("channels")
        channels = tuple((terminal, given.text(terminal)) for terminal in FOUR_TERMINAL.terminals)
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
    slot, row = int(channel[0]), int(channel[1])
    rows = dict(switch.rows)
    _check_column(table, terminal, channel, slot, int(channel[2:]), switch)
    if row != rows[terminal]:
        table.fail(terminal, f"channel {channel} is on row {row}, but {terminal} is wired to row {rows[terminal]}")


def _check_column(table: Table, key: str, channel: str, slot: int, column: int, switch: Switch) -> None:
    cards = dict(switch.cards)
    if slot not in cards:
        table.fail(key, f"channel {channel} is in slot {slot}, where [switch] has no card")
    if not 1 <= column <= MATRIX_CARDS[cards[slot]][1]:
        last = MATRIX_CARDS[cards[slot]][1]
        table.fail(key, f"channel {channel}: a {cards[slot]} has columns 1 to {last}, not {column}")

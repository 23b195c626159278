"""FLEX, the B1500A's language, as pure text: sentences from values, values from replies. No I/O.

Source: Agilent B1500A/B1505A Programming Guide, ed. 11, chapters 1 (output formats) and 4 (commands).
Replies are told apart by their form, never by their order: measurement data and answers to queries come from two
buffers of the instrument, and which is read first depends on timing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from rheostat_hal.values import Status

MAX_LINE = 250  # characters; the instrument's input holds about 256 with the terminator
OVERFLOW = 1e99  # the dummy value +199.999E+99 stands for "over range"
LONGEST_PAUSE = 99.9999  # s, of one PA
VOLTAGE_RANGES = ((0.5, 5), (2.0, 20), (5.0, 50), (20.0, 200), (40.0, 400), (100.0, 1000))  # V, code
# a reading's status letter; T and C are a compliance, V an overflow of the converter, F G S X did not settle
_LETTERS = {
    "N": Status.OK,
    "T": Status.OTHER_COMPLIANCE,
    "C": Status.COMPLIANCE,
    "V": Status.OVER_RANGE,
    "X": Status.UNSETTLED,
    "F": Status.UNSETTLED,
    "G": Status.UNSETTLED,
    "S": Status.UNSETTLED,
}
_ITEM = re.compile(r"([NTCVXFGS])([A-J])([VI])([+-]\d+\.\d+E[+-]\d+)", re.ASCII)
_ERROR = re.compile(r'([+-]\d+),"([^"]*)"', re.ASCII)
_OUTPUTS = re.compile(r"C[NL] ?[\d,]*(;C[NL] ?[\d,]*)*", re.ASCII)


class Item(NamedTuple):
    """One measured datum. `channel` 1..10; `kind` "I" in A or "V" in V; a value of 1e99 and more is over range."""

    status: Status
    channel: int
    kind: str
    value: float


class Report(NamedTuple):
    """An entry of the error queue; number 0 means that there was none."""

    number: int
    text: str


NO_ERROR = '+0,"No Error."'  # nearly every answer to ERRX?


def line(*sentences: str) -> str:
    """Sentences joined into one line. Raises ValueError over 250 characters: the instrument would cut it."""
    joined = ";".join(sentences)
    if len(joined) > MAX_LINE:
        raise ValueError(f"a line of {len(joined)} characters, at most {MAX_LINE} fit: {joined}")
    return joined


def number(value: float) -> str:
    return format(value, ".7g")


def voltage_range(voltage: float) -> int:
    """The code of the smallest output range that holds `voltage` (V). Raises ValueError above 100 V."""
    for top, code in VOLTAGE_RANGES:
        if abs(voltage) <= top:
            return code
    raise ValueError(f"{voltage:g} V is beyond every range")


def current_range(current: float) -> int:
    """The code of the smallest current range that holds `current` (A): 8 for 1 pA up to 20 for 1 A."""
    for code in range(8, 21):
        if abs(current) <= 10.0 ** (code - 20) * (1 + 1e-9):
            return code
    raise ValueError(f"{current:g} A is beyond every range")


def force(channel: int, range_code: int, voltage: float, compliance: float | None = None) -> str:
    """DV: voltage in V, compliance in A; without one the channel keeps its last."""
    tail = "" if compliance is None else f",{number(compliance)}"
    return f"DV {channel},{range_code},{number(voltage)}{tail}"


def force_current(channel: int, range_code: int, current: float, compliance: float) -> str:
    """DI: current in A, compliance in V."""
    return f"DI {channel},{range_code},{number(current)},{number(compliance)}"


def spot_current(channel: int, range_code: int | None = None) -> str:
    """TI: one reading, in the fixed range of this code, or in the range that suits it."""
    return f"TI {channel},0" if range_code is None else f"TI {channel},-{range_code}"


def spot_voltage(channel: int, range_code: int) -> str:
    """TV: one reading, in this range or a larger one."""
    return f"TV {channel},{range_code}"


def pulse_timing(width: float, channels: Iterable[int]) -> list[str]:
    """MCPT, MCPNT: no hold time, one width (s) for every channel, all starting together.

    Period 0 is the shortest that the instrument makes. Given as a number, it would for a moment, whichever of the two
    commands came first, not fit the width before or after a change.
    """
    return ["MCPT 0,0", *(f"MCPNT {channel},0,{number(width)}" for channel in channels)]


@lru_cache(maxsize=4096)  # amplitudes come in steps of 1 mV: few are new
def pulse_source(source: int, channel: int, range_code: int, voltage: float, compliance: float) -> str:
    """MCPNX: source number 1.. of a multi-channel pulsed spot, from base 0 V. V, A."""
    return f"MCPNX {source},{channel},1,{range_code},0,{number(voltage)},{number(compliance)}"


def select(port: int, state: int) -> str:
    """ERSSP: what an output of the 16440A selector is joined to: 0 nothing, 1 its SMU, 2 its pulse generator."""
    return f"ERSSP {port},{state}"


def generator_pulse(channel: int, load: float, voltage: float, width: float, edge: float) -> list[str]:
    """SER, SPV, SPT, SPUPD: a pulse of an SPGU channel's source 1 from base 0 V to `voltage` (V) at `load` (ohm).

    `width` (s) from the start of one edge to the start of the other; `edge` (s) of both, from 10 % to 90 %.
    """
    return [
        f"SER {channel},{number(load)}",
        f"SPV {channel},1,0,{number(voltage)}",
        f"SPT {channel},1,0,{number(width)},{number(edge)}",
        f"SPUPD {channel}",
    ]


def pauses(duration: float) -> list[str]:
    """PA in pieces of at most 99.9999 s."""
    count = max(1, -(-duration // LONGEST_PAUSE))
    return [f"PA {number(round(duration / count, 4))}"] * int(count)


def channels(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))


def parse_data(reply: str) -> list[Item] | None:
    """The items of a data reply in FMT 1, or None when it is something else."""
    items = []
    for part in reply.split(","):
        match = _ITEM.fullmatch(part)
        if match is None:
            return None
        letter, channel, kind, value = match.groups()
        items.append(Item(_LETTERS[letter], ord(channel) - 64, kind, float(value)))
    return items


def parse_report(reply: str) -> Report | None:
    """The error queue's answer `+0,"No Error."`, or None when it is something else."""
    match = _ERROR.fullmatch(reply)
    return Report(int(match[1]), match[2]) if match else None


def is_reply(reply: str) -> bool:
    """Whether it answers one of the sentences here, but for the identity."""
    return any(parse(reply) is not None for parse in (parse_data, parse_report, parse_units, parse_outputs))


def parse_identity(reply: str) -> tuple[str, str, str, str] | None:
    """vendor, model, serial, firmware of `*IDN?`, or None when it is something else."""
    fields = [field.strip() for field in reply.split(",")]
    if len(fields) != 4 or not all(fields) or parse_data(reply) is not None or '"' in reply:
        return None
    return fields[0], fields[1], fields[2], fields[3]


def parse_units(reply: str) -> dict[int, str] | None:
    """slot -> model from `UNT? 0`; empty slots are left out; None when it is something else."""
    units = {}
    for slot, entry in enumerate(reply.split(";"), 1):
        match = re.fullmatch(r"(\w+),\w+", entry.strip(), re.ASCII)
        if match is None:
            return None
        if match[1] != "0":
            units[slot] = match[1]
    return units


def parse_outputs(reply: str) -> frozenset[int] | None:
    """The channels whose output switch is on, from `*LRN? 0`; None when it is something else."""
    if not _OUTPUTS.fullmatch(reply):
        return None
    on = [part[2:] for part in reply.split(";") if part.startswith("CN")]
    # a channel may be named by its slot (1) or by its first sub-channel (101)
    numbers = [int(n) for part in on for n in part.split(",") if n]
    return frozenset(n // 100 if n > 100 else n for n in numbers)

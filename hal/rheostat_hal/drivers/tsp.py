"""TSP, the 3706A's Lua, as pure text: one line asks for everything, one reply answers. No I/O.

Source: Keithley 3700A reference manual (channel, slot, errorqueue); the shape of replies as QCoDeS' driver meets them
on a real 3706A. Arguments of one `print` are separated by tabs, missing values print as `nil`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

IDENTITY = "*IDN?"
SLOTS = range(1, 7)
CARDS = "print(" + ",".join(f"slot[{n}].idn" for n in SLOTS) + ")"
# the numbers of the backplane relays that join row 1, 2, .. of a card to its neighbours: S91r
_BACKPLANE = "{slot}91{row}"
_CHANNEL = re.compile(r"[1-6]\d{3}", re.ASCII)


class Closed(NamedTuple):
    """What a routing line reports: what stayed closed after opening, what is closed now, how many errors wait."""

    after_open: frozenset[str]
    closed: frozenset[str]
    errors: int


class Report(NamedTuple):
    number: int
    text: str


def open_all() -> str:
    """Open every relay, then read back."""
    return "channel.open('allslots') local c=channel.getclose('allslots') print(c,c,errorqueue.count)"


def route(relays: Iterable[str]) -> str:
    """Open every relay and read back; only if none is left closed, close `relays`; read back; count errors."""
    return (
        "channel.open('allslots') local o=channel.getclose('allslots') "
        f"if o==nil then channel.close('{','.join(relays)}') end "
        "print(o,channel.getclose('allslots'),errorqueue.count)"
    )


def read_back() -> str:
    """Only read back, in the form of the others."""
    return "print(nil,channel.getclose('allslots'),errorqueue.count)"


def next_error() -> str:
    return "print(errorqueue.next())"


def marker(text: str) -> str:
    """Makes the instrument say `text`, to find the end of old replies, and nothing after it that was not asked for."""
    return f"localnode.prompts=0 localnode.showerrors=0 print('{text}')"


def backplane(slot: int, row: int) -> str:
    """The relay that joins this row of the card to the analog backplane."""
    return _BACKPLANE.format(slot=slot, row=row)


def parse_identity(reply: str) -> tuple[str, str, str, str] | None:
    """vendor, model, serial, firmware of `*IDN?`, or None when it is something else."""
    fields = [field.strip() for field in reply.split(",")]
    if len(fields) != 4 or not all(fields) or "\t" in reply:
        return None
    return fields[0], fields[1].removeprefix("MODEL "), fields[2], fields[3]


def parse_cards(reply: str) -> dict[int, str] | None:
    """slot -> card model; empty slots are left out; None when it is something else."""
    fields = reply.split("\t")
    if len(fields) != len(SLOTS):
        return None
    cards = {}
    for slot, field in zip(SLOTS, fields, strict=True):
        if field.strip() not in ("Empty Slot", "nil"):
            cards[slot] = field.split(",")[0].strip()
    return cards


def parse_closed(reply: str) -> Closed | None:
    """The answer to `route` and `open_all`, or None when it is something else."""
    fields = reply.split("\t")
    if len(fields) != 3:
        return None
    after_open, closed = _relays(fields[0]), _relays(fields[1])
    try:
        errors = int(float(fields[2]))
    except ValueError:
        return None
    return None if after_open is None or closed is None else Closed(after_open, closed, errors)


def parse_report(reply: str) -> Report | None:
    """code, message, severity, node of one error; number 0 when the queue is empty."""
    fields = reply.split("\t")
    if len(fields) < 2:
        return None
    try:
        return Report(int(float(fields[0])), fields[1])
    except ValueError:
        return None


def _relays(field: str) -> frozenset[str] | None:
    if field.strip() == "nil":
        return frozenset()
    names = [name.strip() for name in re.split("[;,]", field)]  # firmware differs in its separator
    return frozenset(names) if all(_CHANNEL.fullmatch(name) for name in names) else None

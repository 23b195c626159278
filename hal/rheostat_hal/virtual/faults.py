"""What is to go wrong on a virtual bench, and when: a file of [[fault]] tables.

    [[fault]]                     # the analyser runs the fourth write pulse, and its answer never comes
    what = "no_answer"
    instrument = "analyser"
    line = "XE"
    after = 3

    [[fault]]                     # the switch reboots when it is told to close this relay, and is away for 2 s
    what = "reset"
    instrument = "switch"
    line = "channel.close.*1109"
    down_s = 2.0

    [[fault]]                     # the hundred-and-twentieth write pulse of A3 burns one of its electrodes
    what = "opens"
    device = "A3"
    pulse = 120

*At a line* (`instrument`: "analyser" or "switch"; `line`: a regular expression found in it, any line without one;
`after`: matching lines let pass first; `count`: how many meet the fault, one by default):

    no_answer      the line is carried out, its answer is lost
    late_answer    it comes `delay_s` later (0.5), and what the instrument has to say after it, after it
    half_answer    the first half of it comes
    garbage        `text` comes in its place, or bytes that no instrument sends
    error          an error enters the queue before the line is carried out: `number`, `text`
    drop           the connection breaks before the line is carried out, and is refused for `down_s` (0)
    reset          the instrument reboots instead: outputs off, relays open, settings and errors lost; its connections
                   break and are refused for `down_s` (0), or stay, as on GPIB, with `connections_stay = true`
    interlock_open the switch: backplane relays of the card in `slot` no longer close, in silence; the analyser: the
                   line is refused with error 202, as outputs above 42 V are
    compliance     the analyser: its data of the line (those of one `channel`) are marked "compliance reached"
    overflow       the analyser: its data of the line (those of one `channel`) are beyond the converter
    unsettled      the same, marked as of an output that oscillates or has not settled
    saturated      the same, marked as of an output that cannot reach what it is to force

*At a connection*: `refused`: after `after` connections (0) an `instrument` refuses further ones for `down_s`.

*At a relay* (`channel`, `after`, `count`): `stays_open` when it is to close, `stays_closed` when it is to open. The
read-back says so: that it would on a real card is assumed.

*From write pulse number `pulse` of a `device` on* (counted in this process, from 1): it `opens` (nothing flows),
`shorts` (1 ohm between all terminals), `sticks` (nothing moves it), or is `noisy`: its conductance scatters by
`noise_relative` (rms, 0.01) from reading to reading.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rheostat_hal.bench import Bench
from rheostat_hal.bench_file import Table, hint, read

INSTRUMENTS = ("analyser", "switch")
AT_LINES = (
    *("no_answer", "late_answer", "half_answer", "garbage", "error"),
    *("drop", "reset", "interlock_open", "compliance", "overflow", "unsettled", "saturated"),
)
OF_THE_ANALYSER = ("compliance", "overflow", "unsettled", "saturated")
AT_RELAYS = ("stays_open", "stays_closed")
OF_DEVICES = ("opens", "shorts", "sticks", "noisy")
MANY = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFault:
    """At lines of an instrument in which `line` is found. `delay`, `down`: s; `channel`: 0 for all."""

    what: str
    instrument: str
    line: str = ""
    after: int = 0
    count: int = 1
    delay: float = 0.5
    down: float = 0.0
    connections_stay: bool = False
    text: str = ""
    number: int = 0
    channel: int = 0
    slot: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedFault:
    """No connections for `down` s once there have been `after`."""

    instrument: str
    down: float
    after: int = 0
    what: str = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayFault:
    what: str
    channel: str
    after: int = 0
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFault:
    """From write pulse number `pulse` on."""

    what: str
    device: str
    pulse: int
    noise: float = 0.01


Fault = LineFault | RefusedFault | RelayFault | DeviceFault


def load(path: str | Path, bench: Bench) -> tuple[Fault, ...]:
    """The faults of a file, for this bench. Raises BenchError naming file, table and key."""
    root = read(path)
    faults = tuple(_fault(table, bench) for table in root.tables("fault", "what"))
    root.finish()
    return faults


def _fault(table: Table, bench: Bench) -> Fault:
    what = table.choice("what", (*AT_LINES, "refused", *AT_RELAYS, *OF_DEVICES))
    fault: Fault
    if what in AT_LINES:
        fault = _line_fault(table, what, bench)
    elif what == "refused":
        fault = RefusedFault(
            instrument=table.choice("instrument", INSTRUMENTS), down=table.number("down_s"), after=_after(table)
        )
    elif what in AT_RELAYS:
        channel = table.text("channel")
        cards = dict(bench.switch.cards)
        if not re.fullmatch(r"[1-6][1-9]\d\d", channel) or int(channel[0]) not in cards:
            table.fail(
                "channel", f"{channel!r} is not a relay of the bench's cards (slots {', '.join(map(str, cards))})"
            )
        fault = RelayFault(what=what, channel=channel, after=_after(table), count=_count(table))
    else:
        names = [device.name for device in bench.devices]
        name = table.text("device")
        if name not in names:
            table.fail("device", f"{name!r} is not a device of the bench{hint(name, names)}")
        noise = table.number("noise_relative", 0.01, at_most=1.0) if what == "noisy" else 0.01
        fault = DeviceFault(what=what, device=name, pulse=table.integer("pulse", 1, MANY), noise=noise)
    table.finish()
    return fault


def _line_fault(table: Table, what: str, bench: Bench) -> LineFault:
    instrument = table.choice("instrument", INSTRUMENTS, "analyser" if what in OF_THE_ANALYSER else None)
    if what in OF_THE_ANALYSER and instrument != "analyser":
        table.fail("instrument", f"{what} happens to the analyser only")
    line = table.text("line", "")
    try:
        re.compile(line)
    except re.error as error:
        table.fail("line", f"{line!r} is not a regular expression: {error}")
    slots = [slot for slot, _ in bench.switch.cards]
    slot = 0
    if what == "interlock_open" and instrument == "switch":
        slot = table.integer("slot", 1, 6)
        if slot not in slots:
            table.fail("slot", f"there is no card in slot {slot}; there is one in {', '.join(map(str, slots))}")
    return LineFault(
        what=what,
        instrument=instrument,
        line=line,
        after=_after(table),
        count=_count(table),
        delay=table.number("delay_s", 0.5) if what == "late_answer" else 0.5,
        down=table.number("down_s") if what in ("drop", "reset") and "down_s" in table else 0.0,
        connections_stay=table.flag("connections_stay", False) if what == "reset" else False,
        text=table.text("text", "") if what in ("garbage", "error") else "",
        number=table.integer("number", -32768, 32767) if what == "error" else 0,
        channel=table.integer("channel", 0, 10, 0) if what in OF_THE_ANALYSER else 0,
        slot=slot,
    )


def _after(table: Table) -> int:
    return table.integer("after", 0, MANY, 0)


def _count(table: Table) -> int:
    return table.integer("count", 1, MANY, 1)

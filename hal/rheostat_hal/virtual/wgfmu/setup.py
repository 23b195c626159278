"""The library's functions that only keep the book: patterns, events, sequences. No session is needed for most."""

from __future__ import annotations

import csv
from ctypes import POINTER, c_char_p, c_double, c_int
from typing import Any

from rheostat_hal.virtual.wgfmu.faults import CONTEXT, PARAMETER, STRING, UNSUPPORTED, Fault
from rheostat_hal.virtual.wgfmu.patterns import TICK, Book, Pattern, checked
from rheostat_hal.virtual.wgfmu.state import State, export

_doubles = POINTER(c_double)
MODES = (2000, 2001, 2002, 2003)
PG = 2002
FORCE_RANGES = {3000: (-10.0, 10.0), 3001: (-3.0, 3.0), 3002: (-5.0, 5.0), 3003: (-10.0, 0.0), 3004: (0.0, 10.0)}
LONGEST_DELAY = 50e-9  # s


def text(given: bytes | None) -> str:
    if not given:
        raise Fault(STRING, "a name is missing")
    return given.decode("ascii", "replace")


@export("clear")
def clear(state: State) -> None:
    state.book = Book()
    state.errors.clear()
    state.summary.clear()
    state.changed()


@export("createPattern", c_char_p, c_double)
def create_pattern(state: State, name: bytes, volts: float) -> None:
    state.book.enter(text(name), Pattern([0], [checked(volts)]))
    state.changed()


@export("addVector", c_char_p, c_double, c_double)
def add_vector(state: State, name: bytes, dt: float, volts: float) -> None:
    state.book.pattern(text(name)).add(dt, volts)
    state.changed()


@export("addVectors", c_char_p, _doubles, _doubles, c_int)
def add_vectors(state: State, name: bytes, dt: Any, volts: Any, size: int) -> None:
    pattern = state.book.pattern(text(name))
    _positive(size)
    for k in range(size):
        pattern.add(dt[k], volts[k])
    state.changed()


@export("setVector", c_char_p, c_double, c_double)
def put_vector(state: State, name: bytes, time: float, volts: float) -> None:
    state.book.pattern(text(name)).put(time, volts)
    state.changed()


@export("setVectors", c_char_p, _doubles, _doubles, c_int)
def put_vectors(state: State, name: bytes, times: Any, volts: Any, size: int) -> None:
    pattern = state.book.pattern(text(name))
    _positive(size)
    for k in range(size):
        pattern.put(times[k], volts[k])
    state.changed()


@export("createMergedPattern", c_char_p, c_char_p, c_char_p, c_int)
def merge_patterns(state: State, name: bytes, first: bytes, second: bytes, axis: int) -> None:
    state.book.merge(text(name), text(first), text(second), axis)
    state.changed()


@export("createMultipliedPattern", c_char_p, c_char_p, c_double, c_double)
def multiply_pattern(state: State, name: bytes, source: bytes, time: float, voltage: float) -> None:
    state.book.multiply(text(name), text(source), time, voltage)
    state.changed()


@export("createOffsetPattern", c_char_p, c_char_p, c_double, c_double)
def offset_pattern(state: State, name: bytes, source: bytes, time: float, voltage: float) -> None:
    state.book.offset(text(name), text(source), time, voltage)
    state.changed()


@export("setMeasureEvent", c_char_p, c_char_p, c_double, c_int, c_double, c_double, c_int)
def measure_event(
    state: State, name: bytes, event: bytes, time: float, points: int, interval: float, average: float, kind: int
) -> None:
    state.book.measure(text(name), text(event), time, points, interval, average, kind)
    state.changed()


@export("setRangeEvent", c_char_p, c_char_p, c_double, c_int)
def range_event(state: State, name: bytes, event: bytes, time: float, code: int) -> None:
    state.book.change_range(text(name), text(event), time, code)
    state.changed()


@export("setTriggerOutEvent", c_char_p, c_char_p, c_double, c_double)
def trigger_event(state: State, name: bytes, event: bytes, time: float, duration: float) -> None:
    """Checked and forgotten: nothing here listens to a trigger."""
    pattern = state.book.pattern(text(name))
    text(event)
    if not 0.0 <= time <= pattern.length * TICK * (1 + 1e-9) or duration < 0.0:
        raise Fault(CONTEXT, f"trigger at {time:g} s for {duration:g} s lies beyond its pattern")


@export("addSequence", c_int, c_char_p, c_double)
def add_sequence(state: State, channel: int, name: bytes, loops: float) -> None:
    state.channel(channel)
    state.book.add_sequence(channel, text(name), loops)
    state.changed()


@export("addSequences", c_int, POINTER(c_char_p), _doubles, c_int)
def add_sequences(state: State, channel: int, names: Any, loops: Any, size: int) -> None:
    state.channel(channel)
    _positive(size)
    for k in range(size):
        state.book.add_sequence(channel, text(names[k]), loops[k])
    state.changed()


@export("exportAscii", c_char_p)
def export_ascii(state: State, name: bytes) -> None:
    path = text(name)
    try:
        with open(path if path.endswith(".csv") else f"{path}.csv", "w", newline="", encoding="ascii") as file:
            rows = csv.writer(file)
            for key, pattern in state.book.patterns.items():
                rows.writerow(["pattern", key])
                rows.writerows([tick * TICK, volts] for tick, volts in zip(pattern.times, pattern.volts, strict=True))
            for channel, given in state.book.sequences.items():
                rows.writerows(["sequence", channel, name, loops] for name, loops in given)
    except OSError as error:
        raise Fault(STRING, f"{path}: {error.strerror}") from error


@export("setOperationMode", c_int, c_int)
def operation_mode(state: State, channel: int, mode: int) -> None:
    settings = state.channel(channel)
    if mode == PG:
        raise Fault(UNSUPPORTED, "the virtual B1530A has no PG mode, which puts 50 ohm in series")
    settings.mode = _one_of(mode, MODES)


@export("setForceVoltageRange", c_int, c_int)
def force_range(state: State, channel: int, code: int) -> None:
    state.channel(channel).force_range = _one_of(code, FORCE_RANGES)


@export("setMeasureMode", c_int, c_int)
def measure_mode(state: State, channel: int, mode: int) -> None:
    settings = state.channel(channel)
    settings.measure_mode = _one_of(mode, (4000, 4001))
    if mode == 4001:
        settings.voltage_range = 5001


@export("setMeasureVoltageRange", c_int, c_int)
def voltage_range(state: State, channel: int, code: int) -> None:
    state.channel(channel).voltage_range = _one_of(code, (5001, 5002))


@export("setMeasureCurrentRange", c_int, c_int)
def current_range(state: State, channel: int, code: int) -> None:
    state.channel(channel).current_range = _one_of(code, range(6001, 6006))


@export("setForceDelay", c_int, c_double)
def force_delay(state: State, channel: int, delay: float) -> None:
    state.channel(channel).force_delay = _delay(delay)


@export("setMeasureDelay", c_int, c_double)
def measure_delay(state: State, channel: int, delay: float) -> None:
    state.channel(channel).measure_delay = _delay(delay)


@export("setMeasureEnabled", c_int, c_int)
def measure_enabled(state: State, channel: int, status: int) -> None:
    state.channel(channel).enabled = _one_of(status, (7000, 7001)) == 7001


@export("setTriggerOutMode", c_int, c_int, c_int)
def trigger_mode(state: State, channel: int, mode: int, polarity: int) -> None:
    state.channel(channel)
    _one_of(mode, range(8000, 8005))
    _one_of(polarity, (8100, 8101))


def _positive(size: int) -> None:
    if size < 1:
        raise Fault(PARAMETER, f"size {size}")


def _one_of(given: int, allowed: Any) -> int:
    if given not in allowed:
        raise Fault(PARAMETER, f"{given} is none of {', '.join(map(str, allowed))}")
    return given


def _delay(delay: float) -> float:
    if not abs(delay) <= LONGEST_DELAY * (1 + 1e-9):
        raise Fault(PARAMETER, f"delay {delay:g} s: -50 to 50 ns")
    return round(delay / 625e-12) * 625e-12

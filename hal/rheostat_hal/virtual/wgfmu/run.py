"""The library's functions that speak to the instrument, and those that tell errors."""

from __future__ import annotations

import time
from ctypes import POINTER, c_char, c_char_p, c_double, c_int, memmove
from typing import Any

from rheostat_hal.virtual.wgfmu.faults import CONTEXT, NOT_READY, NOT_RUNNING, OUT_OF_DATE, PARAMETER, STRING, Fault
from rheostat_hal.virtual.wgfmu.setup import FORCE_RANGES, text
from rheostat_hal.virtual.wgfmu.state import State, export, unpack

_int, _double, _char = POINTER(c_int), POINTER(c_double), POINTER(c_char)
DC, FAST_IV = 2000, 2001
COMPLETED, DONE, RUNNING, ABORT_COMPLETED, ABORTED, RUNNING_ILLEGAL, IDLE = range(10000, 10007)
MOST_DATA = 4_000_000  # results of a channel
WARNING_LEVELS = range(1000, 1004)
POLL = 0.005  # s


@export("openSession", c_char_p)
def open_session(state: State, address: bytes) -> None:
    state.open(text(address))


@export("closeSession")
def close_session(state: State) -> None:
    state.close()


@export("initialize")
def initialize(state: State) -> None:
    state.link.ask("initialize")
    state.executed = False


@export("setTimeout", c_double)
def limit_timeout(state: State, timeout: float) -> None:
    if not timeout >= 1.0:
        raise Fault(PARAMETER, f"timeout {timeout:g} s: 1 s or more")
    state.link.limit(timeout)
    state.timeout = timeout


@export("doSelfTest", _int, _char, _int)
def self_test(state: State, result: Any, detail: Any, size: Any) -> None:
    state.link.ask("status")
    result[0] = 0
    _write(detail, size, "")


@export("doSelfCalibration", _int, _char, _int)
def self_calibration(state: State, result: Any, detail: Any, size: Any) -> None:
    self_test(state, result, detail, size)


@export("getChannelIdSize", _int)
def channel_id_size(state: State, size: Any) -> None:
    size[0] = len(state.ids) if state.link else 0


@export("getChannelIds", _int, _int)
def channel_ids(state: State, ids: Any, size: Any) -> None:
    count = min(size[0], len(state.ids)) if state.link else 0
    for k in range(count):
        ids[k] = state.ids[k]
    size[0] = count


@export("getErrorSize", _int)
def error_size(state: State, size: Any) -> None:
    size[0] = len(state.errors[0]) if state.errors else 0


@export("getError", _char, _int)
def next_error(state: State, error: Any, size: Any) -> None:
    _write(error, size, state.errors.popleft() if state.errors else "")


@export("getErrorSummarySize", _int)
def error_summary_size(state: State, size: Any) -> None:
    size[0] = len("\n".join(state.summary))


@export("getErrorSummary", _char, _int)
def error_summary(state: State, summary: Any, size: Any) -> None:
    _write(summary, size, "\n".join(state.summary))


@export("treatWarningsAsErrors", c_int)
def treat_warnings(state: State, level: int) -> None:
    """There are no warnings here: what the library warns of is either silent or an error."""
    _level(level)


@export("setWarningLevel", c_int)
def warning_level(state: State, level: int) -> None:
    _level(level)


@export("openLogFile", c_char_p)
def open_log_file(state: State, name: bytes) -> None:
    close_log_file(state)
    try:
        state.log = open(text(name), "a", encoding="utf-8")  # noqa: SIM115  stays open until closeLogFile
    except OSError as error:
        raise Fault(STRING, f"{text(name)}: {error.strerror}") from error


@export("closeLogFile")
def close_log_file(state: State) -> None:
    if state.log is not None:
        state.log.close()
        state.log = None


@export("connect", c_int)
def connect(state: State, channel: int) -> None:
    state.channel(channel)
    state.link.ask("connect", channel=channel, on=True)


@export("disconnect", c_int)
def disconnect(state: State, channel: int) -> None:
    state.channel(channel)
    state.link.ask("connect", channel=channel, on=False)


@export("update")
def update(state: State) -> None:
    _start(state, "update", state.ids)


@export("updateChannel", c_int)
def update_channel(state: State, channel: int) -> None:
    state.channel(channel)
    _start(state, "update", (channel,))


@export("execute")
def execute(state: State) -> None:
    _start(state, "execute", state.ids)
    state.executed, state.stale = True, False


def _start(state: State, do: str, channels: tuple[int, ...]) -> None:
    """Check what the channels play, and send it."""
    link = state.link
    book = state.book
    playing = [channel for channel in channels if state.settings[channel].mode == FAST_IV]
    sequences = {channel: book.sequences[channel] for channel in playing if channel in book.sequences}
    if do == "execute" and not sequences:
        raise Fault(CONTEXT, "no channel in Fast IV mode has a sequence")
    for channel, given in sequences.items():
        low, high = FORCE_RANGES[state.settings[channel].force_range]
        for name, _ in given:
            pattern = book.patterns[name]
            if min(pattern.volts) < low or max(pattern.volts) > high:
                raise Fault(CONTEXT, f"pattern {name!r} leaves the range of channel {channel}, {low:g} to {high:g} V")
            if pattern.length == 0:
                raise Fault(CONTEXT, f"pattern {name!r} has no vector")
        if state.settings[channel].enabled and book.data(channel) > MOST_DATA:
            raise Fault(CONTEXT, f"channel {channel} would make {book.data(channel):g} results: {MOST_DATA} at most")
    used = {name for given in sequences.values() for name, _ in given}
    patterns = {
        name: {
            "times": pattern.times,
            "volts": pattern.volts,
            "measure": [[e.begin, e.points, e.interval, e.average, e.raw] for e in pattern.measure.values()],
            "ranges": list(pattern.ranges.values()),
        }
        for name, pattern in book.patterns.items()
        if name in used
    }
    link.ask(do, settings=state.wire_settings(), patterns=patterns, sequences={str(c): s for c, s in sequences.items()})


@export("abort")
def abort(state: State) -> None:
    state.link.ask("abort")


@export("abortChannel", c_int)
def abort_channel(state: State, channel: int) -> None:
    state.channel(channel)
    state.link.ask("abort", channel=channel)


@export("getStatus", _int, _double, _double)
def status(state: State, code: Any, elapsed: Any, total: Any) -> None:
    answer = state.link.ask("status")
    code[0], elapsed[0], total[0] = answer["status"], answer["elapsed"], answer["total"]


@export("getChannelStatus", c_int, _int, _double, _double)
def channel_status(state: State, channel: int, code: Any, elapsed: Any, total: Any) -> None:
    state.channel(channel)
    status(state, code, elapsed, total)


@export("waitUntilCompleted")
def wait_until_completed(state: State) -> None:
    if not state.executed:
        raise Fault(NOT_RUNNING, "no sequencer has been started")
    while state.link.ask("status")["status"] == RUNNING:
        time.sleep(POLL)


@export("getMeasureValueSize", c_int, _int, _int)
def measure_value_size(state: State, channel: int, measured: Any, total: Any) -> None:
    state.channel(channel)
    measured[0], total[0] = _sizes(state, channel)


@export("getMeasureValues", c_int, c_int, _int, _double, _double)
def measure_values(state: State, channel: int, offset: int, size: Any, times: Any, values: Any) -> None:
    state.channel(channel)
    _, total = _sizes(state, channel)
    if not 0 <= offset < max(1, total) or size[0] < 1:
        raise Fault(PARAMETER, f"offset {offset}, size {size[0]}: there are {total} results")
    answer = state.link.ask("values", channel=channel, offset=offset, size=size[0])
    taken, read = unpack(answer["times"]), unpack(answer["values"])
    for target, source in ((times, taken), (values, read)):
        memmove(target, source.ctypes.data, source.nbytes)
    size[0] = len(read)


@export("getMeasureValue", c_int, c_int, _double, _double)
def measure_value(state: State, channel: int, index: int, when: Any, value: Any) -> None:
    measure_values(state, channel, index, [1], when, value)


@export(
    "isMeasureEventCompleted",
    *(c_int, c_char_p, c_char_p, c_int, c_double, c_int),
    *(_int, _int, _int, _int),
)
def event_completed(
    state: State,
    channel: int,
    name: bytes,
    event: bytes,
    cycle: int,
    loop: float,
    count: int,
    *outputs: Any,
) -> None:
    state.channel(channel)
    index, offset, size = state.book.locate(channel, text(name), text(event), cycle, loop, count)
    measured, _ = _sizes(state, channel)
    completed = 11001 if offset + size <= measured else 11000
    for output, value in zip(outputs, (completed, index, offset, size), strict=True):
        output[0] = value


def _sizes(state: State, channel: int) -> tuple[int, int]:
    """Results there are, and results there will be."""
    link = state.link
    if not state.executed:
        raise Fault(NOT_RUNNING, "nothing has been executed")
    if state.stale:
        raise Fault(OUT_OF_DATE, "the setup has changed since the measurement")
    answer = link.ask("status")
    if answer["status"] == RUNNING:
        raise Fault(NOT_READY, "the sequencers are running")
    size = link.ask("size", channel=channel)
    return size["measured"], size["total"]


@export("dcforceVoltage", c_int, c_double)
def dc_force(state: State, channel: int, volts: float) -> None:
    settings = _dc(state, channel)
    low, high = FORCE_RANGES[settings.force_range]
    if not low <= volts <= high:
        raise Fault(PARAMETER, f"{volts:g} V: {low:g} to {high:g} V")
    state.link.ask("force", channel=channel, volts=volts, settings=state.wire_settings())


@export("dcmeasureValue", c_int, _double)
def dc_measure(state: State, channel: int, value: Any) -> None:
    dc_measure_averaged(state, channel, 1, 1, value)


@export("dcmeasureAveragedValue", c_int, c_int, c_int, _double)
def dc_measure_averaged(state: State, channel: int, count: int, interval: int, value: Any) -> None:
    _dc(state, channel)
    if not 1 <= count <= 65535 or not 1 <= interval <= 65535:
        raise Fault(PARAMETER, f"{count} points, interval {interval}: 1 to 65535")
    answer = state.link.ask("measure", channel=channel, count=count, interval=interval, settings=state.wire_settings())
    value[0] = answer["value"]


def _dc(state: State, channel: int) -> Any:
    settings = state.channel(channel)
    if settings.mode != DC:
        raise Fault(CONTEXT, f"channel {channel} is not in DC mode")
    return settings


def _level(level: int) -> None:
    if level not in WARNING_LEVELS:
        raise Fault(PARAMETER, f"warning level {level}: {WARNING_LEVELS[0]} to {WARNING_LEVELS[-1]}")


def _write(target: Any, size: Any, string: str) -> None:
    """A text into the caller's buffer of `size` characters, and its length."""
    raw = string.encode("ascii", "replace")[: size[0]]
    for k, byte in enumerate(raw):
        target[k] = byte
    size[0] = len(raw)

"""Commands of the SPGU (SIM, SPxx, SRP, SER, STGP) in its pulse generator mode, and of the selector (ERMOD, ERSSP).

The arbitrary waveforms of SIM 1 (ALS, ALW) are not made: in that mode nothing comes out. What the manual forbids in a
mode or at a load, without a number for the error that a public source gives, is error 120 here.
"""

from __future__ import annotations

from dataclasses import replace

from rheostat_hal.virtual.flex.analyser import Analyser, Numbers, command, whole, within
from rheostat_hal.virtual.flex.data import number
from rheostat_hal.virtual.flex.errors import FlexError
from rheostat_hal.virtual.flex.selector import MODES, OPEN, PGU_OPEN
from rheostat_hal.virtual.flex.spgu import COUNT, DURATION, FREE_RUN, OPEN_CIRCUIT, SpguChannel, Timing, changed
from rheostat_hal.virtual.wiring import SPGU_OUTPUT

YEAR = 31556926.0  # s, the longest run
STATUS_TIME = 1e-3  # s that a query of the status takes: who asks until the pulses are over must get there
LEAST_CURRENT = 1e-6  # A below which nothing can be told of a load


def _channel(unit: Analyser, numbers: Numbers) -> SpguChannel:
    """FlexError 121 when it can be no channel, 153 when there is no SPGU there."""
    slot, sub = divmod(int(numbers[0]), 100) if numbers[0] > 10 else (int(numbers[0]), 1)
    if numbers[0] != int(numbers[0]) or not 1 <= slot <= 10 or sub not in (1, 2):
        raise FlexError(121)
    channel = unit.spgus.find(numbers[0])
    if channel is None:
        raise FlexError(153)
    return channel


def _pulses_only(unit: Analyser) -> None:
    if unit.spgus.run.arbitrary:
        raise FlexError(120)


@command("SIM", 1)
def operation(unit: Analyser, numbers: Numbers) -> None:
    """Also takes the outputs that are on to 0 V."""
    arbitrary = bool(whole(numbers[0], 0, 1))
    unit.spgus.run.arbitrary = arbitrary
    for channel in unit.spgus.channels.values():
        channel.initialise()


@command("SIM?")
def operation_now(unit: Analyser, _: Numbers) -> None:
    unit.reply(str(int(unit.spgus.run.arbitrary)))


@command("SPRM", 1, 2)
def run_mode(unit: Analyser, numbers: Numbers) -> None:
    """Free run; a count of pulses; a duration in s. Ends what runs."""
    kind = whole(numbers[0], FREE_RUN, DURATION)
    condition = 0.0
    if kind == COUNT:
        condition = float(whole(numbers[1] if len(numbers) > 1 else 1, 1, 1_000_000))
    elif kind == DURATION:
        condition = within(numbers[1] if len(numbers) > 1 else 1e-6, 1e-6, YEAR)
    unit.spgus.stop()
    unit.spgus.run.kind, unit.spgus.run.condition = kind, condition


@command("SPRM?")
def run_mode_now(unit: Analyser, _: Numbers) -> None:
    """`mode,condition`; a free run has no condition (assumed: nothing after the comma)."""
    run = unit.spgus.run
    condition = "" if run.kind == FREE_RUN else str(int(run.condition)) if run.kind == COUNT else number(run.condition)
    unit.reply(f"{run.kind},{condition}")


@command("SPPER", 1)
def period(unit: Analyser, numbers: Numbers) -> None:
    """In steps of 10 ns."""
    _pulses_only(unit)
    unit.spgus.run.period = round(within(numbers[0], 2e-8, 10.0) / 1e-8) * 1e-8


@command("SPPER?")
def period_now(unit: Analyser, _: Numbers) -> None:
    unit.reply(number(unit.spgus.run.period))


@command("SPM", 2)
def output_mode(unit: Analyser, numbers: Numbers) -> None:
    _pulses_only(unit)
    channel = _channel(unit, numbers)
    channel.setup = replace(channel.setup, mode=whole(numbers[1], 0, 3))


@command("SPM?", 1)
def output_mode_now(unit: Analyser, numbers: Numbers) -> None:
    unit.reply(str(_channel(unit, numbers).setup.mode))


@command("SPV", 3, 4)
def levels(unit: Analyser, numbers: Numbers) -> None:
    """channel, source (0: DC), base [, peak], V at the load of SER."""
    channel = _channel(unit, numbers)
    source = whole(numbers[1], 0, 2)
    base = within(numbers[2], -OPEN_CIRCUIT, OPEN_CIRCUIT)
    peak = within(numbers[3], -OPEN_CIRCUIT, OPEN_CIRCUIT) if len(numbers) > 3 else channel.setup.levels[source][1]
    channel.setup = changed(channel.setup, source, levels=(base, peak))


@command("SPV?", 2)
def levels_now(unit: Analyser, numbers: Numbers) -> None:
    base, peak = _channel(unit, numbers).setup.levels[whole(numbers[1], 0, 2)]
    unit.reply(f"{number(base)},{number(peak)}")


@command("SPT", 5, 6)
def timing(unit: Analyser, numbers: Numbers) -> None:
    """channel, source, delay, width, leading edge [, trailing edge], s. That they fit is checked when they come out."""
    _pulses_only(unit)
    channel = _channel(unit, numbers)
    source = whole(numbers[1], 1, 2)
    leading = within(numbers[4], 8e-9, 0.4)
    trailing = within(numbers[5], 8e-9, 0.4) if len(numbers) > 5 else leading
    given = Timing(within(numbers[2], 0.0, 10.0), within(numbers[3], 1e-8, 10.0 - 1e-8), leading, trailing)
    channel.setup = changed(channel.setup, source, timing=given)


@command("SPT?", 2)
def timing_now(unit: Analyser, numbers: Numbers) -> None:
    given = _channel(unit, numbers).setup.timings[whole(numbers[1], 1, 2)]
    unit.reply(",".join(map(number, given.values)))


@command("SER", 2)
def load(unit: Analyser, numbers: Numbers) -> None:
    channel = _channel(unit, numbers)
    channel.setup = replace(channel.setup, load=within(numbers[1], 0.1, 1e6))


@command("SER?", 1)
def load_now(unit: Analyser, numbers: Numbers) -> None:
    unit.reply(number(_channel(unit, numbers).setup.load))


@command("CORRSER?", 5)
def measure_load(unit: Analyser, numbers: Numbers) -> None:
    """channel, 1: use it for SER, delay, interval, count: load and voltage at the terminal in one pulse.

    The order of the two in the reply is an assumption, and so are the limits of delay, interval and count.
    """
    channel = _channel(unit, numbers)
    use = whole(numbers[1], 0, 1)
    delay, interval = within(numbers[2], 0.0, 10.0), within(numbers[3], 5e-6, 1.0)
    count = whole(numbers[4], 1, 128)
    if not channel.on:
        raise FlexError(200, channel.number // 100)
    now = unit.world.clock.now
    channel.pulse(now, now + round(unit.spgus.run.period * 1e9), unit.spgus.run.period)
    volts = amperes = 0.0
    for sample in range(count):
        unit.wait(interval if sample else delay)
        solution = unit.world.solution()
        amperes += solution.currents[channel.index] / count
        volts += (solution.voltages[channel.index] - SPGU_OUTPUT * solution.currents[channel.index]) / count
    channel.stop()
    ohm = min(1e6, max(0.1, volts / amperes)) if abs(amperes) > LEAST_CURRENT else 1e6
    if use:
        channel.setup = replace(channel.setup, load=ohm)
    unit.reply(f"{number(ohm)},{number(volts)}")


@command("SPUPD", 0, 10)
def update(unit: Analyser, numbers: Numbers) -> None:
    channels = [_channel(unit, (each,)) for each in numbers] or list(unit.spgus.channels.values())
    for channel in channels:
        channel.update(unit.spgus.run.period)


@command("SRP")
def start(unit: Analyser, _: Numbers) -> None:
    _pulses_only(unit)
    unit.spgus.start()


@command("SPP")
def stop(unit: Analyser, _: Numbers) -> None:
    unit.spgus.stop()


@command("SPST?")
def running(unit: Analyser, _: Numbers) -> None:
    unit.wait(STATUS_TIME)
    unit.reply(str(int(unit.spgus.running)))


@command("STGP", 2)
def trigger(unit: Analyser, numbers: Numbers) -> None:
    channel = _channel(unit, numbers)
    channel.setup = replace(channel.setup, trigger=whole(numbers[1], 0, 3))


@command("STGP?", 1)
def trigger_now(unit: Analyser, numbers: Numbers) -> None:
    unit.reply(str(_channel(unit, numbers).setup.trigger))


@command("ERMOD", 1, 2)
def io_mode(unit: Analyser, numbers: Numbers) -> None:
    """What the digital I/O port controls. Leaving the 16440A opens it (assumed)."""
    if numbers[0] not in MODES:
        raise FlexError(120)
    if len(numbers) > 1:
        whole(numbers[1], 0, 1)
    if numbers[0] != unit.selector.mode:
        unit.selector.reset()
        unit.selector.mode = int(numbers[0])


@command("ERMOD?")
def io_mode_now(unit: Analyser, _: Numbers) -> None:
    unit.reply(str(unit.selector.mode))


def _port(unit: Analyser, numbers: Numbers) -> int:
    """The port, while ERMOD 1 holds; otherwise FlexError 120 (its number is an assumption)."""
    if unit.selector.mode != 1:
        raise FlexError(120)
    return whole(numbers[0], 0, 3)


@command("ERSSP", 2)
def select(unit: Analyser, numbers: Numbers) -> None:
    unit.selector.select(_port(unit, numbers), whole(numbers[1], OPEN, PGU_OPEN))


@command("ERSSP?", 1)
def selected(unit: Analyser, numbers: Numbers) -> None:
    unit.reply(str(unit.selector.states[_port(unit, numbers)]))

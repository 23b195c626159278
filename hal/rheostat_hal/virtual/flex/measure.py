"""Measuring: converter readings, high-speed spots, measurement modes, XE and spot measurement (MM 1)."""

from __future__ import annotations

from rheostat_hal.virtual import adc
from rheostat_hal.virtual.flex import data
from rheostat_hal.virtual.flex.analyser import MODES, Analyser, Numbers, command, mode, whole, within
from rheostat_hal.virtual.flex.data import Datum
from rheostat_hal.virtual.flex.errors import FlexError
from rheostat_hal.virtual.flex.smu import Smu
from rheostat_hal.virtual.world import Solution

ONE_CHANNEL_MODES = (3,)


def full_scale(unit: Analyser, smu: Smu, kind: str, code: int) -> float:
    """Of the range that a reading of "I" or "V" is made on now, A or V."""
    current = kind == "I"
    ranges = smu.kind.ranges(current=current)
    if code < 0:
        return ranges[-code]
    return adc.choose_range(code, abs(_true(unit.world.solution(), smu, kind)), ranges, smu.greatest(current=current))


def reading_time(unit: Analyser, smu: Smu, kind: str, scale: float) -> float:
    """What the converter takes for one reading on the range `scale`, s."""
    converter = smu.converter
    seconds = unit.averaging[converter].time(converter, scale if kind == "I" else 1.0)
    return 2.0 * seconds if unit.auto_zero and converter is adc.Adc.HIGH_RESOLUTION else seconds


def sample(unit: Analyser, smu: Smu, kind: str, scale: float, converter: adc.Adc) -> Datum:
    """One reading of "I" or "V" at this moment, on the range `scale`; no time passes."""
    solution = unit.world.solution()
    samples = unit.averaging[converter].samples(converter, scale if kind == "I" else 1.0)
    got = adc.convert(_true(solution, smu, kind), scale, converter, samples, unit.world.noise.normal())
    status = data.ADC_OVER if got.over else 0
    if complying := sum(solution.limited):
        own = solution.limited[smu.index]
        status |= (data.COMPLIANCE if own else 0) | (data.OTHER_COMPLIANCE if complying > own else 0)
    return Datum(kind, smu.slot, got.value, status)


def take(unit: Analyser, smu: Smu, kind: str, code: int) -> Datum:
    """A reading and the time it takes; auto-ranging chooses by what is there as it begins."""
    scale = full_scale(unit, smu, kind, code)
    search = adc.SEARCH_TIME if code >= 0 else 0.0
    unit.wait(adc.COMMAND_TIME + search + reading_time(unit, smu, kind, scale))
    return sample(unit, smu, kind, scale, smu.converter)


def _true(solution: Solution, smu: Smu, kind: str) -> float:
    return (solution.currents if kind == "I" else solution.voltages)[smu.index]


def kinds(smu: Smu) -> str:
    """What CMM lets this SMU measure: "I", "V" or "IV"."""
    forced, complied = ("I", "V") if smu.output.current else ("V", "I")
    return (complied, "I", "V", forced, "IV")[smu.measured]


def spot(unit: Analyser, smus: tuple[Smu, ...]) -> list[Datum]:
    """All channels one after the other, each at its own range."""
    items: list[Datum] = []
    for smu in smus:
        if unit.stamp:
            items.append(Datum("T", smu.slot, unit.elapsed()))
        for kind in kinds(smu):
            items.append(take(unit, smu, kind, smu.current_code if kind == "I" else smu.voltage_code))
    return items


def _high_speed(unit: Analyser, numbers: Numbers, kinds_: str, *, timed: bool) -> None:
    smu = unit.smu(numbers[0], on=True)
    codes = []
    for position, kind in enumerate(kinds_, 1):
        current = kind == "I"
        if len(numbers) > position:
            codes.append(smu.range_code(numbers[position], current=current))
        else:
            codes.append(smu.covering_code(current=current))
    items = [Datum("T", smu.slot, unit.elapsed())] if timed else []
    unit.emit(items + [take(unit, smu, kind, code) for kind, code in zip(kinds_, codes, strict=True)])


@command("TI", 1, 2)
def spot_current(unit: Analyser, numbers: Numbers) -> None:
    _high_speed(unit, numbers, "I", timed=False)


@command("TV", 1, 2)
def spot_voltage(unit: Analyser, numbers: Numbers) -> None:
    _high_speed(unit, numbers, "V", timed=False)


@command("TTI", 1, 2)
def spot_current_timed(unit: Analyser, numbers: Numbers) -> None:
    _high_speed(unit, numbers, "I", timed=True)


@command("TTV", 1, 2)
def spot_voltage_timed(unit: Analyser, numbers: Numbers) -> None:
    _high_speed(unit, numbers, "V", timed=True)


@command("TIV", 1, 3)
def spot_both(unit: Analyser, numbers: Numbers) -> None:
    _high_speed(unit, numbers, "IV", timed=False)


@command("TTIV", 1, 3)
def spot_both_timed(unit: Analyser, numbers: Numbers) -> None:
    _high_speed(unit, numbers, "IV", timed=True)


@command("RI", 2)
def current_range(unit: Analyser, numbers: Numbers) -> None:
    smu = unit.smu(numbers[0])
    smu.current_code = smu.range_code(numbers[1], current=True)


@command("RV", 2)
def voltage_range(unit: Analyser, numbers: Numbers) -> None:
    smu = unit.smu(numbers[0])
    smu.voltage_code = smu.range_code(numbers[1], current=False)


@command("RM", 2, 3)
def range_mode(unit: Analyser, numbers: Numbers) -> None:
    rate = int(within(numbers[2], 11, 100)) if len(numbers) > 2 else 50
    unit.smu(numbers[0]).range_mode = (whole(numbers[1], 1, 3), rate)


@command("CMM", 2)
def measured(unit: Analyser, numbers: Numbers) -> None:
    unit.smu(numbers[0]).measured = whole(numbers[1], 0, 4)


@command("MM", 1, 40)
def measurement_mode(unit: Analyser, numbers: Numbers) -> None:
    """Channels are looked up now; that they are on is checked at XE."""
    if numbers[0] not in MODES:
        raise FlexError(120)
    number, channels = int(numbers[0]), numbers[1:]
    if not 1 <= len(channels) <= (1 if number in ONE_CHANNEL_MODES else 10):
        raise FlexError(122)
    unit.measuring = (number, tuple(unit.smu(channel) for channel in channels))


@command("XE")
def execute(unit: Analyser, _: Numbers) -> None:
    if unit.measuring is None:
        raise FlexError(210)
    number, smus = unit.measuring
    if not all(smu.on for smu in smus):
        raise FlexError(200)
    MODES[number](unit)


@mode(1)
def spot_measurement(unit: Analyser) -> None:
    assert unit.measuring is not None
    unit.emit(spot(unit, unit.measuring[1]), hold=True)

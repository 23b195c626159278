"""Measuring: converter readings, high-speed spots, measurement modes, XE and spot measurement (MM 1)."""

from __future__ import annotations

from rheostat_hal.virtual import adc
from rheostat_hal.virtual.flex import data
from rheostat_hal.virtual.flex.analyser import MODES, Analyser, Numbers, command, mode, whole, within
from rheostat_hal.virtual.flex.data import Datum
from rheostat_hal.virtual.flex.errors import FlexError
from rheostat_hal.virtual.flex.smu import CURRENT_CODES, VOLTAGE_CODES, Smu

ONE_CHANNEL_MODES = (3,)


def range_code(number: float, *, current: bool) -> int:
    """A measurement range code with its aliases resolved, or FlexError 124."""
    codes = CURRENT_CODES if current else VOLTAGE_CODES
    if number == 0:
        return 0
    code = codes.get(int(abs(number))) if number == int(number) else None
    if code is None:
        raise FlexError(124)
    return code if number > 0 else -code


def covering_code(smu: Smu, *, current: bool) -> int:
    """The fixed range that covers the compliance (or the output) of this SMU, as a negative code."""
    ranges = adc.CURRENT_RANGES if current else adc.VOLTAGE_RANGES
    full_scale = _greatest(smu, current=current)
    return -next(code for code, scale in ranges.items() if scale == full_scale)


def _greatest(smu: Smu, *, current: bool) -> float:
    """Full scale of the largest range that makes sense: the output's own, or that which covers the compliance."""
    output = smu.output
    if output.current == current:
        return output.full_scale
    return adc.covering(output.compliance, adc.CURRENT_RANGES if current else adc.VOLTAGE_RANGES)


def sample(unit: Analyser, smu: Smu, kind: str, code: int, converter: adc.Adc) -> Datum:
    """One reading of "I" or "V" at this moment, on the range of `code`; no time passes."""
    solution = unit.world.solution()
    current = kind == "I"
    true = (solution.currents if current else solution.voltages)[smu.index]
    ranges = adc.CURRENT_RANGES if current else adc.VOLTAGE_RANGES
    full_scale = adc.choose_range(code, abs(true), ranges, _greatest(smu, current=current))
    samples = unit.averaging[converter].samples(converter, full_scale if current else 1.0)
    got = adc.convert(true, full_scale, converter, samples, unit.world.noise.normal())
    status = data.ADC_OVER if got.over else 0
    if any(solution.limited):
        status |= data.COMPLIANCE if solution.limited[smu.index] else data.OTHER_COMPLIANCE
    return Datum(kind, smu.slot, got.value, status)


def take(unit: Analyser, smu: Smu, kind: str, code: int) -> Datum:
    """A reading and the time it takes."""
    current = kind == "I"
    converter = smu.converter
    ranges = adc.CURRENT_RANGES if current else adc.VOLTAGE_RANGES
    if code < 0:
        full_scale, search = ranges[-code], 0.0
    else:
        solution = unit.world.solution()
        true = (solution.currents if current else solution.voltages)[smu.index]
        full_scale = adc.choose_range(code, abs(true), ranges, _greatest(smu, current=current))
        search = adc.SEARCH_TIME
    seconds = unit.averaging[converter].time(converter, full_scale if current else 1.0)
    if unit.auto_zero and converter is adc.Adc.HIGH_RESOLUTION:
        seconds *= 2.0
    unit.wait(adc.COMMAND_TIME + search + seconds)
    return sample(unit, smu, kind, code, converter)


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
            codes.append(range_code(numbers[position], current=current))
        else:
            codes.append(covering_code(smu, current=current))
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
    unit.smu(numbers[0]).current_code = range_code(numbers[1], current=True)


@command("RV", 2)
def voltage_range(unit: Analyser, numbers: Numbers) -> None:
    unit.smu(numbers[0]).voltage_code = range_code(numbers[1], current=False)


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

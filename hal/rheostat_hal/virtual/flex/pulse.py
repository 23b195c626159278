"""Pulsed spot measurements: one source (MM 3) and several at once (MM 27).

The base is forced for the hold time, the pulse for its width, measured at its end, and the base again. The next trigger
waits for the end of the period. An abort (AB) leaves the outputs where they are, as the manual says of AB; when the
client hangs up in the middle, the base returns at once: a pulse timed by the instrument never outlives its client.
"""

from __future__ import annotations

from rheostat_hal.virtual.adc import Adc
from rheostat_hal.virtual.flex.analyser import Analyser, Numbers, command, mode, whole, within
from rheostat_hal.virtual.flex.data import Datum
from rheostat_hal.virtual.flex.errors import FlexError
from rheostat_hal.virtual.flex.measure import full_scale, kinds, sample
from rheostat_hal.virtual.flex.smu import Smu
from rheostat_hal.virtual.flex.sources import LONGEST, RESOLUTION, SHORTEST, Pulsed, Timing
from rheostat_hal.virtual.sockets import Hangup


def _width(number: float) -> float:
    return round(within(number, SHORTEST, LONGEST) / RESOLUTION) * RESOLUTION


def _timing(hold: float, period: float, delay: float) -> Timing:
    if period not in (0.0, -1.0):
        within(period, 5e-3, 5.0)
    return Timing(within(hold, 0.0, 655.35), max(0.0, period), delay)


def _pulsed(unit: Analyser, smu: Smu, current: bool, numbers: Numbers) -> Pulsed:
    """From range, base, pulse [, compliance]."""
    code, base, peak = numbers[:3]
    if base * peak < 0.0:
        raise FlexError(126, smu.slot)
    largest = max(base, peak, key=abs)
    output = smu.checked(current, code, largest, *numbers[3:4], interlock=unit.interlock_closed)
    return Pulsed(smu, output.at(base), output.at(peak))


@command("PT", 2, 4)
def pulse_timing(unit: Analyser, numbers: Numbers) -> None:
    width = _width(numbers[1])
    delay = within(numbers[3], 0.0, width) if len(numbers) > 3 else 0.0
    timing = _timing(numbers[0], numbers[2] if len(numbers) > 2 else 1e-2, delay)
    timing.period_for(width)
    unit.pulse.timing, unit.pulse.width = timing, width


@command("PV", 4, 5)
def pulse_voltage(unit: Analyser, numbers: Numbers) -> None:
    unit.pulse.source = _pulsed(unit, unit.smu(numbers[0]), False, numbers[1:])


@command("PI", 4, 5)
def pulse_current(unit: Analyser, numbers: Numbers) -> None:
    unit.pulse.source = _pulsed(unit, unit.smu(numbers[0]), True, numbers[1:])


@command("MCPT", 1, 4)
def multi_timing(unit: Analyser, numbers: Numbers) -> None:
    """hold [, period [, measurement delay [, average]]]; an average other than 1 is refused, its meaning is unsure."""
    if len(numbers) > 3:
        whole(numbers[3], 1, 1)
    delay = within(numbers[2], 0.0, LONGEST) if len(numbers) > 2 else 0.0
    unit.multi.timing = _timing(numbers[0], numbers[1] if len(numbers) > 1 else 0.0, delay)


@command("MCPNT", 3)
def multi_width(unit: Analyser, numbers: Numbers) -> None:
    smu = unit.smu(numbers[0])
    within(numbers[1], 0.0, 0.0)  # an HRSMU has no pulse delay
    unit.multi.widths[smu.slot] = _width(numbers[2])


@command("MCPNX", 6, 7)
def multi_source(unit: Analyser, numbers: Numbers) -> None:
    number = whole(numbers[0], 1, 10)
    smu = unit.smu(numbers[1])
    current = whole(numbers[2], 1, 2) == 2
    unit.multi.sources[number] = _pulsed(unit, smu, current, numbers[3:])


@mode(3)
def pulsed_spot(unit: Analyser) -> None:
    pulse = unit.pulse
    if pulse.source is None:
        raise FlexError(211)
    _run(unit, [pulse.source], pulse.timing, pulse.width)


@mode(27)
def multi_pulsed_spot(unit: Analyser) -> None:
    multi = unit.multi
    if not multi.sources:
        raise FlexError(211)
    sources = [multi.sources[number] for number in sorted(multi.sources)]
    widths = {multi.widths.get(source.smu.slot, 1e-3) for source in sources}
    if len(widths) != 1:
        raise FlexError(120)  # HRSMUs pulse together
    _run(unit, sources, multi.timing, widths.pop())


def _run(unit: Analyser, sources: list[Pulsed], timing: Timing, width: float) -> None:
    assert unit.measuring is not None
    for source in sources:
        if not source.smu.on:
            raise FlexError(200)
    period = timing.period_for(width)
    _base(sources)
    unit.wait(max(timing.hold, (unit.next_trigger - unit.world.clock.now) / 1e9))
    began = unit.world.clock.now
    stamp = unit.elapsed()
    for source in sources:
        source.smu.force(source.output)
    try:
        unit.wait(width)
    except Hangup:
        _base(sources)
        raise
    items: list[Datum] = []
    for smu in unit.measuring[1]:
        if unit.stamp:
            items.append(Datum("T", smu.slot, stamp))
        for kind in kinds(smu):
            code = smu.current_code if kind == "I" else smu.voltage_code
            if code >= 0:  # no auto-ranging within a pulse
                code = smu.covering_code(current=kind == "I")
            items.append(sample(unit, smu, kind, full_scale(unit, smu, kind, code), Adc.PULSE))
    _base(sources)
    unit.next_trigger = began + round(period * 1e9)
    unit.emit(items, hold=True)


def _base(sources: list[Pulsed]) -> None:
    for source in sources:
        source.smu.force(source.base)

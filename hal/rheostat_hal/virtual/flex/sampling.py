"""Sampling (MM 10): bias held, currents or voltages read at given times.

Sources: Programming Guide, MT, ML, "Sampling" of the data formats; EasyEXPERT User's Guide, "I/V-t Sampling"; 4156C
User's Guide (which of the points on the time axis logarithmic sampling keeps).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from rheostat_hal.virtual.adc import Adc
from rheostat_hal.virtual.flex.analyser import Analyser, Numbers, command, mode, whole, within
from rheostat_hal.virtual.flex.data import ABNORMAL, LAST, Datum
from rheostat_hal.virtual.flex.errors import FlexError
from rheostat_hal.virtual.flex.measure import full_scale, kinds, reading_time, sample
from rheostat_hal.virtual.flex.smu import Smu
from rheostat_hal.virtual.flex.sources import Pulsed

MOST_DATA = 100001
PER_DECADE = {2: 10, 3: 25, 4: 50, 5: 100, 6: 250, 7: 5000}
DECADES = 11
FAST = 2e-3  # s: shorter intervals have rules of their own


@command("MT", 3, 4)
def sampling_times(unit: Analyser, numbers: Numbers) -> None:
    """hold at bias, interval, number of samples [, hold at base], s. A negative hold is how long the sampling runs
    before the bias."""
    interval = within(numbers[1], 1e-4, 65.535)
    hold = within(numbers[0], -0.09 if interval < FAST else 0.0, 655.35)
    count = whole(numbers[2], 1, MOST_DATA)
    base = within(numbers[3], 0.0, 655.35) if len(numbers) > 3 else 0.0
    unit.sampling.times = (hold, interval, count, base)


@command("ML", 1)
def sampling_law(unit: Analyser, numbers: Numbers) -> None:
    unit.sampling.law = whole(numbers[0], 1, 7)


@command("MSC", 1, 2)
def sampling_stop(unit: Analyser, numbers: Numbers) -> None:
    unit.sampling.abort = whole(numbers[0], 1, 2)
    unit.sampling.post = whole(numbers[1] if len(numbers) > 1 else 1, 1, 2)


def _source(unit: Analyser, numbers: Numbers, *, current: bool) -> None:
    smu = unit.smu(numbers[0])
    code, base, bias = numbers[1:4]
    largest = max(base, bias, key=abs)
    output = smu.checked(current, code, largest, *numbers[4:5], interlock=unit.interlock_closed)
    unit.sampling.sources[smu.slot] = Pulsed(smu, output.at(base), output.at(bias))


@command("MV", 4, 5)
def sampling_voltage(unit: Analyser, numbers: Numbers) -> None:
    _source(unit, numbers, current=False)


@command("MI", 4, 5)
def sampling_current(unit: Analyser, numbers: Numbers) -> None:
    _source(unit, numbers, current=True)


def following(step: int, law: int, free: int) -> int:
    """The interval after number `step` in which the next sample is kept, not before `free`, when all are read again.

    Linear: each. Logarithmic: of the intervals, those nearest to so many points a decade, the first decade beginning at
    one interval.
    """
    if law == 1:
        return max(step + 1, free)
    density = PER_DECADE[law]
    exponent = math.floor(math.log10(step) * density) if step else -1
    while (target := round(float(10.0 ** (exponent / density)))) <= step:
        exponent += 1
    return max(target, free)


@mode(10)
def sampling(unit: Analyser) -> None:
    """One block: per sample [its index, when FMT asks for it,] then the channels in the order of MM.

    The index counts intervals up to the end of the sample's readings: channels that take longer miss the next ones.
    When MSC stops the sampling, the remaining samples are dummies and the sources go back to their base.
    """
    assert unit.measuring is not None
    plan, smus = unit.sampling, unit.measuring[1]
    _check(unit, smus)
    hold, interval, count, base_hold = plan.times
    _force(unit, base=True)
    unit.wait(base_hold)
    if hold >= 0.0:
        _force(unit, base=False)
        unit.wait(hold)
    began = unit.world.clock.now
    bias_at = began - round(hold * 1e9) if hold < 0.0 else None
    items: list[Datum] = []
    block: list[Datum] = []
    step, index, stopped = 0, 0, False
    for number in range(1, count + 1):
        last = LAST if number == count else 0
        if stopped:
            block, index = [item.void() for item in block], index + 1
        else:
            due = began + round(step * interval * 1e9)
            if bias_at is not None and bias_at <= due:
                _wait_until(unit, bias_at)
                _force(unit, base=False)
                bias_at = None
            _wait_until(unit, due)
            block, busy = _read(unit, smus, fast=interval < FAST)
            unit.wait(busy)
            index = step + max(1, math.ceil(busy / interval - 1e-9))
            step = following(step, plan.law, index)
            stopped = plan.abort == 2 and any(item.status & ABNORMAL for item in block)
        if unit.source_data:
            items.append(Datum("X", 0, float(index), last))
        items += [replace(item, status=item.status | last) for item in block]
    _force(unit, base=plan.post == 1 or stopped)
    unit.emit(items, hold=True)


def _check(unit: Analyser, smus: Sequence[Smu]) -> None:
    """Intervals under 2 ms are for linear sampling by high-speed converters only (code 120 for the rest is assumed)."""
    plan = unit.sampling
    _, interval, count, _ = plan.times
    if not all(source.smu.on for source in plan.sources.values()):
        raise FlexError(200)
    if count > (MOST_DATA // len(smus) if plan.law == 1 else 1 + DECADES * PER_DECADE[plan.law]):
        raise FlexError(120)
    slow_converter = any(smu.converter is not Adc.HIGH_SPEED for smu in smus)
    shortest = 1e-4 + 2e-5 * (len(smus) - 1)
    if interval < FAST and (plan.law != 1 or slow_converter or interval < shortest - 1e-9):
        raise FlexError(120)


def _force(unit: Analyser, *, base: bool) -> None:
    for source in unit.sampling.sources.values():
        source.smu.force(source.base if base else source.output)


def _wait_until(unit: Analyser, instant: int) -> None:
    unit.wait((instant - unit.world.clock.now) / 1e9)


def _read(unit: Analyser, smus: Sequence[Smu], *, fast: bool) -> tuple[list[Datum], float]:
    """All channels, and how long they take one after the other, s. `fast`: all at once on fixed ranges, averaging less
    where they would take longer than the interval, which is not modelled."""
    items: list[Datum] = []
    busy = 0.0
    for smu in smus:
        if unit.stamp:
            items.append(Datum("T", smu.slot, unit.elapsed(busy)))
        for kind in kinds(smu):
            code = smu.current_code if kind == "I" else smu.voltage_code
            if fast and code >= 0:
                code = smu.covering_code(current=kind == "I")
            scale = full_scale(unit, smu, kind, code)
            items.append(sample(unit, smu, kind, scale, smu.converter))
            busy += 0.0 if fast else reading_time(unit, smu, kind, scale)
    return items, busy

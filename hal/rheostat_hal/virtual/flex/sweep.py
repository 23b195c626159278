"""The staircase sweep (MM 2)."""

from __future__ import annotations

from dataclasses import replace

from rheostat_hal.virtual.flex.analyser import Analyser, Numbers, command, mode, whole, within
from rheostat_hal.virtual.flex.data import COMPLIANCE, LAST, OVER_RANGE, Datum
from rheostat_hal.virtual.flex.errors import FlexError
from rheostat_hal.virtual.flex.measure import range_code, spot
from rheostat_hal.virtual.flex.sources import Ramp


@command("WT", 2, 5)
def sweep_times(unit: Analyser, numbers: Numbers) -> None:
    """hold, delay [, step delay [, trigger delay [, measurement delay]]], s."""
    hold, delay, step, trigger, measure = (*numbers, 0.0, 0.0, 0.0)[:5]
    unit.staircase.times = (
        within(hold, 0.0, 655.35),
        within(delay, 0.0, 65.535),
        within(step, 0.0, 1.0),
        within(trigger, 0.0, delay),
        within(measure, 0.0, 65.535),
    )


@command("WM", 1, 2)
def sweep_stop(unit: Analyser, numbers: Numbers) -> None:
    unit.staircase.abort = whole(numbers[0], 1, 2)
    unit.staircase.post = whole(numbers[1] if len(numbers) > 1 else 1, 1, 2)


def _ramp(unit: Analyser, numbers: Numbers, *, current: bool) -> None:
    smu = unit.smu(numbers[0])
    kind = whole(numbers[1], 1, 4)
    code = range_code(numbers[2], current=current)
    start, stop = numbers[3], numbers[4]
    if kind in (2, 4) and start * stop <= 0.0:
        raise FlexError(130, smu.slot)
    steps = whole(numbers[5], 1, 10001)
    power = within(numbers[7], 1e-3, 2.0) if len(numbers) > 7 else None
    largest = max(start, stop, key=abs)
    output = smu.checked(current, code, largest, *numbers[6:7], interlock=unit.interlock_closed)
    unit.staircase.ramp = Ramp(smu, kind, code, start, stop, steps, output, power)


@command("WV", 6, 8)
def sweep_voltage(unit: Analyser, numbers: Numbers) -> None:
    _ramp(unit, numbers, current=False)


@command("WI", 6, 8)
def sweep_current(unit: Analyser, numbers: Numbers) -> None:
    _ramp(unit, numbers, current=True)


@mode(2)
def staircase_sweep(unit: Analyser) -> None:
    """One block of data: per step the channels in the order of MM, then the source when FMT asks for it.

    With the power limit, the current compliance of a step is what the power leaves. When a channel reaches compliance
    and WM stops the sweep, the remaining steps are dummies.
    """
    stairs, ramp = unit.staircase, unit.staircase.ramp
    assert unit.measuring is not None
    if ramp is None:
        raise FlexError(211)
    if not ramp.smu.on:
        raise FlexError(200)
    hold, delay, step_delay, _, measure_delay = stairs.times
    values = ramp.values()
    items: list[Datum] = []
    block: list[Datum] = []
    stopped = False
    for number, value in enumerate(values):
        last = LAST if number == len(values) - 1 else 0
        if stopped:
            block = [Datum(item.kind, item.channel, OVER_RANGE) for item in block]
        else:
            limit = ramp.output.compliance
            if ramp.power is not None and value != 0.0:
                limit = min(limit, ramp.power / abs(value))
            ramp.smu.force(replace(ramp.output, value=value, compliance=limit))
            unit.wait((hold if number == 0 else 0.0) + delay + measure_delay)
            block = spot(unit, unit.measuring[1])
            unit.wait(step_delay)
            stopped = stairs.abort == 2 and any(item.status & COMPLIANCE for item in block)
        items += [replace(item, status=item.status | last) for item in block]
        if unit.source_data:
            kind = "I" if ramp.output.current else "V"
            items.append(Datum(kind, ramp.smu.slot, value, last, source=True))
    final = values[-1] if stairs.post == 2 and not stopped else ramp.start
    ramp.smu.force(ramp.output.at(final))
    unit.emit(items, hold=True)

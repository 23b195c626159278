"""The staircase sweep (MM 2), with a synchronous source if there is one.

Sources: Programming Guide, "Staircase Sweep Measurements", WV, WI, WSV, WSI, WT, WM. One range covers start and stop,
but for a source with a power compliance or logarithmic currents, whose range follows the level.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rheostat_hal.virtual.flex.analyser import Analyser, Numbers, command, mode, whole, within
from rheostat_hal.virtual.flex.data import ABNORMAL, LAST, Datum
from rheostat_hal.virtual.flex.errors import FlexError
from rheostat_hal.virtual.flex.measure import spot
from rheostat_hal.virtual.flex.sources import Ramp, Staircase


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


def _ramp(unit: Analyser, channel: float, code: float, rest: Numbers, *, current: bool) -> Ramp:
    """From start, stop [, compliance [, power compliance]]."""
    smu = unit.smu(channel)
    start, stop = rest[:2]
    power = within(rest[3], 1e-3, smu.kind.power) if len(rest) > 3 else None
    output = smu.checked(current, code, max(start, stop, key=abs), *rest[2:3], interlock=unit.interlock_closed)
    return Ramp(smu, start, stop, output, power)


def _primary(unit: Analyser, numbers: Numbers, *, current: bool) -> None:
    """Clears the synchronous source."""
    kind, steps = whole(numbers[1], 1, 4), whole(numbers[5], 1, 10001)
    ramp = _ramp(unit, numbers[0], numbers[2], numbers[3:5] + numbers[6:], current=current)
    ramp.level(0.0, logarithmic=kind in (2, 4))
    stairs = unit.staircase
    stairs.primary, stairs.kind, stairs.steps, stairs.synchronous = ramp, kind, steps, None


@command("WV", 6, 8)
def sweep_voltage(unit: Analyser, numbers: Numbers) -> None:
    _primary(unit, numbers, current=False)


@command("WI", 6, 8)
def sweep_current(unit: Analyser, numbers: Numbers) -> None:
    _primary(unit, numbers, current=True)


def _synchronous(unit: Analyser, numbers: Numbers, *, current: bool) -> None:
    """After its primary source, of the same mode on another channel (that 211 and 121 say so is assumed)."""
    stairs = unit.staircase
    if stairs.primary is None or stairs.primary.output.current != current:
        raise FlexError(211)
    ramp = _ramp(unit, numbers[0], numbers[1], numbers[2:], current=current)
    if ramp.smu is stairs.primary.smu:
        raise FlexError(121)
    ramp.level(0.0, logarithmic=stairs.kind in (2, 4))
    stairs.synchronous = ramp


@command("WSV", 4, 6)
def synchronous_voltage(unit: Analyser, numbers: Numbers) -> None:
    _synchronous(unit, numbers, current=False)


@command("WSI", 4, 6)
def synchronous_current(unit: Analyser, numbers: Numbers) -> None:
    _synchronous(unit, numbers, current=True)


def _shares(stairs: Staircase) -> Iterator[float]:
    """How much of the way from start to stop each step has gone."""
    up = [step / (stairs.steps - 1) for step in range(stairs.steps)] if stairs.steps > 1 else [0.0]
    yield from up
    if stairs.kind in (3, 4):
        yield from reversed(up)


def _force(unit: Analyser, ramp: Ramp, value: float, *, logarithmic: bool) -> None:
    output = ramp.output
    if ramp.power is None and not (output.current and logarithmic):
        ramp.smu.force(output.at(value))
        return
    limit = output.compliance
    if ramp.power is not None and value != 0.0:
        limit = min(limit, ramp.power / abs(value))
    following = ramp.smu.checked(output.current, output.code, value, limit, interlock=unit.interlock_closed)
    ramp.smu.force(following)


@mode(2)
def staircase_sweep(unit: Analyser) -> None:
    """One block of data: per step the channels in the order of MM, then the source that FMT asks for (1 the primary, 2
    the synchronous one).

    The sweep stops when a channel reaches compliance, a converter its end or an output oscillates, if WM says so or a
    source has a power compliance; the remaining steps are then dummies and the sources go back to their start.
    """
    assert unit.measuring is not None
    stairs = unit.staircase
    if stairs.primary is None:
        raise FlexError(211)
    ramps = [ramp for ramp in (stairs.primary, stairs.synchronous) if ramp is not None]
    if not all(ramp.smu.on for ramp in ramps):
        raise FlexError(200)
    reported = ramps[unit.source_data - 1] if 1 <= unit.source_data <= len(ramps) else None
    stops = stairs.abort == 2 or any(ramp.power is not None for ramp in ramps)
    logarithmic = stairs.kind in (2, 4)
    hold, delay, step_delay, _, measure_delay = stairs.times
    shares = list(_shares(stairs))
    items: list[Datum] = []
    block: list[Datum] = []
    stopped = False
    for number, share in enumerate(shares, 1):
        last = LAST if number == len(shares) else 0
        if stopped:
            block = [item.void() for item in block]
        else:
            for ramp in ramps:
                _force(unit, ramp, ramp.level(share, logarithmic=logarithmic), logarithmic=logarithmic)
            unit.wait((hold if number == 1 else 0.0) + delay + measure_delay)
            began = unit.world.clock.now
            block = spot(unit, unit.measuring[1])
            unit.wait(step_delay - (unit.world.clock.now - began) / 1e9)
            stopped = stops and any(item.status & ABNORMAL for item in block)
        items += [replace(item, status=item.status | last) for item in block]
        if reported is not None:
            kind = "I" if reported.output.current else "V"
            value = reported.level(share, logarithmic=logarithmic)
            items.append(Datum(kind, reported.smu.slot, value, last, source=True))
    for ramp in ramps:
        ramp.smu.force(ramp.output.at(ramp.stop if stairs.post == 2 and not stopped else ramp.start))
    unit.emit(items, hold=True)

"""Sampling (MM 10): bias held, currents or voltages read at even intervals."""

from __future__ import annotations

from rheostat_hal.virtual.flex.analyser import Analyser, Numbers, command, mode, whole, within
from rheostat_hal.virtual.flex.data import COMPLIANCE, LAST, OVER_RANGE, Datum
from rheostat_hal.virtual.flex.errors import FlexError
from rheostat_hal.virtual.flex.measure import kinds, sample
from rheostat_hal.virtual.flex.sources import Pulsed

MOST_DATA = 100001


@command("MT", 3, 4)
def sampling_times(unit: Analyser, numbers: Numbers) -> None:
    """hold at bias, interval, number of samples [, hold at base]."""
    interval = within(numbers[1], 1e-4, 65.535)
    count = whole(numbers[2], 1, MOST_DATA)
    base = within(numbers[3], 0.0, 655.35) if len(numbers) > 3 else 0.0
    unit.sampling.times = (within(numbers[0], -0.09, 655.35), interval, count, base)


@command("ML", 1)
def sampling_law(unit: Analyser, numbers: Numbers) -> None:
    """Linear sampling only; the logarithmic laws 2 to 7 are refused."""
    whole(numbers[0], 1, 1)


@command("MSC", 1, 2)
def sampling_stop(unit: Analyser, numbers: Numbers) -> None:
    unit.sampling.abort = whole(numbers[0], 1, 2)
    unit.sampling.post = whole(numbers[1] if len(numbers) > 1 else 1, 1, 2)


def _source(unit: Analyser, numbers: Numbers, *, current: bool) -> None:
    smu = unit.smu(numbers[0])
    code, base, bias = numbers[1:4]
    output = smu.checked(current, code, bias, *numbers[4:5], interlock=unit.interlock_closed)
    unit.sampling.sources[smu.slot] = Pulsed(smu, output.at(base), output)


@command("MV", 4, 5)
def sampling_voltage(unit: Analyser, numbers: Numbers) -> None:
    _source(unit, numbers, current=False)


@command("MI", 4, 5)
def sampling_current(unit: Analyser, numbers: Numbers) -> None:
    _source(unit, numbers, current=True)


@mode(10)
def sampling(unit: Analyser) -> None:
    """One block: per sample [its index, when FMT asks for it,] then the channels in the order of MM."""
    assert unit.measuring is not None
    smus = unit.measuring[1]
    sources = list(unit.sampling.sources.values())
    if not all(source.smu.on for source in sources):
        raise FlexError(200)
    hold, interval, count, base_hold = unit.sampling.times
    if count * len(smus) > MOST_DATA:
        raise FlexError(120)
    for source in sources:
        source.smu.force(source.base)
    unit.wait(base_hold)
    for source in sources:
        source.smu.force(source.output)
    unit.wait(hold)
    items: list[Datum] = []
    stopped = False
    for number in range(1, count + 1):
        last = LAST if number == count else 0
        if unit.source_data:
            items.append(Datum("X", 0, float(number), last))
        if not stopped:
            unit.wait(interval)
        for smu in smus:
            if unit.stamp:
                items.append(Datum("T", smu.slot, unit.elapsed(), last))
            for kind in kinds(smu):
                if stopped:
                    items.append(Datum(kind, smu.slot, OVER_RANGE, last))
                    continue
                code = smu.current_code if kind == "I" else smu.voltage_code
                got = sample(unit, smu, kind, code, smu.converter)
                items.append(Datum(kind, smu.slot, got.value, got.status | last))
        stopped = stopped or (unit.sampling.abort == 2 and any(item.status & COMPLIANCE for item in items))
    for source in sources:
        source.smu.force(source.output if unit.sampling.post == 2 and not stopped else source.base)
    unit.emit(items, hold=True)

"""Commands about outputs: switches, levels, zero, filter, series resistor."""

from __future__ import annotations

from rheostat_hal.virtual.flex.analyser import Analyser, Numbers, command, whole
from rheostat_hal.virtual.flex.data import Datum
from rheostat_hal.virtual.flex.errors import FlexError


def _limited(numbers: Numbers, most: int) -> Numbers:
    if len(numbers) > most:
        raise FlexError(122)
    return numbers


@command("CN", 0, 40)
def connect(unit: Analyser, numbers: Numbers) -> None:
    for output in unit.outputs(_limited(numbers, 15)):
        output.switch(True)


@command("CL", 0, 40)
def disconnect(unit: Analyser, numbers: Numbers) -> None:
    for output in unit.outputs(_limited(numbers, 15)):
        output.switch(False)


@command("IN", 0, 40)
def initialise(unit: Analyser, numbers: Numbers) -> None:
    for output in unit.outputs(_limited(numbers, 15)):
        output.initialise()


@command("DZ", 0, 40)
def zero(unit: Analyser, numbers: Numbers) -> None:
    """Without channels: every output that is on."""
    for output in unit.outputs(_limited(numbers, 15)):
        if output.on:
            output.zero()
        elif numbers:
            raise FlexError(200)


@command("RZ", 0, 40)
def restore(unit: Analyser, numbers: Numbers) -> None:
    outputs = unit.outputs(_limited(numbers, 15))
    if not numbers:
        outputs = [output for output in outputs if output.remembered is not None]
    for output in outputs:
        output.restore()


def _force(unit: Analyser, numbers: Numbers, *, current: bool) -> None:
    smu = unit.smu(numbers[0], on=True)
    smu.force(smu.checked(current, *numbers[1:], interlock=unit.interlock_closed))
    unit.sampling.sources.pop(smu.slot, None)  # a direct output takes the place of MV or MI
    if smu.clears_timer:
        smu.clears_timer = False
        unit.timer = unit.world.clock.now


@command("DV", 3, 6)
def force_voltage(unit: Analyser, numbers: Numbers) -> None:
    _force(unit, numbers, current=False)


@command("DI", 3, 6)
def force_current(unit: Analyser, numbers: Numbers) -> None:
    _force(unit, numbers, current=True)


@command("TDV", 3, 6)
def force_voltage_timed(unit: Analyser, numbers: Numbers) -> None:
    _force(unit, numbers, current=False)
    unit.emit([Datum("T", unit.smu(numbers[0]).slot, unit.elapsed())])


@command("TDI", 3, 6)
def force_current_timed(unit: Analyser, numbers: Numbers) -> None:
    _force(unit, numbers, current=True)
    unit.emit([Datum("T", unit.smu(numbers[0]).slot, unit.elapsed())])


@command("FL", 1, 40)
def output_filter(unit: Analyser, numbers: Numbers) -> None:
    state = bool(whole(numbers[0], 0, 1))
    for smu in unit.several(_limited(numbers[1:], 10)):
        smu.filter = state


@command("SSR", 2)
def series_resistor(unit: Analyser, numbers: Numbers) -> None:
    unit.smu(numbers[0]).insert_series(bool(whole(numbers[1], 0, 1)))

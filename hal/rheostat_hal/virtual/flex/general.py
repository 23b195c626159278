"""Commands about the instrument as a whole: identity, errors, formats, time, converters."""

from __future__ import annotations

import math

from rheostat_hal.virtual.adc import Adc, Averaging, Integration, default_averaging
from rheostat_hal.virtual.flex.analyser import Analyser, Numbers, command, whole, within
from rheostat_hal.virtual.flex.data import FORMATS, Datum
from rheostat_hal.virtual.flex.errors import TEXTS, FlexError

IDENTITY = "Agilent Technologies,B1500A,0,A.06.02.2023.0401"
CALIBRATION_TIME = 30.0  # s, recollection


@command("*IDN?")
def identity(unit: Analyser, _: Numbers) -> None:
    unit.reply(IDENTITY)


@command("UNT?", 0, 1)
def units(unit: Analyser, numbers: Numbers) -> None:
    whole(numbers[0] if numbers else 0, 0, 1)
    unit.reply(";".join(f"{model},0" for model in unit.modules))


@command("*RST")
def reset(unit: Analyser, _: Numbers) -> None:
    unit.reset()
    unit.port.clear()


@command("*OPC?")
def complete(unit: Analyser, _: Numbers) -> None:
    unit.reply("1")


@command("*STB?")
def status(unit: Analyser, _: Numbers) -> None:
    byte = 16
    byte |= 1 if unit.port.waiting_items else 0
    byte |= 0 if unit.interlock_closed else 8
    byte |= 32 if len(unit.errors) else 0
    unit.reply(str(byte))


@command("ERRX?", 0, 1)
def next_error(unit: Analyser, numbers: Numbers) -> None:
    form = whole(numbers[0] if numbers else 0, 0, 1)
    unit.reply(unit.errors.pop(text=form == 0))


@command("ERR?", 0, 1)
def error_codes(unit: Analyser, numbers: Numbers) -> None:
    form = whole(numbers[0] if numbers else 0, 0, 1)
    unit.reply(unit.errors.take_codes(1 if form else 4))


@command("EMG?", 1)
def error_text(unit: Analyser, numbers: Numbers) -> None:
    if numbers[0] not in TEXTS:
        raise FlexError(120)
    unit.reply(TEXTS[int(numbers[0])])


@command("*CAL?", 0, 1)
def calibrate(unit: Analyser, numbers: Numbers) -> None:
    if numbers:
        whole(numbers[0], 0, 11)
    unit.wait(CALIBRATION_TIME)
    unit.reply("0")


@command("NUB?")
def data_waiting(unit: Analyser, _: Numbers) -> None:
    unit.reply(str(unit.port.waiting_items))


@command("BC")
def clear_buffer(unit: Analyser, _: Numbers) -> None:
    unit.port.clear_data()


@command("PA", 0, 1)
def pause(unit: Analyser, numbers: Numbers) -> None:
    """Without a time, or a negative one, it pauses for a trigger, which never comes here: only an abort ends it."""
    seconds = within(numbers[0], -99.9999, 99.9999) if numbers else -1.0
    unit.wait(seconds if seconds >= 0.0 else math.inf)


@command("FMT", 1, 2)
def layout(unit: Analyser, numbers: Numbers) -> None:
    """The binary formats 3, 4, 13 and 14 are refused."""
    if numbers[0] not in FORMATS:
        raise FlexError(120)
    source_data = whole(numbers[1] if len(numbers) > 1 else 0, 0, 10)
    unit.layout, unit.source_data = int(numbers[0]), source_data
    unit.port.clear_data()


@command("TM", 1)
def trigger_mode(unit: Analyser, numbers: Numbers) -> None:
    unit.trigger_mode = whole(numbers[0], 1, 4)


@command("CM", 1)
def auto_calibration(unit: Analyser, numbers: Numbers) -> None:
    unit.auto_calibration = bool(whole(numbers[0], 0, 1))


@command("PAD", 1)
def parallel(unit: Analyser, numbers: Numbers) -> None:
    unit.parallel = bool(whole(numbers[0], 0, 1))


@command("AZ", 1)
def auto_zero(unit: Analyser, numbers: Numbers) -> None:
    unit.auto_zero = bool(whole(numbers[0], 0, 1))


@command("AAD", 1, 2)
def converter(unit: Analyser, numbers: Numbers) -> None:
    unit.smu(numbers[0]).choose(Adc(whole(numbers[1] if len(numbers) > 1 else 0, 0, 2)))


_MOST = {
    Adc.HIGH_SPEED: {Integration.AUTO: 1023, Integration.MANUAL: 1023, Integration.PLC: 100},
    Adc.HIGH_RESOLUTION: {Integration.AUTO: 127, Integration.MANUAL: 127, Integration.PLC: 100},
    Adc.PULSE: {Integration.AUTO: 1023, Integration.MANUAL: 1023, Integration.PLC: 100},
}


@command("AIT", 2, 3)
def integration(unit: Analyser, numbers: Numbers) -> None:
    kind = Adc(whole(numbers[0], 0, 2))
    mode = Integration(whole(numbers[1], 0, 2 if kind is Adc.HIGH_RESOLUTION else 3))
    if len(numbers) < 3:
        unit.averaging[kind] = default_averaging(kind, mode)
    elif mode is Integration.TIME:
        unit.averaging[kind] = Averaging(mode, within(numbers[2], 2e-6, 2e-2))
    else:
        unit.averaging[kind] = Averaging(mode, whole(numbers[2], 1, _MOST[kind][mode]))


@command("AV", 1, 2)
def average(unit: Analyser, numbers: Numbers) -> None:
    """The older way to say AIT 0: samples, or power line cycles when negative."""
    n = whole(numbers[0], -100, 1023)
    mode = whole(numbers[1] if len(numbers) > 1 else 0, 0, 1)
    if n == 0:
        raise FlexError(120)
    unit.averaging[Adc.HIGH_SPEED] = Averaging(Integration.PLC, -n) if n < 0 else Averaging(Integration(mode), n)


@command("WAT", 2, 3)
def wait_time(unit: Analyser, numbers: Numbers) -> None:
    kind = whole(numbers[0], 1, 2)
    factor = within(numbers[1], 0.0, 10.0)
    unit.wait_times[kind] = (factor, within(numbers[2], 0.0, 1.0) if len(numbers) > 2 else 0.0)


@command("TSR", 0, 1)
def reset_timer(unit: Analyser, numbers: Numbers) -> None:
    """At once; with a channel, when DV or DI next changes its output."""
    if not numbers:
        unit.timer = unit.world.clock.now
    else:
        unit.smu(numbers[0], on=True).clears_timer = True


@command("TSQ")
def time_stamp(unit: Analyser, _: Numbers) -> None:
    unit.emit([Datum("T", 0, unit.elapsed())])


@command("TSC", 1)
def stamping(unit: Analyser, numbers: Numbers) -> None:
    unit.stamp = bool(whole(numbers[0], 0, 1))

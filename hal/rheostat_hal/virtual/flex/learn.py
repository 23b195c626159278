"""*LRN?: settings as the commands that would make them again. No blank after a mnemonic: clients match on that."""

from __future__ import annotations

from collections.abc import Callable

from rheostat_hal.virtual.adc import Adc, Averaging, Integration
from rheostat_hal.virtual.flex.analyser import Analyser, Numbers, command
from rheostat_hal.virtual.flex.data import number, plain
from rheostat_hal.virtual.flex.errors import FlexError
from rheostat_hal.virtual.flex.smu import Smu
from rheostat_hal.virtual.flex.spgu import SpguChannel


def _slot(smu: Smu) -> str:
    if not smu.on:
        return f"CL{smu.slot}"
    out = smu.output
    name = "DI" if out.current else "DV"
    return (
        f"{name}{smu.slot},{out.code},{number(out.value)},{number(out.compliance)},{out.polarity},{out.compliance_code}"
    )


def _pulser(channel: SpguChannel) -> str:
    """Off as it was seen on an instrument; what an output that is on answers is an assumption."""
    name, setup = channel.number, channel.setup
    if not channel.on:
        return f"CL{name}"
    parts = [f"CN{name}", f"SPM{name},{setup.mode}", f"SER{name},{number(setup.load)}"]
    parts += [f"SPV{name},{source},{number(base)},{number(peak)}" for source, (base, peak) in enumerate(setup.levels)]
    parts += [
        f"SPT{name},{source}," + ",".join(number(time) for time in setup.timings[source].values) for source in (1, 2)
    ]
    return ";".join(parts)


def _switches(unit: Analyser) -> str:
    on = [str(smu.slot) for smu in unit.smus.values() if smu.on]
    on += [str(channel.number) for channel in unit.spgus.channels.values() if channel.on]
    return "CN" + ",".join(on) if on else "CL"


def _filters(unit: Analyser) -> str:
    off = [str(smu.slot) for smu in unit.smus.values() if not smu.filter]
    on = [str(smu.slot) for smu in unit.smus.values() if smu.filter]
    if not on:
        return "FL0"
    if not off:
        return "FL1"
    return f"FL0,{','.join(off)};FL1,{','.join(on)}"


def _high_speed_average(averaging: Averaging) -> str:
    """AIT 0 in the words of AV, which knows no time: that reads as the initial setting (assumed)."""
    if averaging.mode is Integration.PLC:
        return f"AV{plain(-averaging.n)},0"
    if averaging.mode is Integration.TIME:
        return "AV1,0"
    return f"AV{plain(averaging.n)},{int(averaging.mode)}"


def _modes(unit: Analyser) -> str:
    parts = [
        f"TM{unit.trigger_mode}",
        _high_speed_average(unit.averaging[Adc.HIGH_SPEED]),
        f"CM{int(unit.auto_calibration)}",
        f"FMT{unit.layout},{unit.source_data}",
    ]
    if unit.measuring is not None:
        mode, smus = unit.measuring
        parts.append(f"MM{mode}," + ",".join(str(smu.slot) for smu in smus))
    return ";".join(parts)


def _ranges(unit: Analyser) -> str:
    smus = unit.smus.values()
    currents = [f"RI{smu.slot},{smu.current_code}" for smu in smus]
    return ";".join(currents + [f"RV{smu.slot},{smu.voltage_code}" for smu in smus])


def _staircase(unit: Analyser) -> str:
    stairs = unit.staircase
    parts = [f"WM{stairs.abort},{stairs.post}", "WT" + ",".join(plain(t) for t in stairs.times)]
    for ramp, infix in ((stairs.primary, ""), (stairs.synchronous, "S")):
        if ramp is None:
            continue
        out = ramp.output
        kind, steps = ("", "") if infix else (f"{stairs.kind},", f"{stairs.steps},")
        power = f",{number(ramp.power)}" if ramp.power is not None else ""
        parts.append(
            f"W{infix}{'I' if out.current else 'V'}{ramp.smu.slot},{kind}{out.code},{number(ramp.start)},"
            f"{number(ramp.stop)},{steps}{number(out.compliance)}{power}"
        )
    return ";".join(parts)


def _sampling(unit: Analyser) -> str:
    sampling = unit.sampling
    times = ",".join(plain(t) for t in sampling.times)
    parts = [f"MSC{sampling.abort},{sampling.post}", f"ML{sampling.law}", f"MT{times}"]
    for source in sampling.sources.values():
        out = source.output
        values = f"{number(source.base.value)},{number(out.value)},{number(out.compliance)}"
        parts.append(f"{'MI' if out.current else 'MV'}{source.smu.slot},{out.code},{values}")
    return ";".join(parts)


def _pulse(unit: Analyser) -> str:
    pulse = unit.pulse
    timing = pulse.timing
    parts = [f"PT{plain(timing.hold)},{plain(pulse.width)},{plain(timing.period)},{plain(timing.delay)}"]
    if (source := pulse.source) is not None:
        out = source.output
        values = f"{number(source.base.value)},{number(out.value)},{number(out.compliance)}"
        parts.append(f"{'PI' if out.current else 'PV'}{source.smu.slot},{out.code},{values}")
    return ";".join(parts)


def _averaging(kind: Adc, averaging: Averaging) -> str:
    n = number(averaging.n) if averaging.mode is Integration.TIME else plain(averaging.n)
    return f"AIT{int(kind)},{int(averaging.mode)},{n}"


def _integration(unit: Analyser) -> str:
    parts = [_averaging(kind, unit.averaging[kind]) for kind in Adc]
    return ";".join([*parts, f"AZ{int(unit.auto_zero)}"])


def _each(text: Callable[[Smu], str]) -> Callable[[Analyser], str]:
    return lambda unit: ";".join(text(smu) for smu in unit.smus.values())


_REPLIES: dict[int, Callable[[Analyser], str]] = {
    0: _switches,
    30: _filters,
    31: _modes,
    32: _ranges,
    33: _staircase,
    34: _pulse,
    46: _each(lambda smu: f"CMM{smu.slot},{smu.measured}"),
    47: _sampling,
    53: _each(lambda smu: f"SSR{smu.slot},{int(smu.series)}"),
    54: _each(lambda smu: f"RM{smu.slot},{smu.range_mode[0]},{smu.range_mode[1]}"),
    55: _each(lambda smu: f"AAD{smu.slot},{int(smu.chosen_converter)}"),
    56: _integration,
    57: lambda unit: ";".join(f"WAT{kind},{plain(n)},{plain(t)}" for kind, (n, t) in unit.wait_times.items()),
    60: lambda unit: f"TSC{int(unit.stamp)}",
    110: lambda unit: f"PAD{int(unit.parallel)}",
}


@command("*LRN?", 1)
def learn(unit: Analyser, numbers: Numbers) -> None:
    """An empty slot answers nothing, as the instrument does; an unknown number is error 120."""
    asked = numbers[0]
    if 1 <= asked <= 10 and asked == int(asked):
        if (smu := unit.smus.get(int(asked))) is not None:
            unit.reply(_slot(smu))
        elif pulsers := unit.spgus.of_slot(int(asked)):
            unit.reply(";".join(map(_pulser, pulsers)))
    elif asked in _REPLIES:
        unit.reply(_REPLIES[int(asked)](unit))
    else:
        raise FlexError(120)

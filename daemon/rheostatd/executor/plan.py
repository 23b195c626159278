"""Dry runs: what a job would take, from the calibration and the last readings, without touching the rig.

Estimates, not promises: a scheme decides pulse by pulse. Risks are named in words.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable

import numpy as np

from rheostat import wire
from rheostat_hal.bench import HARDWARE_TIMED
from rheostatd.errors import RequestError
from rheostatd.executor import calibration
from rheostatd.executor.estimates import (
    HALF_STROKE,
    OVERHEAD,
    ROUTE,
    Estimate,
    applied,
    initialising,
    left_by,
    write_conductance,
)
from rheostatd.executor.initialise import drive_of
from rheostatd.executor.kinds import is_staged, staged
from rheostatd.executor.requests import (
    Programme,
    Visiting,
    check_calibrate,
    check_check,
    check_initialise,
    check_program,
    check_read,
    check_retention,
    check_train,
)
from rheostatd.executor.same_bench import check_same_bench
from rheostatd.executor.staged import StagedKind, recorded
from rheostatd.executor.station import Station
from rheostatd.executor.steps import shares, strong, strong_pulse
from rheostatd.executor.taken_cycles import begun
from rheostatd.executor.taken_trains import taken_trains
from rheostatd.journal.pulses import PulseRecord
from rheostatd.schemes import incremental

DEFAULT_WIDTH = 0.8  # s, the paper's write pulse
LANDING = 3  # pulses that a target takes beyond the way to it: smaller steps, a turn
READINGS_OF_CHECK = 24  # beside those after write pulses
READINGS = 3  # of an event, on average, with those that accept a target
NOT_VERIFIED = "a train is applied as it is: nothing looks at the readings before its end"
SETTLES = "some of the write pulses, two thirds at most, are strong ones that use up the history of the device"
OLD = 86400.0  # s; a feedforward table older than this is named as a risk
WORN = 10_000  # exchanges with a device since its table was measured, after which that is
LATE = "it lasts {:g} s; what is due while another job runs, or the daemon does not, is read late"
CONTACTS = "every reading closes the relays anew, and contacts differ from closure to closure"


def plan(station: Station, spec: wire.Spec, arrays: wire.Arrays, continues: tuple[str, ...] = ()) -> wire.Plan:
    """continues: earlier jobs whose complete stages need not be done again. Raises the kinds of RequestError, as the
    job itself would end with."""
    match spec:
        case wire.Program():
            return _program(station, check_program(station, spec, arrays))
        case wire.Read():
            check_read(station, spec)
            seconds = len(spec.devices) * (ROUTE + spec.readings * station.read_time)
            return wire.Plan(total=len(spec.devices), pulses=0, rig_time=seconds, energy=0.0)
        case wire.Initialise():
            check_initialise(station, spec)
            return _initialise(station, spec)
        case wire.Train():
            check_train(station, spec, arrays)
            return _train(station, spec, begun(station, spec, arrays, continues))
        case wire.CheckTable():
            return _check(station, spec, check_check(station, spec))
        case wire.Retention():
            check_retention(station, spec)
            visits = len(spec.devices) * len(spec.times)
            return wire.Plan(
                total=visits,
                pulses=0,
                rig_time=visits * (ROUTE + spec.readings * station.read_time),
                energy=0.0,
                risks=(LATE.format(spec.times[-1]), CONTACTS),
            )
        case wire.Calibrate():
            check_calibrate(station, spec, arrays)
            check_same_bench(station, spec, (spec.device, *spec.others), continues, {})
            return _calibrate(station, spec, taken_trains(station, spec, continues).keys())
        case _ if is_staged(spec):
            kind = staged(spec)
            kind.check(station)
            check_same_bench(station, spec, kind.devices, continues, kind.told())
            return _staged(station, kind, continues)
        case _:
            raise RequestError(f"jobs of the kind {type(spec).__name__} are not served")


def _initialise(station: Station, spec: wire.Initialise) -> wire.Plan:
    expected = Estimate()
    for device in spec.devices:
        window = station.window(device)
        goal, direction = (window.hrs, -1) if spec.state == "HRS" else (window.lrs, 1)
        share = abs(_here(station, device) - goal) / (window.hrs - window.lrs)
        stroke = initialising(station, device, direction, share)
        expected += stroke * min(1.0, spec.max_pulses / max(1.0, stroke.pulses))
    risks = (*_unknown(station, spec.devices), "the number of pulses is a guess: it is a closed loop")
    return _of(station, len(spec.devices), spec.devices, expected, risks)


def _train(station: Station, spec: wire.Train, arrays: wire.Arrays) -> wire.Plan:
    """arrays: of the result so far."""
    each = len(arrays["width"])
    left = {
        device: spec.cycles - pulses // each
        for device, pulses in zip(spec.devices, arrays["pulses"].tolist(), strict=True)
        if pulses < spec.cycles * each
    }
    cycles, width = sum(left.values()), float(arrays["width"].sum())
    once = float(np.sum(arrays["voltage"] ** 2 * arrays["width"]))  # V^2 s
    return wire.Plan(
        total=len(left),
        pulses=cycles * each,
        rig_time=len(left) * ROUTE + cycles * (width + each * station.read_time),
        energy=once * sum(count * write_conductance(station, device) for device, count in left.items()),
        risks=(*_timing(float(arrays["width"].max())), *_unknown(station, left), NOT_VERIFIED),
    )


def _calibrate(station: Station, spec: wire.Calibrate, taken: Collection[int]) -> wire.Plan:
    """taken: stages whose trains are there already. The energy: of trains at their full length, the ways between them,
    and the gains of others."""
    drive = drive_of(station.bench, station.window(spec.device))
    expected = calibration.plan(spec, station.read_time, drive, HALF_STROKE[station.bench.source])
    device, total, pulses, seconds = spec.device, Estimate(), expected.pulses, expected.rig_time
    wanted = calibration.trains_of(spec) if spec.trains is None else []
    for stage, (direction, voltage) in enumerate(wanted, start=1):
        train = applied(station, device, voltage, spec.width, spec.max_train)
        train += initialising(station, device, -direction, left_by(station, device, voltage))
        if stage not in taken:
            total += train
        else:
            pulses, seconds = pulses - round(train.pulses), seconds - train.rig_time(station)
    settling, usual = sum(shares(spec.gain_pulses).settling), math.sqrt(np.mean(np.square(spec.voltages)))
    voltage, width = strong(station, device, drive.voltage, spec.width)
    for other in spec.others:
        total += applied(station, other, voltage, width, settling)
        total += applied(station, other, usual, spec.width, spec.gain_pulses - settling)
        seconds += settling * (width - spec.width)
    return wire.Plan(
        total=expected.stages - len(taken),
        pulses=max(0, pulses),
        rig_time=ROUTE * (1 + len(spec.others)) + max(0.0, seconds),
        energy=total.energy,
        risks=(*_timing(spec.width), "an upper bound: a train ends once it is saturated"),
    )


def _check(station: Station, spec: wire.CheckTable, table: wire.FeedforwardTable) -> wire.Plan:
    settling, usual = sum(shares(spec.pulses).settling), pulse_energy(table, station.bench.topology.write_to_read)
    expected, steps = Estimate(), spec.pulses - settling
    for device in spec.devices:
        expected += applied(station, device, *strong_pulse(station, table, device), settling)
        expected += Estimate(steps, steps, steps * table.info.width, steps * float(np.mean(usual)))
        expected += Estimate(reads=READINGS_OF_CHECK)
    risks = [*_timing(table.info.width), *_age(station, table, spec.devices), SETTLES]
    return _of(station, len(spec.devices), spec.devices, expected, risks)


def _of(station: Station, total: int, visited: Iterable[str], expected: Estimate, risks: Iterable[str]) -> wire.Plan:
    return wire.Plan(
        total=total,
        pulses=round(expected.pulses),
        rig_time=len(tuple(visited)) * ROUTE + expected.rig_time(station),
        energy=expected.energy,
        risks=tuple(risks),
    )


def _staged(station: Station, kind: StagedKind, continues: tuple[str, ...]) -> wire.Plan:
    complete, each = recorded(station, kind, continues).complete, kind.each
    expected, total, visited = Estimate(), 0, []
    for number, device in enumerate(kind.devices):
        stages = [stage for stage in range(number * each, (number + 1) * each) if stage not in complete]
        if stages:
            expected += kind.estimate(station, device, stages)
            total += len(stages)
            visited.append(device)
    age = [] if kind.table is None else _age(station, kind.table, visited)
    risks = (*_timing(kind.width), *_unknown(station, visited), *age, *kind.risks(station))
    return _of(station, total, visited, expected, risks)


def _program(station: Station, programme: Programme) -> wire.Plan:
    table = programme.table
    width = table.info.width if table is not None else DEFAULT_WIDTH
    if isinstance(programme.settings, incremental.Settings):  # it grows from the first width as far as it has to
        width = math.sqrt(programme.settings.start_width * station.bench.limits.max_width)
    width = float(getattr(programme.settings, "width", width))
    down = up = 0.0
    for visiting in programme.visits:
        fall, rise = _way(station, programme, visiting)
        level = 2.0 * station.window(visiting.device).half_level  # about what a pulse is chosen to move
        step = table.info.step if table is not None else (level, level)
        down += fall / step[0]
        up += rise / step[1]
    landing = LANDING * len(programme.targets)
    energy = None
    if table is not None:
        each = pulse_energy(table, station.bench.topology.write_to_read)
        energy = (down + landing / 2) * each[0] + (up + landing / 2) * each[1]
    devices = tuple(visiting.device for visiting in programme.visits)
    risks = [*_timing(width), *_unknown(station, devices)]
    risks += _age(station, table, devices)
    if table is None:
        risks.append("no feedforward table covers these devices: the scheme finds its steps by trying")
    elif table.info.noise > programme.spec.tolerance:
        risks.append(
            f"one reading scatters by {table.info.noise:.3g} ohm, more than the tolerance of "
            f"{programme.spec.tolerance:.3g} ohm: many readings for each target, or NOISY"
        )
    pulses = math.ceil(down + up) + landing
    return _plan(station, len(programme.targets), pulses, width, len(devices), energy, risks)


def _here(station: Station, device: str) -> float:
    """Where a device stands, ohm: as last read, else the middle of its window."""
    window, known = station.window(device), station.device(device).resistance
    return (window.lrs + window.hrs) / 2 if known is None or not math.isfinite(known) else known


def _way(station: Station, programme: Programme, visiting: Visiting) -> tuple[float, float]:
    """How far down and how far up a device travels, ohm."""
    here = _here(station, visiting.device)
    targets = programme.targets[list(visiting.targets)]
    if programme.spec.order == "sweep":
        targets = np.sort(targets)
        if abs(here - targets[-1]) <= abs(here - targets[0]):
            targets = targets[::-1]
    steps = np.diff(np.concatenate([[here], targets]))
    return float(-steps[steps < 0].sum()), float(steps[steps > 0].sum())


def pulse_energy(table: wire.FeedforwardTable, write_to_read: float) -> tuple[float, float]:
    """J of one write pulse of the step aimed at, averaged over the window: potentiation, depression;
    write_to_read: conductance of the write path over that of the read path."""
    energies = []
    for wanted, steps in zip(table.info.step, (table.potentiation, table.depression), strict=True):
        voltages = np.array([np.interp(wanted, column, table.voltages) for column in steps.T])
        energies.append(float(np.mean(voltages**2 * write_to_read / table.resistances) * table.info.width))
    return energies[0], energies[1]


def _plan(
    station: Station, total: int, pulses: int, width: float, devices: int, energy: float | None, risks: Iterable[str]
) -> wire.Plan:
    overhead = OVERHEAD[station.bench.source]
    seconds = devices * ROUTE + pulses * (width + overhead + READINGS * station.read_time)
    return wire.Plan(total=total, pulses=pulses, rig_time=seconds, energy=energy, risks=tuple(risks))


def _timing(width: float) -> list[str]:
    if width <= HARDWARE_TIMED:
        return []
    return [
        f"write pulses of {width:g} s are timed by the host, not the instrument: if the computer or the line stops, "
        "the device stays at the write voltage"
    ]


def _age(station: Station, table: wire.FeedforwardTable | None, devices: Iterable[str]) -> list[str]:
    """What speaks against a table: its age, and how much its devices have been through since."""
    if table is None:
        return []
    info, age = table.info, station.ledger.clock() - table.info.created
    risks = []
    if age > OLD:
        risks.append(f"feedforward table {info.version} is {age / 86400.0:.3g} days old: check_table tells if it fits")
    for device in devices:
        count = station.ledger.ask(PulseRecord.exchanges_since, device, info.created)
        if count > WORN:
            risks.append(f"{device} has had about {count} write pulses since feedforward table {info.version}")
    return risks


def _unknown(station: Station, devices: Iterable[str]) -> list[str]:
    known = [station.device(device) for device in devices]
    risks = []
    unread = [device.name for device in known if device.resistance is None]
    suspect = [device.name for device in known if device.suspect]
    if unread:
        risks.append(f"never read, the middle of the window assumed: {', '.join(unread)}")
    if suspect:
        risks.append(f"may have been pulsed since their last reading: {', '.join(suspect)}")
    return risks

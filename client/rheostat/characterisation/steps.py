"""From a profile to jobs: which the daemon is asked for, on which devices, one after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rheostat import wire
from rheostat.characterisation.profile import Parameters, Profile
from rheostat.errors import InputError

OTHERS = ".others"  # at the end of a step's name: on the other devices
BY_TABLE = ("check_table", "staircase")  # look the feedforward table up
# Keys of a profile that are named otherwise where jobs are asked for.
_NAMES = {
    "voltages_v": "voltages",
    "widths_s": "widths",
    "width_s": "width",
    "dwell_s": "dwell",
    "times_s": "times",
}
_PULSE = 0.85  # s of rig time that a feedforward pulse and its reading take
_A_CYCLE = 1100  # write pulses through the window and back


@dataclass(frozen=True)
class Step:
    """One job. name: of the profile's step, with OTHERS at its end on the other devices; kind: method of a Rig;
    part: which of the jobs that the step is made of; options: arguments of the method beside the devices."""

    name: str
    kind: str
    devices: tuple[str, ...]
    options: Parameters
    part: int = 0

    @property
    def key(self) -> str:
        """What it is kept under in the programme's file."""
        return f"{self.name}/{self.part}"

    @property
    def by_table(self) -> bool:
        return self.kind in BY_TABLE

    def arguments(self, table: str | None = None, trains: str | None = None) -> Parameters:
        """Arguments of the method. table: version to look up; trains: job whose trains a calibration fits."""
        if self.kind == "calibrate":
            first, *others = self.devices
            options = {key: value for key, value in self.options.items() if key != "trains"}
            if self.options.get("trains") == "identical_pulses" and trains is not None:
                own = {key: value for key, value in options.items() if key == "gain_pulses"}
                return {"device": first, "others": tuple(others), "trains": trains, **own}
            return {"device": first, "others": tuple(others), **options}
        found = {"devices": self.devices, **self.options}
        return {**found, "table": table} if self.by_table else found

    def once_more(self, devices: tuple[str, ...]) -> Step:
        """A check of a table again, on some of its devices, with twice the pulses."""
        pulses = 2 * int(self.options.get("pulses", wire.CheckTable(devices=devices).pulses))
        return replace(self, devices=devices, options={**self.options, "pulses": pulses}, part=self.part + 1)

    def guessed(self) -> wire.Plan | None:
        """What it would do as far as that is known before there is a table."""
        if self.kind != "staircase":
            return None
        pulses = len(self.devices) * int(self.options.get("cycles", 66)) * _A_CYCLE
        return wire.Plan(total=len(self.devices), pulses=pulses, rig_time=_PULSE * pulses, energy=None)


def steps(profile: Profile, devices: Sequence[str]) -> tuple[Step, ...]:
    """Every job of a programme, in order. devices: that which is measured in full, then the others."""
    return tuple(_steps(profile, tuple(devices[:1]), tuple(devices[1:])))


def _steps(profile: Profile, first: tuple[str, ...], others: tuple[str, ...]) -> Iterator[Step]:
    for name, parameters in profile.steps.items():
        alike = name == "calibrate" or profile.repeated.get(name) == parameters  # one job does it on all of them
        yield from _jobs(name, name, (*first, *others) if alike else first, parameters)
        if name in profile.repeated and others and not alike:
            yield from _jobs(name + OTHERS, name, others, profile.repeated[name])


def _jobs(name: str, step: str, devices: tuple[str, ...], parameters: Parameters) -> Iterator[Step]:
    """The jobs of one step: of cycles, or of voltages, as many in each as make equal parts."""
    options = {_NAMES.get(key, key): value for key, value in parameters.items() if key not in ("jobs", "skip")}
    kind = "train" if step == "train_energy" else step
    if step == "train_energy":
        options["measure"] = "energy"
    parts = int(parameters.get("jobs", 1))
    for part in range(parts):
        own = _part(step, parameters, part, parts)
        if own is not None:
            yield Step(name, kind, devices, {**options, **own}, part)


def _part(step: str, parameters: Parameters, part: int, parts: int) -> Parameters | None:
    """What one of several jobs does of a step: some of the cycles, or of the voltages; None: nothing is left for it."""
    if step == "staircase":
        cycles = int(parameters.get("cycles", 66))
        own = cycles * (part + 1) // parts - cycles * part // parts
        return {"cycles": own} if own else None
    if step == "identical_pulses":
        voltages = tuple(parameters.get("voltages_v", wire.PAPER_VOLTAGES))[part::parts]
        return {"voltages": voltages} if voltages else None
    return {}


def choose(known: Sequence[wire.Device], wanted: Sequence[str] | None, others: int) -> tuple[str, ...]:
    """The devices to characterise: those wanted (also as "A1" or "A1,B2"), else the first of the bench and `others`
    more.

    Devices that have their lines for themselves come before those of a crossbar. Raises InputError.
    """
    names = [device.name for device in known]
    if isinstance(wanted, str):
        wanted = [name.strip() for name in wanted.split(",") if name.strip()]
    if wanted:
        for name in wanted:
            if name not in names:
                raise InputError(f"the bench has no device {name!r}; it has {', '.join(names)}")
        if len(set(wanted)) < len(wanted):
            raise InputError("each device once")
        return tuple(wanted)
    if not names:
        raise InputError("the bench has no devices")
    lines = [line for device in known for line in device.channels.values()]
    alone = [all(lines.count(line) == 1 for line in device.channels.values()) for device in known]
    order = sorted(range(len(known)), key=lambda k: not alone[k])
    return tuple(names[k] for k in order[: others + 1])

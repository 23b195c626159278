"""The measurement programme as jobs of the daemon, one after another; begun again with the same folder, it goes on.

The ids of its jobs stand in OUT/programme.json before they are sent. So a job that is done is only fetched, one that
still runs is waited for, and one that was broken off is finished by another (where its kind can be) or made again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from rheostat import specs, wire
from rheostat.attend import attend
from rheostat.characterisation import faults
from rheostat.characterisation.profile import Profile, load
from rheostat.characterisation.record import Characterisation
from rheostat.characterisation.steps import OTHERS, Step, choose, steps
from rheostat.client import Job, Rig
from rheostat.errors import InputError, JobFailed, NotReady, RequestRefused, RigLatched, RigUnsafe, UnknownJob
from rheostat.results import Result

FILE = "programme.json"
FORMAT = 1
UNFIT = "{name} was left out: there is no feedforward table for {devices}."


@dataclass(frozen=True)
class Planned:
    """What a step would do; plan: None where the daemon cannot tell yet, and `why`."""

    step: Step
    plan: wire.Plan | None
    why: str = ""


@dataclass(frozen=True)
class Progress:
    """Where a programme stands: step `index` (from 1) of `count`, its job, what was planned for it; done, in all:
    s of rig time that were and that are to be spent, as far as planned."""

    step: Step
    index: int
    count: int
    job: wire.Job | None
    plan: wire.Plan | None
    done: float
    total: float


def characterise(
    rig: Rig,
    profile: str | Path | Profile = "diao2025",
    devices: Sequence[str] | None = None,
    out: str | Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    short: bool = False,
) -> Characterisation:
    """Runs the programme of a profile (its name, a TOML file, or a Profile) on a rig and gives everything it measured.

    devices: the one that is measured in full, then those that are compared with it; None: as many as the profile says.
    out: folder; the jobs are remembered in it, so that the same call goes on after a stop, and everything is saved in
    it. progress: called while jobs run. short: the shortened form of the profile.
    Ctrl-C cancels the job that runs. A device that fails a step is named in `missing`, and the rest goes on.
    Raises InputError, DaemonUnavailable, RigLatched.
    """
    programme = Programme(rig, profile, devices, out, short)
    done = programme.run(progress)
    if out is not None:
        done.save(Path(out))
        done.report(Path(out) / "report.html")
    return done


class Programme:
    """One run of a profile on a rig: `plan` it, `run` it. Arguments as in `characterise`."""

    def __init__(
        self,
        rig: Rig,
        profile: str | Path | Profile,
        devices: Sequence[str] | None = None,
        out: str | Path | None = None,
        short: bool = False,
    ) -> None:
        self.profile = profile if isinstance(profile, Profile) else load(profile, short)
        known = rig.devices()
        self.devices = choose(known, devices, self.profile.others)
        self.window = next(device.window for device in known if device.name == self.devices[0])
        self.steps = steps(self.profile, self.devices)
        self._rig = rig
        self._file = None if out is None else Path(out) / FILE
        self._jobs: dict[str, list[str]] = {}
        self._missing: list[str] = []
        self._table: wire.FeedforwardTable | None = None
        self._begun = time.time()
        self._recall()

    @property
    def begun(self) -> int:
        """How many of the steps have been begun before."""
        return sum(step.key in self._jobs for step in self.steps)

    def plan(self) -> tuple[Planned, ...]:
        """What every step would do: pulses, rig time and energy. Nothing is done."""
        plans = self._rig.plans
        found = []
        for step in self.steps:
            try:
                found.append(Planned(step, getattr(plans, step.kind)(**step.arguments())))
            except RequestRefused as refused:
                guess = step.guessed()
                why = "estimated: the feedforward table is not there yet" if guess and step.by_table else str(refused)
                found.append(Planned(step, guess, why))
        return tuple(found)

    def run(
        self, progress: Callable[[Progress], None] | None = None, plans: Sequence[Planned] | None = None
    ) -> Characterisation:
        """Every step that is not done yet, one after another. plans: those of `plan`, where they are there already."""
        if plans is None:
            plans = self.plan() if progress is not None else ()
        planned = {each.step.key: each.plan for each in plans}
        spent, total = 0.0, sum(plan.rig_time for plan in planned.values() if plan is not None)
        results: dict[str, tuple[Result, ...]] = {}
        for index, step in enumerate(self.steps, 1):

            def follow(job: wire.Job | None, step: Step = step, index: int = index, spent: float = spent) -> None:
                if progress is not None:
                    progress(Progress(step, index, len(self.steps), job, planned.get(step.key), spent, total))

            follow(None)
            found = self._step(step, follow)
            if found:
                results[step.name] = (*results.get(step.name, ()), *found)
            expected = planned.get(step.key)
            spent += expected.rig_time if expected is not None else 0.0
        return Characterisation(
            self.profile, self.devices, self.window, results, self._table, tuple(self._missing), self._about()
        )

    def _step(self, step: Step, follow: Callable[[wire.Job | None], None]) -> tuple[Result, ...]:
        """What one step gave, as far as it came; what is missing of it is noted. Devices that a table seems not to fit
        are checked once more, with twice the pulses: one check in fifty says so by chance."""
        fitting = self._fitting(step)
        result = self._measured(replace(step, devices=fitting), follow) if fitting else None
        if result is None:
            return ()
        found = [result]
        if step.kind == "calibrate":
            self._take_table(step, result)
        if step.kind == "check_table":
            unfit = tuple(d for d, fits in zip(result.devices, result.arrays["fits"], strict=True) if not fits)
            second = self._measured(step.once_more(unfit), follow) if unfit else None
            found += [second] if second is not None else []
        for sentence in faults.found(step.name, found[-1], self._table):
            self._note(sentence)
        return tuple(found)

    def _measured(self, step: Step, follow: Callable[[wire.Job | None], None]) -> Result | None:
        """The result of a step's job, whole or not; None: there is none."""
        try:
            job = self._job(step)
        except (RigLatched, RigUnsafe):
            raise
        except RequestRefused as refused:
            self._note(f"{_name(step)} on {', '.join(step.devices)} was refused: {refused}.")
            return None
        try:
            return cast("Result", attend(job, follow))
        except (JobFailed, NotReady) as failed:
            self._note(f"{_name(step)} on {', '.join(step.devices)} did not end well: {failed}.")
            return _partial(job)

    def _fitting(self, step: Step) -> tuple[str, ...]:
        """The devices of a step that can do it: by the feedforward table, those whose gain is known."""
        if not step.by_table or "calibrate" not in self.profile.steps:
            return step.devices
        known = self._table.info.gains if self._table is not None else {}
        fitting = tuple(device for device in step.devices if device in known)
        unfit = [device for device in step.devices if device not in known]
        if unfit:
            self._note(UNFIT.format(name=_name(step).capitalize(), devices=", ".join(unfit)))
        return fitting

    def _job(self, step: Step) -> Job[Any]:
        """The job of a step: the one that was begun, one that goes on with it, or a new one."""
        ids = self._jobs.setdefault(step.key, [])
        repeated: str | None = None
        if ids:
            try:
                before = self._rig.job(ids[-1])
                state = before.progress().state
            except UnknownJob:
                return self._send(step, ids[-1])  # it was remembered, but never sent
            if not state.final or state is wire.JobState.DONE:
                return before
            repeated = ids[-1] if step.kind in wire.GOES_ON else None
        ids.append(specs.new_job_id())
        self._remember()
        if repeated is not None:
            try:
                job: Job[Any] = self._rig.repeat(repeated, unfinished=True, job_id=ids[-1])
            except RequestRefused:  # it had not begun, or its record does not allow it
                return self._send(step, ids[-1])
            return job
        return self._send(step, ids[-1])

    def _send(self, step: Step, job_id: str) -> Job[Any]:
        table = None if self._table is None else self._table.info.version
        trains = self._jobs.get("identical_pulses/0", [None])[-1]
        label = f"{self.profile.name} {step.name}"
        sent = getattr(self._rig, step.kind)(**step.arguments(table, trains), label=label, job_id=job_id)
        return cast("Job[Any]", sent)

    def _take_table(self, step: Step, result: Result) -> None:
        """The feedforward table that a calibration has stored."""
        version = result.provenance.get("table") or result.provenance.get("version")
        known = [info for info in self._rig.tables() if info.device == step.devices[0]]
        if version not in [info.version for info in known]:
            version = max(known, key=lambda info: info.created).version if known else None
        if version is not None:
            self._table = self._rig.table(str(version))

    def _note(self, sentence: str) -> None:
        if sentence not in self._missing:
            self._missing.append(sentence)

    def _about(self) -> dict[str, Any]:
        status = self._rig.status()
        return {
            "bench": status.bench,
            "virtual": status.virtual,
            "begun": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self._begun)),
            "ended": time.strftime("%Y-%m-%d %H:%M:%S"),
            "instruments": {
                i.name: f"{i.vendor} {i.model}, serial {i.serial}, firmware {i.firmware}" for i in status.instruments
            },
            "versions": {"rheostatd": status.version},
        }

    def _recall(self) -> None:
        if self._file is None or not self._file.exists():
            return
        try:
            told = json.loads(self._file.read_text(encoding="utf-8"))
            before = (told["profile"], told["short"], tuple(told["devices"]))
            jobs = {str(key): [str(i) for i in ids] for key, ids in told["jobs"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{self._file} is not a programme that rheostat has written ({error})") from error
        if before != (self.profile.text, self.profile.short, self.devices):
            raise InputError(
                f"{self._file.parent} holds another programme ({told.get('name')} on {', '.join(before[2])}"
                f"{', shortened' * bool(before[1])}): go on with that one, or name another folder"
            )
        self._jobs = jobs
        self._begun = float(told.get("begun", self._begun))

    def _remember(self) -> None:
        if self._file is None:
            return
        told = {
            "format": FORMAT,
            "name": self.profile.name,
            "short": self.profile.short,
            "devices": self.devices,
            "begun": self._begun,
            "jobs": self._jobs,
            "profile": self.profile.text,
        }
        self._file.parent.mkdir(parents=True, exist_ok=True)
        partial = self._file.with_name(FILE + ".part")
        partial.write_text(json.dumps(told, indent=1), encoding="utf-8")
        partial.replace(self._file)


def _partial(job: Job[Any]) -> Result | None:
    """What a job has measured that did not end well; None: nothing."""
    try:
        return cast("Result", job.result(partial=True))
    except (JobFailed, NotReady):
        return None


def _name(step: Step) -> str:
    return step.name.replace(OTHERS, "").replace("_", " ")

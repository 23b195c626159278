"""A characterisation: every result, its figures of merit, and what it takes to repeat it; kept in one HDF5 file.

/               attributes: readme (what is where, for other software), format, version, profile (its TOML text),
                profile_name, short, devices, window_ohm, missing and about (JSON: bench, instruments, versions, times)
/figures        one data set for each column of the table of figures, `value`s in the units of `unit`
/table          the feedforward table, with `info` as an attribute
/steps/NAME/K   the K-th job of a step, as `rheostat.export` writes a result: data sets with units, `about`
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from rheostat import export, wire
from rheostat.axes import axes
from rheostat.characterisation import data, merits, merits_trains, profile, sampling
from rheostat.characterisation.merits import Figure
from rheostat.characterisation.profile import Profile
from rheostat.errors import InputError
from rheostat.results import Result

NAME = "characterisation.h5"
FORMAT = "rheostat characterisation"
VERSION = 1
README = """A characterisation of analog memristors, made by rheostat; numbers in SI units.
/figures: the figures of merit, one row in each data set for each; value, uncertainty (one standard error; nan: not
known) and what a paper prints (nan: nothing) are in the unit that `unit` names.
/table: the feedforward table, |dR| of one write pulse: rows `voltages`, columns `resistances` before the pulse.
/steps/NAME/K: the K-th job of a step of the programme (NAME.others: on the other devices). Each data set has the
attributes `unit` and `axes`; outcomes have `meanings`; `devices_named` are the names along an axis "device"; nan was
not measured. `about` (JSON) is the job's provenance: settings, instruments, versions."""
OTHERS = ".others"  # at the end of a step's name: on the other devices


@dataclass(frozen=True, repr=False)
class Characterisation:
    """What a programme gave. devices: that which was measured in full, then the others; window: (LRS, HRS) ohm;
    results: name of a step ("staircase", on other devices "staircase.others") -> its jobs; missing: what was asked for
    and is not there, in sentences; about: bench, instruments, versions, times."""

    profile: Profile
    devices: tuple[str, ...]
    window: tuple[float, float]
    results: Mapping[str, tuple[Result, ...]]
    table: wire.FeedforwardTable | None = None
    missing: tuple[str, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)

    def of(self, step: str) -> tuple[Result, ...]:
        """The jobs of a step on the first device."""
        return tuple(self.results.get(step, ()))

    def every(self, step: str) -> tuple[Result, ...]:
        """The jobs of a step on all devices, the first one's first."""
        return (*self.of(step), *self.of(step + OTHERS))

    def own(self, found: tuple[Any, ...]) -> tuple[Any, ...]:
        """Those of `data`'s records that are of the first device."""
        return tuple(item for item in found if item.device == self.devices[0])

    @cached_property
    def sweeps(self) -> tuple[data.Sweep, ...]:
        """Feedforward sweeps of all devices."""
        return data.sweeps(self.every("staircase"))

    @cached_property
    def identical(self) -> data.Identical | None:
        return data.identical(self.of("identical_pulses"))

    @cached_property
    def trains(self) -> tuple[data.Trains, ...]:
        """Trains of all devices, without the cycles to skip."""
        return data.trains(self.every("train"), self.skip("train"))

    @cached_property
    def energies(self) -> tuple[data.Trains, ...]:
        """Trains whose energy was measured, without the cycles to skip; the others' where there are none."""
        measured = data.trains(self.every("train_energy"), self.skip("train_energy"))
        return measured or self.trains

    @cached_property
    def held(self) -> tuple[data.Held, ...]:
        return data.held(self.every("retention"))

    @cached_property
    def checks(self) -> tuple[data.Check, ...]:
        return data.checks(self.every("check_table"))

    @cached_property
    def level_errors(self) -> sampling.Errors:
        """Error of programming of every level, by direction and number of levels, of the first device."""
        return sampling.level_errors(self.own(self.sweeps), self.window, self.profile.analysis["levels"])

    @cached_property
    def passage_errors(self) -> sampling.Errors:
        """The same with the first reading at or past each level."""
        return sampling.level_errors(
            self.own(self.sweeps), self.window, self.profile.analysis["levels"], "first passage"
        )

    def skip(self, step: str) -> int:
        """Cycles at the beginning of a train that come from where the device stood."""
        return int(self.profile.steps.get(step, {}).get("skip", 0))

    @cached_property
    def figures(self) -> tuple[Figure, ...]:
        """Every figure of merit, in the order of the programme, beside what the paper prints."""
        found: list[Figure] = []
        if self.identical is not None:
            found += merits.repeatability(self.identical)
        if self.table is not None:
            found += merits.of_table(self.table, self.checks)
        width = self.table.info.width if self.table is not None else float("nan")
        found += merits.processes(self.own(self.sweeps), self.window, width, self.profile.analysis)
        found += sampling.figures(self.level_errors, self.passage_errors, self.window)
        found += merits_trains.states(self.own(self.trains), self.own(self.energies), self.profile.analysis)
        found += merits_trains.drift(self.held)
        found += merits_trains.variation(self.sweeps, self.trains, self.table)
        return merits.beside(found, self.profile.paper)

    def figure(self, key: str) -> Figure:
        """One figure by its key. Raises KeyError."""
        for figure in self.figures:
            if figure.key == key:
                return figure
        raise KeyError(key)

    @property
    def headline(self) -> str:
        """What was characterised, in words."""
        form = ", shortened" if self.profile.short else ""
        others = len(self.devices) - 1
        more = f" and {others} other device{'s' * (others != 1)}" if others else ""
        return f"{self.devices[0]}{more} on bench {self.about.get('bench', '?')}, profile {self.profile.name}{form}"

    def __repr__(self) -> str:
        return f"<Characterisation of {self.headline}: {len(self.figures)} figures>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(f.label)}</th><td>{escape(f.shown)}</td>"
            f"<td>{escape(f.printed_shown)}</td><td>{escape(f.difference)}</td></tr>"
            for f in self.figures
        )
        head = "<tr><th></th><th>this device</th><th>paper</th><th>difference</th></tr>"
        return f"<table><caption>{escape(self.headline)}</caption>{head}{rows}</table>"

    def report(self, path: str | Path) -> Path:
        """Writes the report, one HTML file."""
        from rheostat.figures import characterisation

        return characterisation.write(path, self)

    def save(self, path: str | Path) -> Path:
        """Writes everything to one HDF5 file, or to NAME in a folder; it is whole or not there. Returns its path."""
        target = _file(Path(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        unfinished = Path(name)
        try:
            with os.fdopen(descriptor, "w+b") as file, export.h5py().File(file, "w") as archive:
                _write(self, archive)
            unfinished.chmod(0o644)
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
        return target

    @classmethod
    def load(cls, path: str | Path) -> Characterisation:
        """What `save` wrote, from the file or its folder. Raises InputError."""
        source = _file(Path(path))
        if not source.is_file():
            raise InputError(f"there is no characterisation at {source}")
        try:
            with export.h5py().File(source, "r") as archive:
                return _read(archive)
        except (KeyError, ValueError, OSError) as error:
            raise InputError(f"{source} is not a characterisation that rheostat saved ({error})") from error


def _file(path: Path) -> Path:
    return path / NAME if path.is_dir() or path.suffix not in (".h5", ".hdf5") else path


def _write(of: Characterisation, archive: Any) -> None:
    archive.attrs.update(
        {
            "readme": README,
            "format": FORMAT,
            "version": VERSION,
            "profile": of.profile.text,
            "profile_name": of.profile.name,
            "short": of.profile.short,
            "devices": list(of.devices),
            "window_ohm": of.window,
            "missing": list(of.missing),
            "about": json.dumps(export.plain(dict(of.about))),
        }
    )
    columns = archive.create_group("figures")
    for column in fields(Figure):
        values = [getattr(figure, column.name) for figure in of.figures]
        columns[column.name] = np.array(values, dtype=np.float64) if _is_number(column.name) else values
    if of.table is not None:
        group = archive.create_group("table")
        group.attrs["info"] = json.dumps(msgspec.to_builtins(of.table.info))
        for name, array in of.table.arrays().items():
            data = group.create_dataset(name, data=array)
            data.attrs["unit"] = "V" if name == "voltages" else "ohm"
            data.attrs["axes"] = ", ".join(axes("calibrate", name))
    steps = archive.create_group("steps", track_order=True)
    for step, jobs in of.results.items():
        for k, result in enumerate(jobs):
            export.into_group(result, steps.create_group(f"{step}/{k}"))


def _is_number(column: str) -> bool:
    return column in ("value", "uncertainty", "printed", "printed_uncertainty")


def _read(archive: Any) -> Characterisation:
    told = archive.attrs
    if told.get("format") != FORMAT or told.get("version") != VERSION:
        raise ValueError(
            f"format {told.get('format')!r} {told.get('version')}, this version reads {FORMAT!r} {VERSION}"
        )
    wanted = profile.parse(str(told["profile"]), str(told["profile_name"]))
    table = None
    if "table" in archive:
        info = msgspec.convert(json.loads(archive["table"].attrs["info"]), wire.TableInfo)
        arrays = {name: np.asarray(archive["table"][name]) for name in archive["table"]}
        table = wire.FeedforwardTable.from_arrays(info, arrays)
    steps = archive["steps"]
    lrs, hrs = (float(end) for end in told["window_ohm"])
    return Characterisation(
        profile=profile.shortened(wanted) if told["short"] else wanted,
        devices=tuple(str(name) for name in told["devices"]),
        window=(lrs, hrs),
        results={
            step: tuple(export.from_group(steps[step][k]) for k in sorted(steps[step], key=int)) for step in steps
        },
        table=table,
        missing=tuple(str(sentence) for sentence in told["missing"]),
        about=json.loads(told["about"]),
    )

"""Results as files: CSV to look at, NPZ and HDF5 to compute with. Units in every name, provenance in every file.

    rheostat.export.save(result, "run.h5")
    result = rheostat.export.load("run.h5")          # the same numbers, shapes and provenance

NPZ holds the arrays as `achieved_ohm`, `energy_j`, ..., `devices_named` (the names that `device` counts), and `about`:
a JSON text with job, provenance and the names of the outcomes.
HDF5 holds the same as data sets, each with the attributes `unit` and `axes` (what its dimensions count; outcomes also
`meanings` of their numbers), and `about` as an attribute of the file.
"""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np

from rheostat import results, wire
from rheostat.axes import OUTCOMES, axes
from rheostat.columns import SUFFIXES, UNITS, columns, named
from rheostat.errors import InputError, MissingExtra
from rheostat.results import Array, Result
from rheostat.trace import TRACE_FIELDS

__all__ = ["FORMATS", "columns", "format_of", "load", "plain", "save"]

FORMATS = ("csv", "npz", "hdf5")
VERSION = 1
_ENDINGS = {".csv": "csv", ".npz": "npz", ".h5": "hdf5", ".hdf5": "hdf5"}


def save(result: Result, path: str | Path, format: str | None = None) -> Path:  # noqa: A002
    """Writes a result; the format ("csv", "npz", "hdf5") follows from the ending unless given. The file is whole or
    not there: it is written beside its place and renamed. Raises InputError, MissingExtra, OSError."""
    target = Path(path)
    writers: dict[str, Callable[[Result, IO[bytes]], None]] = {"csv": _csv, "npz": _npz, "hdf5": _hdf5}
    writer = writers[format_of(target, format)]
    if not target.parent.is_dir():
        raise InputError(f"{target}: there is no folder {target.parent}")
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    unfinished = Path(name)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            writer(result, file)
        unfinished.chmod(0o644)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    return target


def load(path: str | Path) -> Result:
    """A result from NPZ or HDF5: the numbers, shapes and provenance that were saved. Weights come back as ohm."""
    source = Path(path)
    chosen = format_of(source, None)
    if chosen == "csv":
        raise InputError(f"{source}: CSV is for looking at; load NPZ or HDF5")
    about, arrays = _from_npz(source) if chosen == "npz" else _from_hdf5(source)
    return _built(about, arrays)


def into_group(result: Result, group: Any) -> None:
    """Writes a result into a group of an open HDF5 file, as `save` does into a file of its own."""
    group.attrs["about"] = _about(result)
    group["devices_named"] = list(result.devices)
    for name, (plain_name, array) in _contents(result).items():
        data = group.create_dataset(name, data=array)
        unit = UNITS.get(plain_name.rpartition("_")[2] if plain_name.startswith("trace_") else plain_name)
        data.attrs["unit"] = unit or "1"
        data.attrs["axes"] = ", ".join(axes(result.kind, plain_name))
        if plain_name == "outcome":
            data.attrs["meanings"] = ", ".join(OUTCOMES)


def from_group(group: Any) -> Result:
    """The result that `into_group` wrote. Raises KeyError, ValueError where there is none."""
    about = _checked(json.loads(group.attrs["about"]), Path(group.file.filename))
    return _built(about, {_wire_name(n): np.asarray(group[n]) for n in group if n != "devices_named"})


def _built(about: dict[str, Any], arrays: wire.Arrays) -> Result:
    job = msgspec.convert(about["job"], wire.Job)
    traced = about.get("traces", [])
    reply = wire.Result(job=job, devices=tuple(about["devices"]), provenance=about["provenance"])
    built = results.build(reply, arrays, traced=traced)
    if isinstance(built, results.ProgramResult):
        return _reshaped(built, tuple(about["shape"]), about["unit"])
    return built


def format_of(path: Path, given: str | None) -> str:
    """The format to use for a path. Raises InputError saying which there are."""
    if given is not None:
        if given not in FORMATS:
            raise InputError(f"unknown format {given!r}; possible: {', '.join(FORMATS)}")
        return given
    if path.suffix.lower() not in _ENDINGS:
        raise InputError(f"{path}: the ending tells the format: {', '.join(_ENDINGS)}")
    return _ENDINGS[path.suffix.lower()]


def plain(value: Any) -> Any:
    """A value as JSON can hold it: arrays as lists, nan and inf as null, structs as objects."""
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, msgspec.Struct):
        return plain(msgspec.to_builtins(value))
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, bytes):
        return value.hex()
    return value


def _about(result: Result) -> str:
    about: dict[str, Any] = {
        "format": VERSION,
        "job": msgspec.to_builtins(result.job),
        "devices": list(result.devices),
        "traces": list(result.traces),
        "outcomes": {str(int(outcome)): outcome.name.lower() for outcome in wire.Outcome},
        "provenance": result.provenance,
    }
    if isinstance(result, results.ProgramResult):
        about |= {"shape": list(result.shape), "unit": result.unit}
    return json.dumps(about, default=plain)


def _contents(result: Result) -> dict[str, tuple[str, Array]]:
    """Name in the file -> (name on the wire, array); arrays of one element per target in the targets' shape."""
    contents: dict[str, tuple[str, Array]] = {}
    for name, array in result.arrays.items():
        if isinstance(result, results.ProgramResult) and array.ndim == 1:
            array = array.reshape(result.shape)
        contents[named(name)] = name, array
    for k, trace in enumerate(result.traces.values()):
        for field in TRACE_FIELDS:
            contents[f"trace_{k}_{named(field)}"] = f"trace_{k}_{field}", getattr(trace, field)
    return contents


def _csv(result: Result, file: IO[bytes]) -> None:
    table = columns(result)
    text = io.StringIO(newline="")
    text.write(f"# rheostat {result.kind} job {result.job.job_id}\n# {_about(result)}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table)
    writer.writerows(zip(*(column.tolist() for column in table.values()), strict=True))  # repr: every digit is kept
    file.write(text.getvalue().encode())


def _npz(result: Result, file: IO[bytes]) -> None:
    arrays: dict[str, Any] = {name: array for name, (_, array) in _contents(result).items()}
    np.savez_compressed(file, about=np.array(_about(result)), devices_named=np.array(result.devices), **arrays)


def _from_npz(path: Path) -> tuple[dict[str, Any], wire.Arrays]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            about = _checked(json.loads(str(archive["about"])), path)
            return about, {_wire_name(n): archive[n] for n in archive.files if n not in ("about", "devices_named")}
    except (KeyError, ValueError) as error:
        raise InputError(f"{path} is not a result that rheostat saved ({error})") from error


def _hdf5(result: Result, file: IO[bytes]) -> None:
    with h5py().File(file, "w") as archive:
        into_group(result, archive)


def _from_hdf5(path: Path) -> tuple[dict[str, Any], wire.Arrays]:
    if not path.exists():
        raise FileNotFoundError(f"no file {path}")
    try:
        with h5py().File(path, "r") as archive:
            about = _checked(json.loads(archive.attrs["about"]), path)
            return about, {_wire_name(n): np.asarray(archive[n]) for n in archive if n != "devices_named"}
    except (KeyError, ValueError, OSError) as error:
        raise InputError(f"{path} is not a result that rheostat saved ({error})") from error


def _checked(about: dict[str, Any], path: Path) -> dict[str, Any]:
    if about.get("format") != VERSION:
        raise InputError(f"{path}: format {about.get('format')}, this version reads {VERSION}")
    return about


def _wire_name(file_name: str) -> str:
    for suffix in SUFFIXES.values():
        stem = file_name.removesuffix(suffix)
        if stem != file_name and named(_field(stem)) == _field(file_name):
            return stem
    return file_name


def _field(name: str) -> str:
    """ "trace_0_voltage" -> "voltage"; others as they are."""
    return name.split("_", 2)[2] if name.startswith("trace_") else name


def _reshaped(built: results.ProgramResult, shape: tuple[int, ...], unit: str) -> results.ProgramResult:
    flat = {name: array.reshape(-1) for name, array in built.arrays.items()}
    return results.ProgramResult(built.job, built.devices, built.provenance, flat, built.traces, shape, unit)


def h5py() -> Any:
    """The module, or MissingExtra."""
    try:
        import h5py as module
    except ImportError as error:
        raise MissingExtra("HDF5 needs h5py: pip install 'rheostat[client]'") from error
    return module

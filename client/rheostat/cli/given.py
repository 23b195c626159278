"""What the command line names: lists of devices, settings of a scheme, targets from arguments and files."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rheostat.errors import InputError

_COLUMN = "target"
_SECONDS = {"min": 60.0, "h": 3600.0, "d": 86400.0, "s": 1.0}


@dataclass(frozen=True)
class Given:
    """targets: array of any shape; devices: names of their shape when the file tells them; unit: when it does."""

    targets: Any
    devices: list[str] | None = None
    unit: str | None = None


def names(words: str | Iterable[str] | None) -> list[str] | None:
    """ "A1,A2" or ["A1", "A2,A3"] -> names; nothing, or "all", -> None."""
    if words is None:
        return None
    parts = [words] if isinstance(words, str) else list(words)
    split = [name.strip() for part in parts for name in part.split(",") if name.strip()]
    return None if not split or split == ["all"] else split


def numbers(text: str, what: str) -> list[float]:
    """ "0.5,1" -> [0.5, 1.0]. Raises InputError."""
    try:
        return [float(word) for word in text.split(",") if word.strip()]
    except ValueError as error:
        wrong = next(word for word in text.split(",") if word.strip() and not _is_number(word))
        raise InputError(f"{what}: {wrong.strip()!r} is no number") from error


def times(text: str) -> list[float]:
    """ "10,1min,1.5h,7d" -> s. Raises InputError."""
    found = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        unit = next((unit for unit in _SECONDS if word.endswith(unit)), "")
        number = word.removesuffix(unit).strip()
        if not _is_number(number):
            raise InputError(f"--times: {word!r} is no time: write a number, perhaps with {', '.join(_SECONDS)}")
        found.append(float(number) * _SECONDS.get(unit, 1.0))
    return found


def parameters(pairs: Sequence[str]) -> dict[str, float]:
    """["gain=0.5"] -> {"gain": 0.5}. Raises InputError."""
    found = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        try:
            found[key.strip()] = float(value)
        except ValueError:
            sign = ""
        if not sign or not key.strip():
            raise InputError(f"--param {pair}: write KEY=NUMBER")
    return found


def targets(words: Sequence[str], file: str | None, key: str | None) -> Given:
    """Targets from arguments or from a file, not both. Raises InputError."""
    if bool(words) == bool(file):
        raise InputError("name targets, or a --file with them" + (", not both" if words else ""))
    if not file:
        return Given(np.array([number for word in words for number in numbers(word, "targets")]))
    path = Path(file)
    readers = {".csv": _csv, ".npy": _npy, ".npz": _npz}
    if path.suffix.lower() not in readers:
        raise InputError(f"{path}: targets are read from {', '.join(readers)}")
    try:
        return readers[path.suffix.lower()](path, key)
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: {error}") from error


def _npy(path: Path, key: str | None) -> Given:
    try:
        return Given(np.load(path, allow_pickle=False))
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def _npz(path: Path, key: str | None) -> Given:
    try:
        archive = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    with archive:
        known = ("targets", "targets_ohm", "target", "target_ohm")
        chosen = key or next((name for name in known if name in archive.files), None)
        if chosen is None and len(archive.files) == 1:
            chosen = archive.files[0]
        if chosen is None or chosen not in archive.files:
            raise InputError(f"{path}: name one of its arrays with --key: {', '.join(archive.files)}")
        return Given(archive[chosen], unit="ohm" if chosen.endswith("_ohm") else None)


def _csv(path: Path, key: str | None) -> Given:
    """A plain matrix of numbers, or a table with a header: a column `target` or `target_UNIT`, perhaps `device`."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.reader(line for line in file if not line.startswith("#")) if row]
    if not rows:
        raise InputError(f"{path}: no numbers in it")
    header = [name.strip() for name in rows[0]]
    if all(_is_number(word) for word in header):
        matrix = _matrix(path, rows)
        return Given(matrix[:, 0] if matrix.shape[1] == 1 else matrix)
    chosen = key or next((name for name in header if name == _COLUMN or name.startswith(f"{_COLUMN}_")), None)
    if chosen not in header:
        raise InputError(f"{path}: no column {chosen or _COLUMN!r}; name one with --key: {', '.join(header)}")
    column = _matrix(path, [row[header.index(chosen) :][:1] for row in rows[1:]], first=2)[:, 0]
    unit = chosen.removeprefix(f"{_COLUMN}_") if chosen.startswith(f"{_COLUMN}_") else None
    devices = [row[header.index("device")].strip() for row in rows[1:]] if "device" in header else None
    return Given(column, devices, unit)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _matrix(path: Path, rows: Sequence[Sequence[str]], first: int = 1) -> Any:
    for line, row in enumerate(rows, first):
        if len(row) != len(rows[0]) or not row:
            raise InputError(f"{path}: row {line} has {len(row)} numbers, the first has {len(rows[0])}")
        for word in row:
            if not _is_number(word):
                raise InputError(f"{path}: row {line}: {word.strip()!r} is no number")
    return np.array(rows, dtype=np.float64).reshape(len(rows), -1)

"""Reads one TOML table at a time and turns every mistake into a BenchError that names file, table and key."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from rheostat_hal.errors import BenchError


def read(path: str | Path) -> Table:
    """The root table of a file. Raises BenchError, which names it."""
    try:
        text = Path(path).expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(f"{path}: cannot be read: {error}") from error
    return parse(str(path), text)


def parse(file: str, text: str) -> Table:
    """Raises BenchError."""
    try:
        return Table(file, "", tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BenchError(f"{file}: is not TOML: {error}") from error


class Table:
    """A table of the bench file. Take what is known, then `finish()`: whatever is left is an unknown key."""

    def __init__(self, file: str, name: str, content: Mapping[str, Any]) -> None:
        self.file = file
        self.name = name
        self._left = dict(content)
        self._known: list[str] = []

    def fail(self, key: str, problem: str) -> NoReturn:
        where = f"[{self.name}] " if self.name else ""
        raise BenchError(f"{self.file}: {where}{key}: {problem}")

    def __contains__(self, key: str) -> bool:
        return key in self._left

    @property
    def left(self) -> tuple[str, ...]:
        """The keys not taken yet."""
        return tuple(self._left)

    def _take(self, key: str, default: Any) -> Any:
        self._known.append(key)
        if key not in self._left:
            if default is None:
                self.fail(key, "is missing" + hint(key, self._left, "; is it meant by"))
            return default
        return self._left.pop(key)

    def text(self, key: str, default: str | None = None) -> str:
        value = self._take(key, default)
        if not isinstance(value, str):
            self.fail(key, f"must be text in quotes, not {value!r}")
        return value

    def choice(self, key: str, possible: Iterable[str], default: str | None = None) -> str:
        value = self.text(key, default)
        known = list(possible)
        if value not in known:
            self.fail(key, f"{value!r} is not one of {', '.join(map(repr, known))}{hint(value, known)}")
        return value

    def number(self, key: str, default: float | None = None, *, at_most: float = math.inf, zero: bool = False) -> float:
        """A positive, finite number; or 0, where that means something."""
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fail(key, f"must be a number, not {value!r}")
        if not (math.isfinite(value) and (value > 0 or (zero and value == 0))):
            self.fail(key, f"must be a positive number, not {value!r}")
        if value > at_most:
            self.fail(key, f"must be at most {at_most:g}, not {value!r}")
        return float(value)

    def integer(self, key: str, lowest: int, highest: int, default: int | None = None) -> int:
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            self.fail(key, f"must be a whole number from {lowest} to {highest}, not {value!r}")
        return value

    def flag(self, key: str, default: bool | None = None) -> bool:
        value = self._take(key, default)
        if not isinstance(value, bool):
            self.fail(key, f"must be true or false, not {value!r}")
        return value

    def table(self, key: str) -> Table:
        return Table(self.file, f"{self.name}.{key}" if self.name else key, self.mapping(key))

    def mapping(self, key: str) -> dict[str, Any]:
        value = self._take(key, None)
        if not isinstance(value, dict):
            self.fail(key, f"must be a table, not {value!r}")
        return value

    def tables(self, key: str, label: str) -> list[Table]:
        """An array of tables; each is named by its own `label` entry where it has one."""
        value = self._take(key, None)
        if not isinstance(value, list) or not value or not all(isinstance(entry, dict) for entry in value):
            self.fail(key, f"must be one or more [[{key}]] tables")
        return [Table(self.file, f"{key} {e.get(label, f'number {i}')}", e) for i, e in enumerate(value, 1)]

    def ignore(self, *keys: str) -> None:
        for key in keys:
            self._known.append(key)
            self._left.pop(key, None)

    def finish(self) -> None:
        for key in self._left:
            self.fail(key, "is not a known key" + (hint(key, self._known) or f" (known: {', '.join(self._known)})"))


def hint(word: str, known: Iterable[str], question: str = "; did you mean") -> str:
    near = difflib.get_close_matches(word, list(known), 1, 0.6)
    return f"{question} {near[0]!r}?" if near else ""

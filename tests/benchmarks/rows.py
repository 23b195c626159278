"""Rows of the benchmark table: each a number, the reference measured beside it, and the goal."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Goal:
    """At most (or at least) `bound`, of the value or of its ratio to the reference."""

    bound: float
    of: str = "ratio"  # or "value"
    at_least: bool = False

    def __str__(self) -> str:
        return f"{self.of} {'>=' if self.at_least else '<='} {self.bound:g}"

    def met(self, row: Row) -> bool:
        number = row.value if self.of == "value" else row.ratio
        return number >= self.bound if self.at_least else number <= self.bound


@dataclass(frozen=True)
class Row:
    """`value` and `reference_value` in `unit`; `reference` says what the second was measured on."""

    name: str
    value: float
    unit: str
    reference: str
    reference_value: float
    goal: Goal | None = None

    @property
    def ratio(self) -> float:
        return self.value / self.reference_value

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "reference": self.reference,
            "reference_value": self.reference_value,
            "ratio": self.ratio,
            "goal": str(self.goal) if self.goal else None,
            "met": self.goal.met(self) if self.goal else None,
        }


def interleaved(rounds: int, measures: Sequence[Callable[[], float]]) -> list[list[float]]:
    """Run every measure once a round, the order turning from round to round: noise of the machine meets all alike."""
    samples: list[list[float]] = [[] for _ in measures]
    for number in range(rounds):
        for step in range(len(measures)):
            which = (number + step) % len(measures)
            samples[which].append(measures[which]())
    return samples


def medians(samples: Sequence[Sequence[float]]) -> list[float]:
    return [statistics.median(column) for column in samples]


def show(rows: Sequence[Row]) -> None:
    table = Table(title="rheostat benchmarks: medians, each beside its reference in the same run")
    table.add_column("what")
    for head in ("value", "reference", "ratio"):
        table.add_column(head, justify="right")
    for head in ("reference is", "goal", ""):
        table.add_column(head)
    for row in rows:
        table.add_row(
            row.name,
            f"{row.value:.4g} {row.unit}",
            f"{row.reference_value:.4g} {row.unit}",
            f"{row.ratio:.3g}",
            row.reference,
            str(row.goal or ""),
            "" if row.goal is None else "met" if row.goal.met(row) else "missed",
        )
    console = Console()
    if not console.is_terminal:
        console = Console(width=180)
    console.print(table)


def save(rows: Sequence[Row], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([row.as_json() for row in rows], indent=1) + "\n")

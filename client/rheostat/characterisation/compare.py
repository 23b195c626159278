"""Two characterisations side by side: two devices, or one at two dates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from rheostat.characterisation import quantities
from rheostat.characterisation.merits import Figure
from rheostat.characterisation.record import Characterisation

MARK_AT = 2.0  # standard errors of the difference


@dataclass(frozen=True)
class Row:
    """One figure of both; None where one has it not."""

    first: Figure | None
    second: Figure | None

    @property
    def figure(self) -> Figure:
        """The one that there is."""
        chosen = self.first or self.second
        assert chosen is not None
        return chosen

    @property
    def difference(self) -> float:
        """Second less first, in their unit; nan where one has it not."""
        if self.first is None or self.second is None or self.first.unit != self.second.unit:
            return math.nan
        return self.second.value - self.first.value

    @property
    def uncertainty(self) -> float:
        """Its standard error; nan where one of the two is not known."""
        if self.first is None or self.second is None:
            return math.nan
        return math.hypot(self.first.uncertainty, self.second.uncertainty)

    @property
    def marked(self) -> bool:
        """Whether the difference exceeds MARK_AT of its standard errors."""
        return self.uncertainty > 0.0 and abs(self.difference) > MARK_AT * self.uncertainty

    @property
    def difference_shown(self) -> str:
        """For people; empty where there is none."""
        if not math.isfinite(self.difference):
            return ""
        return quantities.shown(self.difference, self.uncertainty, self.figure.unit)

    def cells(self) -> tuple[str, str, str, str]:
        """(first, second, difference, mark) as text."""
        first, second = (figure.shown if figure is not None else "" for figure in (self.first, self.second))
        return first, second, self.difference_shown, f"> {MARK_AT:g} σ" if self.marked else ""


@dataclass(frozen=True)
class Comparison:
    """Every figure of both, in the first one's order, and what must be known to read it."""

    first: Characterisation
    second: Characterisation
    names: tuple[str, str]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    def report(self, path: str | Path) -> Path:
        """Writes it as one HTML file with the curves of both."""
        from rheostat.figures import comparison

        return comparison.write(path, self)


def load(first: str | Path, second: str | Path) -> Comparison:
    """Compares what two folders or files hold. Raises InputError."""
    return compare(Characterisation.load(first), Characterisation.load(second))


def compare(first: Characterisation, second: Characterisation) -> Comparison:
    """Puts two side by side. What only one of them has stands at the end."""
    figures = [{figure.key: figure for figure in of.figures if not math.isnan(figure.value)} for of in (first, second)]
    keys = dict.fromkeys([*figures[0], *figures[1]])
    return Comparison(
        first,
        second,
        _names(first, second),
        tuple(Row(figures[0].get(key), figures[1].get(key)) for key in keys),
        _notes(first, second),
    )


def _names(first: Characterisation, second: Characterisation) -> tuple[str, str]:
    """What tells the two apart: devices, dates, or only the order."""
    devices = first.devices[0], second.devices[0]
    dates = str(first.about.get("ended", "")), str(second.about.get("ended", ""))
    if devices[0] != devices[1]:
        return devices
    if dates[0] != dates[1]:
        return f"{devices[0]}, {dates[0]}", f"{devices[1]}, {dates[1]}"
    return f"{devices[0]} (first)", f"{devices[1]} (second)"


def _notes(first: Characterisation, second: Characterisation) -> tuple[str, ...]:
    told = []
    if first.profile.name != second.profile.name:
        told.append(f"The profiles differ: {first.profile.name} and {second.profile.name}.")
    elif first.profile.text != second.profile.text:
        told.append(f"Both profiles are called {first.profile.name}, but what they ask for differs.")
    if first.profile.short != second.profile.short:
        short = first if first.profile.short else second
        told.append(f"That of {short.devices[0]} is shortened: its figures are rough.")
    virtual = [of.devices[0] for of in (first, second) if of.about.get("virtual")]
    if virtual:
        told.append(f"Simulated, on a virtual bench: {' and '.join(dict.fromkeys(virtual))}.")
    if first.devices[0] != second.devices[0]:
        told.append(f"The devices differ: {first.devices[0]} and {second.devices[0]}.")
    benches = first.about.get("bench"), second.about.get("bench")
    if benches[0] != benches[1]:
        told.append(f"The benches differ: {benches[0]} and {benches[1]}.")
    if first.window != second.window:
        windows = [f"{lrs:g} to {hrs:g} Ω" for lrs, hrs in (first.window, second.window)]
        told.append(f"The windows differ: {windows[0]} and {windows[1]}.")
    return tuple(told)

"""Two characterisations side by side as one HTML file: the table of all figures, and the curves of both overlaid."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

import rheostat
from rheostat.characterisation.data import DIRECTIONS
from rheostat.characterisation.merits import correlation_of
from rheostat.figures import page, plots
from rheostat.figures.plots import BLUE, INK, ORANGE, STYLE

if TYPE_CHECKING:
    from rheostat.characterisation.compare import Comparison

_LOOKS: tuple[dict[str, Any], ...] = (
    {"color": BLUE, "linestyle": "-", "marker": "o"},
    {"color": ORANGE, "linestyle": "--", "marker": "s", "markerfacecolor": "none"},
)


def write(path: str | os.PathLike[str], of: Comparison) -> Path:
    """Writes the comparison and returns its path; a file there is replaced only by a complete one."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".part")
    partial.write_text(document(of), encoding="utf-8")
    return partial.replace(target)


def document(of: Comparison) -> str:
    """The comparison as text."""
    marked = [k for k, row in enumerate(of.rows) if row.marked]
    compared = sum(bool(row.difference_shown) for row in of.rows)
    words = (
        f"{compared} figures of merit that both have; {len(marked)} differ by more than two standard errors of the"
        " difference (bold), as one in twenty does by chance. Where no standard error is known, nothing is marked."
    )
    rows = [(row.figure.section, row.figure.words, *row.cells()) for row in of.rows]
    table = page.columns_table(("", *of.names, "difference", ""), rows, numbers=(1, 2, 3, 4), marked=marked)
    parts = [page.paragraph(words), *(page.note(note) for note in of.notes), page.heading("Figures of merit"), table]
    parts += [page.heading("Curves")]
    parts += [page.figure(plots.svg(drawn), name, caption) for drawn, name, caption in _drawn(of)]
    told = [(f"{name}", who.headline) for name, who in zip(of.names, (of.first, of.second), strict=True)]
    parts += [page.heading("What is compared"), page.grouped_text(dict(told))]
    return page.page(f"{of.names[0]} and {of.names[1]}", "compared", parts, f"rheostat {rheostat.__version__}")


def _drawn(of: Comparison) -> Iterator[tuple[Figure, str, str]]:
    if any(sweep.whole for sweep in of.first.sweeps) and any(sweep.whole for sweep in of.second.sweeps):
        yield _sweeps(of), "Feedforward sweeps", "Mean over the sweeps of each device, and their span shaded."
    if of.first.identical is not None and of.second.identical is not None:
        yield _repeatability(of), "Repeatability", "Mean Pearson correlation of each voltage against its range."
    if of.first.trains and of.second.trains:
        yield _trains(of), "Cycles of the pulse train", "Mean conductance after each pulse; bars are one σ of a state."
    if of.first.held and of.second.held:
        yield (
            _retention(of),
            "Retention",
            "Drift of the first device of each since its first reading, with standard errors of the readings.",
        )


def _sweeps(of: Comparison) -> Figure:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 3.6))
        both = figure.subplots(1, 2, sharey=True)
        for axes, direction in zip(both, DIRECTIONS, strict=True):
            for who, name, look in zip((of.first, of.second), of.names, _LOOKS, strict=True):
                rows = [s.readings for s in who.own(who.sweeps) if s.direction == direction and s.whole]
                if not rows:
                    continue
                share = np.linspace(0.0, 1.0, 200)
                pulses = np.stack([np.interp(share, np.linspace(0.0, 1.0, len(row)), row) for row in rows])
                events = share * np.mean([len(row) - 1 for row in rows])
                axes.fill_between(
                    events, pulses.min(axis=0), pulses.max(axis=0), color=look["color"], alpha=0.15, linewidth=0
                )
                axes.plot(events, pulses.mean(axis=0), markevery=25, markersize=4, label=name, **look)
            axes.set_title(DIRECTIONS[direction])
            axes.set_xlabel("write pulse (each sweep scaled to the mean count)")
        both[0].set_ylabel("resistance (Ω)")
        both[0].legend(loc="upper right")
    return figure


def _repeatability(of: Comparison) -> Figure:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 3.4))
        both = figure.subplots(1, 2, sharey=True)
        for k, (axes, direction) in enumerate(zip(both, DIRECTIONS.values(), strict=True)):
            for who, name, look in zip((of.first, of.second), of.names, _LOOKS, strict=True):
                if who.identical is not None:
                    ranges, correlations = correlation_of(who.identical, k)
                    axes.plot(ranges, correlations, markersize=5, label=name, **{**look, "linestyle": "none"})
            axes.set_xscale("log")
            axes.set_title(direction)
            axes.set_xlabel("dynamic range Rmax − Rmin (Ω)")
        both[0].set_ylabel("mean Pearson correlation")
        both[0].legend(loc="lower right")
    return figure


def _trains(of: Comparison) -> Figure:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 3.8))
        axes = figure.subplots()
        for who, name, look in zip((of.first, of.second), of.names, _LOOKS, strict=True):
            for train in who.own(who.trains)[:1]:
                measured = 1e6 * train.conductance
                pulse = np.arange(1, measured.shape[1] + 1)
                spread = np.nanstd(measured, axis=0)
                axes.errorbar(
                    pulse,
                    np.nanmean(measured, axis=0),
                    spread,
                    markersize=3.5,
                    linewidth=0.8,
                    capsize=2,
                    label=name,
                    **look,
                )
        axes.set_xlabel("write pulse of a cycle")
        axes.set_ylabel("conductance (µS)")
        axes.legend(loc="upper left")
    return figure


def _retention(of: Comparison) -> Figure:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 3.2))
        axes = figure.subplots()
        for who, name, look in zip((of.first, of.second), of.names, _LOOKS, strict=True):
            for device in who.own(who.held)[:1]:
                if len(device.elapsed) > 1:
                    change = 100.0 * (device.resistance[1:] / device.resistance[0] - 1.0)
                    error = 100.0 * np.hypot(device.error[1:], device.error[0]) / device.resistance[0]
                    axes.errorbar(
                        device.elapsed[1:], change, error, markersize=4, linewidth=0.8, capsize=2, label=name, **look
                    )
        axes.axhline(0.0, color=INK, linewidth=0.7)
        axes.set_xscale("log")
        axes.set_xlabel("time since the first reading (s)")
        axes.set_ylabel("change of resistance (%)")
        axes.legend(loc="best")
    return figure

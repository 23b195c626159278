"""What feedforward sweeps show: the staircase with its Vw, its levels, how sure they are, and the error of programming.

The figures of Z. Diao et al., Nanoscale Horiz. 10, 780 (2025), Fig. 3b-d, 4 and 5a-c, drawn from a device's own data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rheostat.analysis import levels
from rheostat.characterisation.data import DIRECTIONS, Sweep
from rheostat.figures.plots import BLUE, COLOURS, GREY, INK, MARKERS, ORANGE, STYLE

Array = npt.NDArray[Any]
Window = tuple[float, float]
SHOWN = 4  # cycles of the staircase that are drawn
PICKED = 9  # levels whose CPD is drawn, as in the paper


def staircase(sweeps: Sequence[Sweep], window: Window) -> Figure:
    """Above: resistance over the write pulses of the first cycles. Below: Vw of the first sweep in either direction."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 5.4))
        grid = figure.add_gridspec(2, 2, height_ratios=[1, 1.15])
        above = figure.add_subplot(grid[0, :])
        begin = 0
        for sweep in sweeps[: 2 * SHOWN]:
            look: dict[str, Any] = (
                {"color": BLUE, "linestyle": "-"} if sweep.direction > 0 else {"color": ORANGE, "linestyle": "--"}
            )
            name = DIRECTIONS[sweep.direction] if begin == 0 or sweep is sweeps[1] else None
            above.plot(begin + np.arange(sweep.pulses + 1), sweep.readings, label=name, **look)
            begin += sweep.pulses
        above.set_xlabel("write pulse")
        above.set_ylabel("resistance (Ω)")
        above.set_ylim(window[0] - 8, window[1] + 30)
        above.legend(loc="upper left", ncols=2)
        for k, direction in enumerate(DIRECTIONS):
            first = next((sweep for sweep in sweeps if sweep.direction == direction and sweep.pulses), None)
            axes = figure.add_subplot(grid[1, k])
            if first is not None:
                _with_voltage(axes, first)
            axes.set_title(f"first {DIRECTIONS[direction]}, {0 if first is None else first.pulses} pulses")
    return figure


def _with_voltage(axes: Axes, sweep: Sweep) -> None:
    pulses = np.arange(1, sweep.pulses + 1)
    axes.plot(pulses, sweep.resistance, color=INK, linewidth=1.1)
    axes.set_xlabel("write pulse")
    axes.set_ylabel("resistance (Ω), solid")
    right = axes.twinx()
    right.spines.right.set_visible(True)
    right.plot(pulses, np.abs(sweep.voltage), color=BLUE, linestyle=(0, (1, 1)), linewidth=1.1)
    right.set_ylabel("|Vw| (V), dotted", color=BLUE)
    right.set_ylim(0.0, 1.15 * float(np.abs(sweep.voltage).max()))
    right.grid(visible=False)


def segments(sweep: Sweep, window: Window, n: int) -> Figure:
    """One sweep cut into n levels (Fig. 3d). Left: the reading r_a of each level, two of them with a star. Right: the
    write pulses that lead to those two from the level before."""
    cut = levels.segmented(sweep.readings, n, window, sweep.direction)
    stars = sorted({max(1, n // 4), max(1, (3 * n) // 4)})
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 3.8))
        grid = figure.add_gridspec(len(stars), 2, width_ratios=[3, 2])
        left = figure.add_subplot(grid[:, 0])
        number = np.arange(1, n + 1)
        left.plot(number, cut.targets, color=GREY, linewidth=0.8, label="targets r_i")
        left.plot(number, cut.actual, "o", color=BLUE, markersize=3.5, markerfacecolor="none", label="readings r_a")
        at = [star + 1 for star in stars]
        left.plot(at, cut.actual[stars], "*", color=INK, markersize=11, label="levels at the right")
        left.set_xlabel("level along travel")
        left.set_ylabel("resistance (Ω)")
        left.set_title(f"{DIRECTIONS[sweep.direction]}, n = {n}")
        left.legend(loc="upper right" if sweep.direction > 0 else "lower right")
        for row, star in enumerate(stars):
            axes = figure.add_subplot(grid[row, 1])
            group = np.array(cut.groups[star - 1], dtype=np.int64)
            axes.vlines(group + 1, 0.0, sweep.voltage[group], color=INK, linewidth=1.2)
            axes.plot(group + 1, sweep.voltage[group], "o", color=INK, markersize=2.4)
            axes.axhline(0.0, color=INK, linewidth=0.7)
            axes.set_title(f"from level {star} to {star + 1}: {len(group)} pulses")
            axes.set_ylabel("Vw (V)")
            axes.margins(y=0.15)
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            if row == len(stars) - 1:
                axes.set_xlabel("write pulse of the sweep")
    return figure


def segmentation(sweeps: Sequence[Sweep], window: Window, counts: Sequence[int]) -> Figure:
    """Levels of all whole sweeps by their nearest readings: mean over the processes, for each number of levels, both
    directions; below, for the most levels, how far readings lie from their targets (mean; all processes shaded)."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 5.2))
        panels = figure.subplots(2, 2, sharex="col", gridspec_kw={"height_ratios": [3, 2]})
        for column, direction in enumerate(DIRECTIONS):
            readings = whole(sweeps, direction)
            above, below = panels[:, column]
            for k, n in enumerate(counts if readings else ()):
                targets = levels.targets(n, window, direction)
                actual = levels.samples(readings, n, window, direction, "argmin")
                share = np.arange(n) / (n - 1)
                offset = 12.0 * (len(counts) - 1 - k)
                above.plot(
                    share,
                    actual.mean(axis=0) + offset,
                    color=COLOURS[k % 4],
                    marker=MARKERS[k % len(MARKERS)],
                    markersize=3,
                    markevery=max(1, n // 16),
                    linewidth=1.0,
                    label=_lifted(n, offset),
                )
                if n == max(counts):
                    off = actual - targets
                    below.fill_between(
                        share, off.min(axis=0), off.max(axis=0), color=COLOURS[k % 4], alpha=0.22, linewidth=0
                    )
                    below.plot(share, off.mean(axis=0), color=COLOURS[k % 4], linewidth=0.9)
            above.set_title(f"{DIRECTIONS[direction]}, {len(readings)} processes")
            above.set_ylabel("resistance (Ω)")
            below.set_ylabel("reading − target (Ω)")
            below.set_xlabel("level along travel (share of all)")
            if readings:
                above.legend(loc="upper right" if direction > 0 else "lower right")
    return figure


def _lifted(n: int, offset: float) -> str:
    return f"n = {n}" + (f", drawn {offset:g} Ω higher" if offset else "")


def probabilities(sweeps: Sequence[Sweep], window: Window, counts: Sequence[int], at: float) -> Figure:
    """Cumulative probability of the normalised resistance level (first passage) of levels spread over the window, for
    the fewest and the most levels, both directions; right of 1 a process has skipped the level."""
    chosen = (min(counts), max(counts))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 5.4))
        panels = figure.subplots(2, 2, sharey=True)
        for row, direction in enumerate(DIRECTIONS):
            readings = whole(sweeps, direction)
            for column, n in enumerate(chosen):
                axes = panels[row, column]
                axes.axvline(1.0, color=INK, linewidth=0.9, linestyle=(0, (5, 3)))
                axes.axhline(at, color=GREY, linewidth=0.8, linestyle=":")
                title = f"{DIRECTIONS[direction]}, n = {n}"
                if readings:
                    passed = levels.samples(readings, n, window, direction, "first passage")
                    x = levels.normalised(passed, levels.targets(n, window, direction), direction)
                    shown = np.unique(np.linspace(0, n - 2, PICKED).round().astype(int))
                    shades = mpl.colormaps["cividis"](np.linspace(0.0, 0.85, len(shown)))
                    for k, j in enumerate(shown):
                        reached, share = levels.cpd(x[:, j])
                        axes.plot(
                            reached,
                            share,
                            color=shades[k],
                            marker=MARKERS[k % len(MARKERS)],
                            markersize=3,
                            markevery=max(1, len(reached) // 5),
                            linewidth=0.8,
                            label=f"{j + 1}",
                        )
                    title += f": {int(levels.skipped(x, at).sum())} skipped"
                    place = "lower right" if axes.get_xlim()[1] > 1.3 else "lower center"  # beside the dashed line
                    axes.legend(title="level", loc=place, ncols=2, fontsize=6.5, title_fontsize=7)
                axes.set_title(title)
                axes.set_xlim(-0.05, max(1.25, 1.2 * axes.get_xlim()[1]))
                if row == 1:
                    axes.set_xlabel("normalised resistance level")
            panels[row, 0].set_ylabel("cumulative probability")
    return figure


def program_error(sampled: Sequence[tuple[int, Array, Array]], direction: int) -> Figure:
    """The error of programming as it is sampled, for each number of levels (Fig. 5a-c).

    sampled: (n, ideal, actual), both (m,) on 0..1 of the window along travel. Left: the whole window, each n drawn
    higher than the one before; right: magnified where travel begins, and in the middle.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 5.0))
        grid = figure.add_gridspec(2, 2, width_ratios=[5, 4])
        entire = figure.add_subplot(grid[:, 0])
        near = [figure.add_subplot(grid[k, 1]) for k in range(2)]
        spans = ((0.0, 0.04), (0.48, 0.52))
        for k, (n, ideal, actual) in enumerate(sampled):
            look: dict[str, Any] = {"linestyle": "none", "marker": MARKERS[k % len(MARKERS)], "color": COLOURS[k % 4]}
            look |= {"markerfacecolor": "none", "markeredgewidth": 0.7} if k % 2 else {"markeredgewidth": 0.0}
            lift = 0.12 * (len(sampled) - 1 - k)
            entire.plot(
                ideal,
                actual + lift,
                markersize=1.2,
                alpha=0.35,
                rasterized=True,
                label=f"n = {n}" + (f", drawn {lift:g} higher" if lift else ""),
                **look,
            )
            for axes, (low, high) in zip(near, spans, strict=True):
                inside = (ideal >= low) & (ideal <= high)
                axes.plot(ideal[inside], (actual - ideal)[inside], markersize=3.4, alpha=0.7, rasterized=True, **look)
        for k in range(len(sampled)):
            lift = 0.12 * k
            entire.plot([0, 1], [lift, 1 + lift], color=INK, linewidth=0.7, linestyle="--")
        for axes, (low, high), where in zip(near, spans, ("where travel begins", "in the middle"), strict=True):
            axes.axhline(0.0, color=INK, linewidth=0.7, linestyle="--")
            axes.set_xlim(low, high)
            axes.set_title(where)
            axes.set_ylabel("actual − ideal (share)")
            axes.xaxis.set_major_locator(MaxNLocator(5))
        near[1].set_xlabel("ideal (share of the window, along travel)")
        entire.set_xlabel("ideal (share of the window, along travel)")
        entire.set_ylabel("actual (share of the window)")
        entire.set_title(DIRECTIONS[direction])
        entire.legend(loc="lower right", markerscale=4)
    return figure


def whole(sweeps: Sequence[Sweep], direction: int) -> list[Array]:
    """All readings of the whole sweeps of a direction."""
    return [sweep.readings for sweep in sweeps if sweep.direction == direction and sweep.whole]

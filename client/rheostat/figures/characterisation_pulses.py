"""What identical pulses show: I-V loops, saturation, repeatability, and the step of one pulse with its uncertainty.

The figures of Z. Diao et al., Nanoscale Horiz. 10, 780 (2025), Fig. 1d, e and 2, drawn from a device's own data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter
from scipy.optimize import isotonic_regression

from rheostat.characterisation.data import DIRECTIONS, Identical, Loops
from rheostat.characterisation.merits import correlation_of
from rheostat.figures.plots import BLUE, GREY, INK, MARKERS, ORANGE, STYLE
from rheostat.wire import FeedforwardTable

Array = npt.NDArray[Any]
LEAST = 5e-3  # ohm: smaller steps are not drawn
SHOWN = 7  # curves with a label of their own in one panel
LINES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (3, 1)), (0, (1, 3)), (0, (8, 3)))


def iv_loops(loops: Loops) -> Figure:
    """Left: the voltage protocol of one loop. Right: resistance after each dwell, first and last loop marked."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 3.6))
        protocol, memory = figure.subplots(1, 2, gridspec_kw={"width_ratios": [2, 3]})
        protocol.step(np.arange(1, len(loops.voltage) + 1), loops.voltage, where="mid", color=INK)
        protocol.set_xlabel("write step of a loop")
        protocol.set_ylabel("Vw (V)")
        last = len(loops.resistance) - 1
        for k, row in enumerate(loops.resistance[1:last], 1):
            memory.plot(
                loops.voltage, row, color=GREY, linewidth=0.5, alpha=0.7, label="loops between" if k == 1 else None
            )
        for k, look in (
            (0, {"color": ORANGE, "marker": "s", "linestyle": "--"}),
            (last, {"color": BLUE, "marker": "o"}),
        ):
            memory.plot(loops.voltage, loops.resistance[k], markersize=3.2, label=f"loop {k + 1}", **look)
            if last == 0:
                break
        memory.set_xlabel("Vw (V)")
        memory.set_ylabel("resistance (Ω)")
        memory.legend(loc="best")
    return figure


def identical_pulses(measured: Identical) -> Figure:
    """Resistance against the number of identical pulses, mean of the repetitions and their span, both directions."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 4.4))
        both = figure.subplots(1, 2)
        for k, (axes, name) in enumerate(zip(both, DIRECTIONS.values(), strict=True)):
            ends = []
            for v, voltage in enumerate(measured.voltages):
                complete = measured.resistance[k, v][measured.whole[k, v]]
                if not len(complete):
                    continue
                mean = complete.mean(axis=0)
                pulses = np.arange(len(mean))
                axes.fill_between(
                    pulses, complete.min(axis=0), complete.max(axis=0), color=BLUE, alpha=0.18, linewidth=0
                )
                axes.plot(
                    pulses,
                    mean,
                    color=INK,
                    linewidth=0.8,
                    marker=MARKERS[v % len(MARKERS)],
                    markersize=3.2,
                    markevery=(4 + 3 * (v % 4), max(len(mean) // 5, 1)),
                )
                ends.append((float(mean[-1]), f"{voltage:g} V"))
            axes.set_xlim(right=measured.resistance.shape[-1] - 1)
            _labels(axes, ends)
            axes.set_title(f"{name}, Vw {'> 0' if k == 0 else '< 0'}")
            axes.set_xlabel(f"identical write pulses of {measured.width:g} s")
        both[0].set_ylabel("resistance (Ω)")
    return figure


def repeatability(measured: Identical) -> Figure:
    """Mean Pearson correlation of repeated trains against their dynamic range (equation 1)."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 3.4))
        both = figure.subplots(1, 2, sharey=True)
        for k, (axes, name, look) in enumerate(zip(both, DIRECTIONS.values(), _LOOKS, strict=True)):
            ranges, correlations = correlation_of(measured, k)
            axes.plot(ranges, correlations, linestyle="none", markersize=5, **look)
            known = np.flatnonzero(np.isfinite(correlations))
            for n, place in enumerate(known):
                axes.annotate(
                    f"{measured.voltages[place]:g}",
                    (ranges[place], correlations[place]),
                    xytext=(0, 6 if n % 2 == 0 else -12),
                    textcoords="offset points",
                    ha="center",
                    fontsize=6.5,
                )
            axes.axhline(1.0, color=GREY, linewidth=0.8)
            axes.margins(x=0.1, y=0.2)
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(ScalarFormatter())
            axes.set_title(f"{name}, at |Vw| in V")
            axes.set_xlabel("dynamic range Rmax − Rmin of a train (Ω)")
        both[0].set_ylabel("mean Pearson correlation")
    return figure


def step_curves(table: FeedforwardTable) -> Figure:
    """|dR| of one pulse against resistance at some voltages, with the standard error of the map as bands."""
    info = table.info
    chosen = np.unique(np.linspace(0, len(table.voltages) - 1, SHOWN).round().astype(int))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 4.0))
        both = figure.subplots(1, 2, sharey=True)
        for axes, direction, name in zip(both, DIRECTIONS, DIRECTIONS.values(), strict=True):
            steps, errors = (
                (table.potentiation, table.potentiation_error)
                if direction > 0
                else (table.depression, table.depression_error)
            )
            ends = []
            axes.axhspan(*info.bounds, color=BLUE, alpha=0.12, linewidth=0)
            for k, v in enumerate(chosen):
                known = np.isfinite(errors[v]) & (steps[v] > LEAST)
                low = np.maximum(steps[v] - errors[v], 1e-3)
                axes.fill_between(
                    table.resistances, low, steps[v] + errors[v], where=known, color=GREY, alpha=0.35, linewidth=0
                )
                shown = np.where(steps[v] > LEAST, steps[v], np.nan)
                axes.plot(table.resistances, shown, color=INK, linewidth=0.9, linestyle=LINES[k % len(LINES)])
                place = -1 if direction > 0 else 0
                if np.isfinite(shown[place]):
                    ends.append((float(shown[place]), f"{table.voltages[v]:.3g} V"))
            axes.set_yscale("log")
            axes.set_xlim(table.resistances[0], table.resistances[-1])
            axes.set_ylim(LEAST, None)
            axes.yaxis.set_major_formatter("{x:g}")
            _labels(axes, ends, left=direction < 0)
            if direction < 0:
                axes.tick_params(labelleft=False)
            axes.set_title(f"{name}, Vw {'> 0' if direction > 0 else '< 0'}")
            axes.set_xlabel("resistance before the pulse (Ω)")
        both[0].set_ylabel(f"|dR| of one pulse of {info.width:g} s (Ω)")
    return figure


_LOOKS: tuple[dict[str, Any], ...] = (
    {"marker": "o", "color": BLUE},
    {"marker": "s", "color": ORANGE, "markerfacecolor": "none"},
)


def _labels(axes: Axes, ends: Sequence[tuple[float, str]], left: bool = False) -> None:
    """Names of curves beside where they end, with lines that lead there: moved apart as little as possible, so that
    none hides another and none leaves the axes."""
    logarithmic = axes.get_yscale() == "log"
    low, high = (math.log(y) if logarithmic else y for y in axes.get_ylim())
    axes.set_ylim(axes.get_ylim())
    named = sorted(ends)
    room = 0.042 * (high - low) * np.arange(len(named))
    wanted = np.array([math.log(y) if logarithmic else y for y, _ in named])
    places = isotonic_regression(wanted - room).x + room if named else wanted
    places = np.clip(places, low + room, high - room[::-1])
    for place, (y, text) in zip(places, named, strict=True):
        axes.annotate(
            text,
            (0.0 if left else 1.0, y),
            (-0.04 if left else 1.04, math.exp(place) if logarithmic else place),
            xycoords=axes.get_yaxis_transform(),
            textcoords=axes.get_yaxis_transform(),
            fontsize=7,
            va="center",
            ha="right" if left else "left",
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.5, "shrinkA": 1, "shrinkB": 0},
        )

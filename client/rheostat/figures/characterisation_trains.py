"""What trains of rising pulses show: their cycles, the linear part, the bins of a pair, energy; and what a state holds.

The figures of A. Xhameni and A. Lombardo, APL Electron. Devices 1, 036124 (2025), Fig. 2c-f, drawn from a device's own
data; retention of both kinds of devices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rheostat.analysis.states import LinearPart
from rheostat.characterisation.data import DIRECTIONS, Held, Trains
from rheostat.figures.plots import BLUE, COLOURS, GREY, INK, MARKERS, ORANGE, PALE, STYLE

Array = npt.NDArray[Any]
_LOOKS: tuple[dict[str, Any], ...] = (
    {"color": BLUE, "marker": "o"},
    {"color": ORANGE, "marker": "s", "markerfacecolor": "none"},
)


def cycles(trains: Trains) -> Figure:
    """From above: amplitude and width of the write pulses, the conductance after each, all cycles, and their mean."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 6.0))
        above, widths, below = figure.subplots(3, 1, sharex=True, gridspec_kw={"height_ratios": [2, 1.2, 4]})
        pulse = np.arange(1, len(trains.voltage) + 1)
        above.vlines(pulse, 0.0, trains.voltage, color=INK, linewidth=1.2)
        above.plot(pulse, trains.voltage, "o", color=INK, markersize=2.4)
        above.axhline(0.0, color=INK, linewidth=0.7)
        above.set_ylabel("Vw (V)")
        widths.vlines(pulse, 0.0, 1e9 * trains.width, color=INK, linewidth=1.2)
        widths.plot(pulse, 1e9 * trains.width, "o", color=INK, markersize=2.4)
        widths.set_ylabel("width (ns)")
        widths.set_ylim(0.0, 1.15e9 * float(trains.width.max()))
        measured = 1e6 * trains.conductance
        for row in measured:
            below.plot(pulse, row, color=GREY, linewidth=0.4, alpha=0.5)
        below.plot([], [], color=GREY, linewidth=0.8, label=f"{len(measured)} cycles")
        below.plot(pulse, np.nanmean(measured, axis=0), color=INK, linestyle="--", linewidth=1.4, label="mean")
        below.set_xlabel("write pulse of a cycle")
        below.set_ylabel("conductance (µS)")
        below.legend(loc="upper left")
    return figure


def linear_parts(parts: Sequence[LinearPart]) -> Figure:
    """Left: mean states of the linear part of either direction with their standard deviation and line. Right: the
    standard deviation of each state with the mean bin width halved, which it must stay below. parts: in S."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 4.0))
        lines, sigmas = figure.subplots(1, 2, gridspec_kw={"width_ratios": [3, 2]})
        for part, name, look, style in zip(parts, DIRECTIONS.values(), _LOOKS, ("-", "--"), strict=True):
            state = np.arange(1, part.count + 1)
            lines.errorbar(
                state,
                1e6 * part.means,
                1e6 * part.sigmas,
                linestyle="none",
                markersize=4,
                capsize=2,
                label=f"{name}, mean ± σ",
                **look,
            )
            lines.plot(
                state,
                1e6 * (part.intercept + part.slope * (state - 1)),
                color=look["color"],
                linestyle=style,
                linewidth=0.9,
                label=f"line, R² = {part.r_squared:.5f}, {1e6 * part.bin_width:.2f} µS a bin",
            )
            sigmas.plot(
                state,
                1e6 * part.sigmas,
                linestyle=style,
                linewidth=0.6,
                markersize=4,
                label=f"{name}, mean {1e6 * part.sigma:.1f} µS",
                **look,
            )
        half = 0.5e6 * float(np.mean([part.bin_width for part in parts]))
        sigmas.axhline(half, color=INK, linewidth=0.9, linestyle=(0, (5, 3)), label=f"half a bin width, {half:.1f} µS")
        sigmas.set_ylim(0.0, 1.6 * half)
        lines.set_xlabel("state of the linear part")
        lines.set_ylabel("conductance (µS)")
        sigmas.set_xlabel("state of the linear part")
        sigmas.set_ylabel("standard deviation of a state (µS)")
        lines.margins(y=0.28)
        for axes in (lines, sigmas):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.legend(loc="best", fontsize=7)
    return figure


def pair_bins(part: LinearPart, k_sigma: float) -> Figure:
    """Values of G+ − G− of a differential pair of two such devices: the bins, each with k sigma / 2 to either side."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 2.4))
        axes = figure.subplots()
        number = np.arange(1 - part.count, part.count)
        rising = np.sort(1e6 * np.abs(part.means - part.means.min()))
        value = np.sign(number) * rising[np.abs(number)]
        half = 0.5e6 * k_sigma * part.sigma
        axes.bar(
            number,
            2 * half,
            bottom=value - half,
            width=0.9,
            color=PALE,
            edgecolor=GREY,
            linewidth=0.4,
            label=f"± {0.5 * k_sigma:g} σ of a state",
        )
        axes.plot(
            number,
            value,
            "o",
            color=BLUE,
            markersize=3,
            label=f"{len(number)} bins, {1e6 * part.bin_width:.1f} µS wide",
        )
        axes.use_sticky_edges = False  # bars need not stand on the axis
        axes.set_xlabel("bin of the pair")
        axes.set_ylabel("G+ − G− (µS)")
        axes.legend(loc="upper left")
    return figure


def energies(trains: Trains) -> Figure:
    """Left: energy of each write pulse of a cycle, mean and standard deviation. Right: energy of each cycle."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 3.0))
        pulses, each = figure.subplots(1, 2, gridspec_kw={"width_ratios": [3, 2]})
        energy = 1e9 * trains.energy
        pulse = np.arange(1, energy.shape[1] + 1)
        spread = np.nanstd(energy, axis=0, ddof=1) if len(energy) > 1 else np.zeros(len(pulse))
        pulses.errorbar(
            pulse, np.nanmean(energy, axis=0), spread, color=INK, marker="o", markersize=3, linewidth=0.6, capsize=2
        )
        pulses.set_xlabel("write pulse of a cycle")
        pulses.set_ylabel("energy of a pulse (nJ)")
        total = energy.sum(axis=1)
        each.plot(np.arange(1, len(total) + 1), total, color=BLUE, marker="s", markersize=4, linewidth=0.6)
        each.axhline(
            float(np.nanmean(total)), color=INK, linestyle="--", linewidth=0.9, label=f"mean {np.nanmean(total):.2f} nJ"
        )
        each.margins(y=0.6)
        each.set_xlabel("cycle")
        each.set_ylabel("energy of a cycle (nJ)")
        each.xaxis.set_major_locator(MaxNLocator(integer=True))
        each.legend(loc="upper right")
    return figure


def retention(measured: Sequence[Held]) -> Figure:
    """Change of resistance of each device since its first reading, with standard errors, on a logarithmic time axis."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 3.4))
        axes = figure.subplots()
        for k, device in enumerate(measured):
            if len(device.elapsed) < 2:
                continue
            change = 100.0 * (device.resistance[1:] / device.resistance[0] - 1.0)
            error = 100.0 * np.hypot(device.error[1:], device.error[0]) / device.resistance[0]
            axes.errorbar(
                device.elapsed[1:],
                change,
                error,
                color=COLOURS[k % 4],
                marker=MARKERS[k % len(MARKERS)],
                markersize=4,
                capsize=2,
                linewidth=0.7,
                label=f"{device.device}, from {device.resistance[0]:.1f} Ω",
            )
        axes.axhline(0.0, color=INK, linewidth=0.7)
        axes.set_xscale("log")
        axes.margins(y=0.25)
        axes.set_xlabel("time since the first reading (s)")
        axes.set_ylabel("change of resistance (%)")
        if measured:
            axes.legend(loc="best", ncols=2)
    return figure

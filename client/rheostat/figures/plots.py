"""Figures of a weight transfer: matplotlib without a screen, for print, readable without colour.

Every function takes arrays in SI units and gives a Figure; `svg` and `png` turn one into text or bytes, the same each
time. Nothing here touches matplotlib's global state.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rheostat import curves
from rheostat.wire import FeedforwardTable, Outcome

Array = npt.NDArray[Any]

INK, GREY, PALE = "#1a1a1a", "#7a7a7a", "#e4e4e4"
BLUE, ORANGE, GREEN, PURPLE = "#0060a8", "#c95f00", "#00795a", "#8a4a7d"  # Okabe and Ito, darkened for print
COLOURS = (BLUE, ORANGE, GREEN, PURPLE)
LAST_STEPS = 8  # before a target was reached, in the figure of convergence
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "grid.color": PALE,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "xtick.direction": "out",
    "lines.linewidth": 1.2,
    "svg.hashsalt": "rheostat",
    "figure.constrained_layout.use": True,
}


def svg(figure: Figure) -> str:
    """The figure as an SVG element to put into a page, without XML header; the same text every time."""
    buffer = io.StringIO()
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def png(figure: Figure, dpi: float = 150.0) -> bytes:
    """The figure as PNG."""
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def target_against_achieved(target: Array, achieved: Array, outcome: Array, tolerance: float) -> Figure:
    """Above: achieved against target, (n,) ohm; below: their difference, with the accepted band of +-tolerance ohm.

    outcome: (n,) numbers of Outcome, each drawn with a marker of its own. Values that are not finite are left out.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 5.6))
        above, below = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 2]})
        ends = [float(np.min(target)), float(np.max(target))] if len(target) else [0.0, 1.0]
        above.plot(ends, ends, color=GREY, linewidth=0.8, label="achieved = target")
        below.axhspan(-tolerance, tolerance, color=PALE, label=f"accepted band, ±{tolerance:.3f} Ω")
        below.axhline(0.0, color=GREY, linewidth=0.8)
        for k, number in enumerate(sorted({int(n) for n in outcome}, key=lambda n: n != Outcome.VERIFIED)):
            chosen = (outcome == number) & np.isfinite(achieved)
            name = Outcome(number).name.lower().replace("_", " ")
            look: dict[str, Any] = {
                "marker": MARKERS[k % len(MARKERS)],
                "linestyle": "none",
                "color": COLOURS[k % len(COLOURS)],
            }
            look |= {"markersize": 2.6, "alpha": 0.6, "markeredgewidth": 0} if k == 0 else {"markersize": 5}
            label = f"{name} ({int(np.sum(outcome == number))})"
            above.plot(target[chosen], achieved[chosen], label=label, **look)
            below.plot(target[chosen], (achieved - target)[chosen], **look)
        above.set_ylabel("achieved resistance (Ω)")
        above.legend(loc="upper left", markerscale=1.3)
        below.set_ylabel("achieved − target (Ω)")
        below.set_xlabel("target resistance (Ω)")
        below.legend(loc="upper left")
        _symmetric(below, (achieved - target)[np.isfinite(achieved)], 2.2 * tolerance)
    return figure


def error_histogram(errors: Mapping[str, Array]) -> Figure:
    """Errors in levels, one array for every layer; bars of all, outlines of each, the half level marked."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 3.2))
        axes = figure.subplots()
        everything = np.concatenate([np.asarray(e) for e in errors.values()]) if errors else np.empty(0)
        reach = 1.2 * float(np.quantile(np.abs(everything), 0.99)) if everything.size else 0.0
        reach = min(max(reach, 1.25), 5.0)
        edges = np.linspace(-reach, reach, 81).tolist()
        outside = int(np.sum(np.abs(everything) > reach))
        axes.hist(everything, bins=edges, color=PALE, edgecolor=GREY, linewidth=0.4, label=f"all ({everything.size})")
        styles = ("-", "--", ":", "-.")
        for k, (name, values) in enumerate(errors.items()):
            rms = float(np.sqrt(np.mean(np.square(values)))) if len(values) else float("nan")
            axes.hist(
                values,
                bins=edges,
                histtype="step",
                linestyle=styles[k % 4],
                color=COLOURS[k % 4],
                linewidth=1.3,
                label=f"layer {name or 'model'} ({len(values)}), rms {rms:.3f}",
            )
        for half, label in ((-0.5, "± half a level"), (0.5, None)):
            axes.axvline(half, color=INK, linewidth=0.9, linestyle=(0, (5, 3)), label=label)
        axes.set_xlabel("error of the weight (levels)" + (f"; {outside} beyond the axis" if outside else ""))
        axes.set_ylabel("weights")
        axes.grid(axis="x", visible=False)
        axes.legend(loc="upper left")
    return figure


def convergence(
    device: str, resistance: Array, target_of_event: Array, targets: Array, outcomes: Array, tolerance: float
) -> Figure:
    """One device's whole sweep, and how it closes in on some of its targets.

    resistance (m,) ohm and target_of_event (m,), index into targets (-1: before the first): one element an event, as
    in a trace. targets (n,) ohm, outcomes (n,): those of the job. tolerance: ohm.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 4.2))
        whole, near = figure.subplots(1, 2)
        event = np.arange(1, len(resistance) + 1)
        visited = list(dict.fromkeys(int(n) for n in target_of_event if n >= 0))
        whole.plot(event, resistance, color=BLUE, linewidth=1.0, label="reading after each event")
        last = [int(np.flatnonzero(target_of_event == n)[-1]) for n in visited]
        whole.plot(
            [event[k] for k in last],
            [targets[n] for n in visited],
            linestyle="none",
            marker="_",
            markersize=9,
            color=INK,
            label=f"{len(visited)} target{'s' * (len(visited) != 1)}, each at its last event",
        )
        whole.set_xlabel("event (write pulse and read-verify)")
        whole.set_ylabel("resistance (Ω)")
        whole.set_title(f"device {device}")
        legend_below(whole)
        near.axhspan(-tolerance, tolerance, color=PALE, label=f"accepted band, ±{tolerance:.3f} Ω")
        shown: list[Array] = []
        for k, n in enumerate(_some(visited, target_of_event)):
            walk = (resistance[target_of_event == n] - targets[n])[-LAST_STEPS - 1 :]
            shown.append(walk)
            near.plot(
                np.arange(len(walk)) - len(walk) + 1,
                walk,
                color=COLOURS[k % 4],
                marker=MARKERS[k % len(MARKERS)],
                markersize=3.5,
                linewidth=0.8,
                label=f"{targets[n]:.1f} Ω, {Outcome(int(outcomes[n])).name.lower().replace('_', ' ')}",
            )
        near.set_xlim(-LAST_STEPS - 0.3, 0.3)
        near.xaxis.set_major_locator(MaxNLocator(integer=True))
        values = np.concatenate([*shown, [-2.0 * tolerance, 2.0 * tolerance]])
        values = values[np.isfinite(values)]
        room = 0.06 * float(np.ptp(values))
        near.set_ylim(float(values.min()) - room, float(values.max()) + room)
        near.set_xlabel("events before the last")
        near.set_ylabel("reading − target (Ω)")
        near.set_title("the last steps to some targets")
        legend_below(near)
    return figure


def step_map(table: FeedforwardTable, measured: Sequence[float] = ()) -> Figure:
    """The calibrated |dR|(R, V) of both directions in ohm per write pulse, with the Vw that the table chooses.

    measured: the voltages of the pulse trains, V, drawn as ticks inside the right edge. Lines mark the bounds of a
    predicted step; the chosen Vw is where it has the size aimed at.
    """
    info = table.info
    voltages = np.linspace(float(table.voltages[0]), float(table.voltages[-1]), 240)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 4.2))
        both = figure.subplots(1, 2, sharex=True, sharey=True)
        norm = mpl.colors.LogNorm(vmin=0.02, vmax=3.0)
        shades = mpl.colormaps["Greys"](np.linspace(0.0, 0.62, 256))
        drawn: Any = None
        for axes, name, direction, aim in (
            (both[0], "potentiation", 1, info.step[0]),
            (both[1], "depression", -1, info.step[1]),
        ):
            fine = curves.predict(table, table.resistances[None, :], voltages[:, None], direction)
            drawn = axes.pcolormesh(
                table.resistances,
                voltages,
                np.maximum(fine, 0.01),
                norm=norm,
                cmap=mpl.colors.ListedColormap(shades),
                shading="nearest",
                rasterized=True,
            )
            for bound, style in zip(info.bounds, (":", "-"), strict=True):
                axes.contour(
                    table.resistances, voltages, fine, levels=[bound], colors=BLUE, linewidths=1.2, linestyles=style
                )
                axes.plot([], [], color=BLUE, linewidth=1.2, linestyle=style, label=f"step of {bound:g} Ω")
            axes.plot(
                table.resistances,
                curves.choose_voltage(table, table.resistances, aim, direction),
                color=ORANGE,
                linewidth=2.2,
                linestyle=(0, (4, 1)),
                label=f"chosen Vw: step of {aim:.3g} Ω",
            )
            axes.hlines(list(measured), 0.97, 1.0, transform=axes.get_yaxis_transform(), color=INK, linewidth=0.9)
            axes.set_title(f"{name}, Vw {'> 0' if name == 'potentiation' else '< 0'}")
            axes.set_xlabel("resistance before the pulse (Ω)")
            axes.set_ylim(0.0, float(table.voltages[-1]))
            axes.grid(visible=False)
            legend_below(axes)
        both[0].set_ylabel("|Vw| (V)")
        bar = figure.colorbar(drawn, ax=list(both), pad=0.01, extend="both", ticks=[0.03, 0.1, 0.3, 1.0, 3.0])
        bar.ax.set_yticklabels(["0.03", "0.1", "0.3", "1", "3"])
        bar.minorticks_off()
        bar.set_label(f"|dR| of one pulse of {info.width:g} s (Ω)")
    return figure


def _some(visited: Sequence[int], target_of_event: Array, count: int = 4) -> list[int]:
    """A few targets, evenly spread over the sweep, of those that took enough events to see a walk."""
    events = {n: int(np.sum(target_of_event == n)) for n in visited}
    walked = list(visited)
    for least in (2, LAST_STEPS // 2):
        walked = [n for n in walked if events[n] >= least] or walked
    if not walked:
        return []
    return [walked[k] for k in np.unique(np.linspace(0, len(walked) - 1, count).round().astype(int))]


def legend_below(axes: Axes) -> None:
    """Where it hides no curve, whatever the data."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=1, borderaxespad=0.0)


def _symmetric(axes: Axes, values: Array, least: float) -> None:
    reach = max(least, 1.1 * float(np.max(np.abs(values)))) if values.size else least
    axes.set_ylim(-reach, reach)

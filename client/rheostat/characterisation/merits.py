"""Figures of merit: one number each, with its standard error, from the arrays of `data`. Pure functions.

Keys are words joined by underscores, with the direction and the number of levels at their end: "v_potentiation_512".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rheostat import curves
from rheostat.analysis import correlation, energy, levels, linearity
from rheostat.characterisation import quantities
from rheostat.characterisation.data import DIRECTIONS, Check, Identical, Sweep
from rheostat.characterisation.profile import Printed
from rheostat.wire import FeedforwardTable

Array = npt.NDArray[Any]
Window = tuple[float, float]


@dataclass(frozen=True)
class Figure:
    """One figure of merit. value, uncertainty (its standard error; nan: not known) and what a paper prints are in
    `unit` (SI, %, bit or 1); source: where it prints it; section: what it belongs to; note: what it is made from, where
    that is not everything that was asked for; less: whether a paper prints that it lies below `printed`."""

    key: str
    label: str
    value: float
    uncertainty: float = math.nan
    unit: str = "1"
    printed: float = math.nan
    printed_uncertainty: float = math.nan
    source: str = ""
    section: str = ""
    note: str = ""
    less: bool = False

    @property
    def words(self) -> str:
        """The label without the direction and the number of levels that its section names."""
        named = [name for name in DIRECTIONS.values() if self.section.endswith(name)]
        words = self.label.removesuffix(f", {named[0]}") if named else self.label
        count, levels, _ = self.section.partition(" levels, ")
        return words.replace(f" of {count} levels", "").removesuffix(f", of {count}") if levels else words

    @property
    def shown(self) -> str:
        """The value for people."""
        return quantities.shown(self.value, self.uncertainty, self.unit)

    @property
    def printed_shown(self) -> str:
        """What the paper prints, for people; empty where it prints nothing."""
        if not math.isfinite(self.printed):
            return ""
        below = "< " if self.less else ""
        return below + quantities.shown(self.printed, self.printed_uncertainty, self.unit, exactly=True)

    @property
    def brief(self) -> str:
        """The value alone, to four digits."""
        return quantities.shown(float(f"{self.value:.4g}"), math.nan, self.unit)

    @property
    def difference(self) -> str:
        """Ours less the printed one, for people: in % of that, or as a number where that is 0; of a printed bound only
        whether it is kept."""
        if not (math.isfinite(self.printed) and math.isfinite(self.value)):
            return ""
        if self.less and self.value < self.printed:
            return "below"
        if self.printed == 0.0:
            return f"{self.value - self.printed:+.3g}".replace("-", "−") if self.value else "0"
        share = 100.0 * (self.value / self.printed - 1.0)
        return (f"{share:+.1f} %" if abs(share) >= 0.1 else f"{share:+.1g} %").replace("-", "−") if share else "0"


def beside(figures: Sequence[Figure], paper: Mapping[str, Printed]) -> tuple[Figure, ...]:
    """The figures with what the paper prints; a printed one that was not measured comes last, as nan."""
    found = []
    for figure in figures:
        printed = paper.get(figure.key)
        if printed is None or printed.unit != figure.unit:
            found.append(figure)
        else:
            found.append(
                replace(
                    figure,
                    printed=printed.value,
                    printed_uncertainty=printed.uncertainty,
                    source=printed.source,
                    label=printed.label or figure.label,
                    less=printed.less,
                )
            )
    ours = {figure.key: figure.unit for figure in figures}
    for key, printed in paper.items():
        if ours.get(key) != printed.unit:
            words = printed.label or key.replace("_", " ")
            why = f"measured in {ours[key]}, printed in {printed.unit}" if key in ours else ""
            values = (math.nan, math.nan, printed.unit, printed.value, printed.uncertainty, printed.source)
            more: dict[str, Any] = {"section": "printed, not measured", "note": why, "less": printed.less}
            found.append(Figure(key, words, *values, **more))
    return tuple(found)


def mean(key: str, label: str, values: Array, unit: str = "1", **more: Any) -> Figure:
    """The mean of independent values with its standard error; nan where there are none. Values that are nan are left
    out, and the note says so."""
    every = np.asarray(values, dtype=np.float64)
    known = every[np.isfinite(every)]
    if len(known) < len(every):
        part = f"{len(known)} of {len(every)} known"
        more["note"] = f"{more['note']}, {part}" if more.get("note") else part
    error = float(known.std(ddof=1) / math.sqrt(len(known))) if len(known) > 1 else math.nan
    return Figure(key, label, float(known.mean()) if len(known) else math.nan, error, unit, **more)


def repeatability(measured: Identical) -> list[Figure]:
    """Equation 1 of the paper (A, Fig. 2b): mean correlation at the smallest and at the largest dynamic range."""
    found = []
    for k, direction in enumerate(DIRECTIONS.values()):
        ranges, correlations = correlation_of(measured, k)
        if not np.isfinite(correlations).any():
            continue
        order = [int(i) for i in np.argsort(ranges) if np.isfinite(correlations[i])]
        for place, words in ((order[0], "smallest"), (order[-1], "largest")):
            at = f"at {measured.voltages[place]:g} V, range {ranges[place]:.3g} Ω{_of_all(measured, k, place)}"
            found.append(
                Figure(
                    f"pearson_{words}_range_{direction}",
                    f"mean Pearson correlation, {words} range, {direction}",
                    float(correlations[place]),
                    section="identical pulses",
                    note=at,
                )
            )
        widest = int(np.nanargmax(ranges))
        found.append(
            Figure(
                f"range_{direction}",
                f"largest range of {measured.resistance.shape[-1] - 1} identical pulses, {direction}",
                float(ranges[widest]),
                unit="ohm",
                section="identical pulses",
                note=f"at {measured.voltages[widest]:g} V{_of_all(measured, k, widest)}",
            )
        )
    return found


def _of_all(measured: Identical, direction: int, place: int) -> str:
    """How many of the trains of a voltage were complete, where not all are."""
    whole = measured.whole[direction, place]
    return "" if whole.all() else f", {int(whole.sum())} of {whole.size} trains"


def correlation_of(measured: Identical, direction: int) -> tuple[Array, Array]:
    """(dynamic range ohm, mean correlation), (v,) each, of direction 0 or 1; nan where fewer than two trains are
    complete."""
    ranges, correlations = (np.full(len(measured.voltages), math.nan) for _ in range(2))
    for k in range(len(measured.voltages)):
        complete = measured.resistance[direction, k][measured.whole[direction, k]]
        if len(complete) > 1:
            ranges[k] = correlation.dynamic_range(complete)
            correlations[k] = correlation.mean_correlation(complete)
    return ranges, correlations


def chosen_voltages(table: FeedforwardTable, direction: int) -> Array:
    """Vw that the table chooses at each of its resistances inside the window, V."""
    lrs, hrs = table.info.window
    inside = table.resistances[(table.resistances >= lrs) & (table.resistances <= hrs)]
    step = table.info.step[0 if direction > 0 else 1]
    return np.asarray(curves.choose_voltage(table, inside, step, direction))


def of_table(table: FeedforwardTable, checks: Sequence[Check] = ()) -> list[Figure]:
    """Vw chosen through the window (A, Fig. 3c), read noise, and whether the table still fits its device."""
    found = []
    for direction, name in DIRECTIONS.items():
        chosen = chosen_voltages(table, direction)
        for end, value in (("least", chosen.min()), ("largest", chosen.max())):
            label = f"{end} |Vw| of the table, {name}"
            found.append(Figure(f"vw_{end}_{name}", label, float(value), unit="V", section="feedforward table"))
    noise = table.info.noise
    found.append(Figure("read_noise", "read noise, rms", noise, unit="ohm", section="feedforward table"))
    for check in checks:
        if check.device == table.info.device:
            for k, name in enumerate(DIRECTIONS.values()):
                found.append(
                    Figure(
                        f"table_gain_{name}",
                        f"travel over the table's prediction, {name}",
                        float(check.gain[k]),
                        float(check.error[k]),
                        section="feedforward table",
                        note="" if check.fits else "the table does not fit any more",
                    )
                )
    return found


def processes(sweeps: Sequence[Sweep], window: Window, width: float, analysis: Mapping[str, Any]) -> list[Figure]:
    """Figures of one device's feedforward sweeps (A, Fig. 3b to 4d). width: of a write pulse, s."""
    found = []
    for direction, name in DIRECTIONS.items():
        every = [sweep for sweep in sweeps if sweep.direction == direction]
        whole = [sweep for sweep in every if sweep.whole]
        if not whole:
            continue
        note = "" if len(whole) == len(every) else f"from {len(whole)} of {len(every)} sweeps"
        found += _costs(whole, name, width, note)
        for n in analysis["levels"]:
            found += _levels(whole, window, direction, n, analysis["skipped_at"], note)
    return found


def _costs(whole: Sequence[Sweep], name: str, width: float, note: str) -> list[Figure]:
    counts = np.array([sweep.pulses for sweep in whole])
    more: dict[str, Any] = {"section": f"processes, {name}", "note": note}
    pulses = mean(f"pulses_{name}", f"write pulses a process, {name}", counts, **more)
    spread = float(counts.std(ddof=1)) if len(counts) > 1 else math.nan
    error = spread / math.sqrt(2.0 * (len(counts) - 1)) if len(counts) > 1 else math.nan
    joined = np.concatenate([sweep.energy for sweep in whole])
    total, each = energy.process_power(joined, counts, width)
    power = mean(f"power_{name}", f"mean power, {name}", each, "W", **more)
    return [
        pulses,
        Figure(f"pulses_spread_{name}", f"spread of write pulses, {name}", spread, error, **more),
        replace(power, value=float(total)),
        mean(
            f"process_energy_{name}",
            f"energy of a process, {name}",
            energy.process_energy(joined, counts),
            "J",
            **more,
        ),
    ]


def _levels(whole: Sequence[Sweep], window: Window, direction: int, n: int, at: float, note: str) -> list[Figure]:
    name = DIRECTIONS[direction]
    more: dict[str, Any] = {"section": f"{n} levels, {name}", "note": note}
    readings = [sweep.readings for sweep in whole]
    nearest = levels.samples(readings, n, window, direction, "argmin")
    passed = levels.samples(readings, n, window, direction, "first passage")
    targets = levels.targets(n, window, direction)
    as_printed = linearity.nonlinearity(nearest, window, direction, "paper").v
    unbiased = linearity.nonlinearity(nearest, window, direction, "unbiased").v
    occupied = np.array(
        [len(np.unique(levels.segmented(r, n, window, direction).segmentation.pulses)) for r in readings]
    )
    normalised = levels.normalised(passed, targets, direction)
    skipped = levels.skipped(normalised, at)
    return [
        mean(f"v_{name}_{n}", f"v of {n} levels as the paper indexes it, {name}", as_printed, **more),
        mean(f"v_unbiased_{name}_{n}", f"v of {n} levels, unbiased, {name}", unbiased, **more),
        mean(
            f"nlf_first_passage_{name}_{n}",
            f"NLF of {n} levels, first passage, {name}",
            linearity.nonlinearity_factor(passed, targets, window),
            **more,
        ),
        mean(
            f"nlf_argmin_{name}_{n}",
            f"NLF of {n} levels, nearest readings, {name}",
            linearity.nonlinearity_factor(nearest, targets, window),
            **more,
        ),
        Figure(
            f"skipped_{name}_{n}",
            f"levels skipped at a CPD of {100 * at:g} %, of {n}, {name}",
            float(skipped.sum()),
            levels.skipped_error(normalised, at),
            **more,
        ),
        mean(f"occupied_{name}_{n}", f"levels occupied of {n}, {name}", occupied, **more),
    ]

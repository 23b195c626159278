"""The report of a characterisation: the papers' figures drawn from a device's own data, beside what the papers print.

One HTML file with its figures inside, to be opened anywhere and printed.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import rheostat
from rheostat import units
from rheostat.characterisation import merits_trains, sampling
from rheostat.characterisation.data import DIRECTIONS, loops
from rheostat.figures import characterisation_levels as of_levels
from rheostat.figures import characterisation_pulses as of_pulses
from rheostat.figures import characterisation_trains as of_trains
from rheostat.figures import page, plots
from rheostat.figures.report import UNITS

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

    from rheostat.characterisation.merits import Figure
    from rheostat.characterisation.record import Characterisation
    from rheostat.results import Result

Drawn = tuple["Drawing", str, str]  # figure, name, caption
SHORTENED = (
    "This is the shortened form of the profile, with fewer voltages, repetitions and cycles: it shows that everything"
    " works, and its figures are rough. Run it without --short to characterise the device."
)
VIRTUAL = "Measured on a virtual bench: these are simulated devices, and nothing here was seen on a real one."
MISSING = "Missing, or not as it was asked for"
ERRORS = (
    "± is one standard error of what is shown, as far as it can be told from these data; where nothing stands, it is"
    " not known. Cycle to cycle, device to device: standard deviations in % of the mean."
)
ON_CARDS = (  # of the figures, those shown large where there are any
    *(
        "pulses_potentiation",
        "pulses_depression",
        "power_potentiation",
        "v_potentiation_512",
        "skipped_potentiation_512",
    ),
    *("bins", "bin_width_potentiation", "sigma", "r_squared_potentiation", "cycle_energy"),
)


def write(path: str | os.PathLike[str], of: Characterisation) -> Path:
    """Writes the report and returns its path; a file there is replaced only by a complete one."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".part")
    partial.write_text(document(of), encoding="utf-8")
    return partial.replace(target)


def document(of: Characterisation) -> str:
    """The report as text."""
    about = of.about
    under = f"{of.profile.title}; bench {about.get('bench', '?')}{' (virtual)' if about.get('virtual') else ''}"
    if about.get("ended"):
        under += f"; {about['ended']}"
    parts = [page.paragraph(_sentence(of))]
    parts += [page.note(VIRTUAL)] if about.get("virtual") else []
    parts += [page.note(SHORTENED)] if of.profile.short else []
    parts += [page.note(f"{MISSING}: {' '.join(of.missing)}")] if of.missing else []
    parts += [page.cards(_cards(of))]
    parts += [page.heading("This device and the paper"), beside_paper(of)] if _printed(of) else []
    parts += [page.heading("Figures"), *(page.figure(plots.svg(d), name, words) for d, name, words in drawn(of))]
    parts += [page.heading("All figures of merit"), page.paragraph(ERRORS), table(of)]
    parts += [page.heading("What it took"), page.grouped_table(_costs(of))]
    parts += [page.heading("How to repeat it"), page.grouped_text(provenance(of))]
    title = f"Characterisation of {', '.join(of.devices[:1])}, profile {of.profile.name}"
    return page.page(title, under, parts, f"rheostat {rheostat.__version__}")


def _sentence(of: Characterisation) -> str:
    measured = sum(not math.isnan(figure.value) for figure in of.figures)
    if not of.results:
        return f"Nothing was measured on device {of.devices[0]}."
    others = of.devices[1:]
    words = f"Device {of.devices[0]} went through the whole programme of the profile"
    words += f", {', '.join(others)} through the part of it that shows how devices differ" if others else ""
    printed = sum(not math.isnan(figure.value) for figure in _printed(of))
    beside = f", {printed} of them beside those of {of.profile.source or 'the paper'}" if printed else ""
    return f"{words}. {measured} figures of merit{beside}."


def _printed(of: Characterisation) -> list[Figure]:
    return [figure for figure in of.figures if figure.printed_shown]


def _cards(of: Characterisation) -> list[tuple[str, str]]:
    by_key = {figure.key: figure for figure in of.figures if not math.isnan(figure.value)}
    return [(by_key[key].brief, by_key[key].label) for key in ON_CARDS if key in by_key]


def beside_paper(of: Characterisation) -> str:
    """The figures that the paper prints: this device, the paper, the difference."""
    rows = [(f.section, *cells(f), f.source) for f in _printed(of)]
    return page.columns_table(("", "this device", "paper", "difference", "where"), rows, numbers=(1, 2, 3))


def table(of: Characterisation) -> str:
    """Every figure of this device, with what it is made from."""
    rows = [(f.section, f.words, f.shown, f.note) for f in of.figures]
    return page.columns_table(("", "this device", ""), rows, numbers=(1,))


def cells(figure: Figure) -> tuple[str, str, str, str]:
    """(words, this device, paper, difference) for people."""
    note = f" ({figure.note})" if figure.note else ""
    return figure.words + note, figure.shown, figure.printed_shown, figure.difference


def drawn(of: Characterisation) -> Iterator[Drawn]:
    """Every figure that there are data for, with its name and caption."""
    yield from _of_pulses(of)
    yield from _of_levels(of)
    yield from _of_trains(of)
    if any(len(device.elapsed) > 1 for device in of.held):
        yield (
            of_trains.retention(of.held),
            "Retention",
            "How far each device has drifted since its first reading; bars are standard errors of the readings. Every"
            " reading closes the relays anew: what points scatter beyond their bars is contacts.",
        )


def _of_pulses(of: Characterisation) -> Iterator[Drawn]:
    measured = loops(of.of("iv_loops"))
    if measured is not None:
        dwell = of.profile.steps["iv_loops"].get("dwell_s", 100.0)
        yield (
            of_pulses.iv_loops(measured),
            "Memory characteristic",
            f"Left: the write voltages of one loop, {dwell:g} s each. Right: the resistance after each of them, in"
            f" {len(measured.resistance)} loops; the first comes from where the device stood.",
        )
    if of.identical is not None:
        repetitions = of.identical.resistance.shape[2]
        yield (
            of_pulses.identical_pulses(of.identical),
            "Identical pulses",
            f"Each voltage saturates at a resistance of its own. Mean of {repetitions} repetitions, their span shaded;"
            " potentiation begins at HRS, depression at LRS.",
        )
        yield (
            of_pulses.repeatability(of.identical),
            "Repeatability against range",
            "Mean Pearson correlation (equation 1) of the last train of a voltage with each one before it; the voltages"
            " stand at the points. Where the range is not much larger than the read noise, the noise lowers it.",
        )
    if of.table is not None:
        info = of.table.info
        voltages = of.profile.steps.get("calibrate", {}).get("voltages_v", ())
        yield (
            plots.step_map(of.table, voltages),
            "Step of one pulse, and the write voltage chosen",
            f"Fitted to trains of {info.device} at the voltages of the ticks, pulses of {info.width:g} s. Thin"
            " lines: the bounds that a predicted step keeps to; dashed: the voltage that the feedforward table takes.",
        )
        yield (
            of_pulses.step_curves(of.table),
            "Step of one pulse, with its uncertainty",
            "The same map cut at some voltages, named at their curves, with its standard errors as bands. Shaded from"
            " side to side: the bounds of a predicted step.",
        )


def _of_levels(of: Characterisation) -> Iterator[Drawn]:
    sweeps, counts = of.own(of.sweeps), of.profile.analysis["levels"]
    if not any(sweep.whole for sweep in sweeps):
        return
    yield (
        of_levels.staircase(sweeps, of.window),
        "Feedforward sweeps",
        "Above: the first cycles through the window. Below: the first sweep of either direction with the write voltage"
        " that the table chose before each pulse.",
    )
    shown = next(s for way in (-1, 1) for s in sweeps if s.whole and s.direction == way)
    yield (
        of_levels.segments(shown, of.window, min(counts)),
        "A segmented sweep",
        f"The first {DIRECTIONS[shown.direction]}. Left: of its readings those nearest to each of {min(counts)} levels."
        " Right: the write pulses from one level to the next, at the two stars.",
    )
    yield (
        of_levels.segmentation(sweeps, of.window, counts),
        "Levels of the segmented sweeps",
        "Above: the readings nearest to each level, mean of the processes. Below: how far those of"
        f" {max(counts)} levels lie from their targets; line: mean, shaded: all processes.",
    )
    at = of.profile.analysis["skipped_at"]
    yield (
        of_levels.probabilities(sweeps, of.window, counts, at),
        "Where levels are reached",
        "Cumulative probability of the first reading at or past a level, 0 at the level, 1 at the next one (dashed)."
        f" A level counts as skipped where a curve crosses {100 * at:g} % (dotted) right of that line.",
    )
    for direction in (1, -1):
        sampled = sampling.drawn(of.level_errors, of.window, direction)
        if sampled:
            yield (
                of_levels.program_error(sampled, direction),
                f"Error of programming, {DIRECTIONS[direction]}",
                "Ideal values, quantised to n levels and set off by errors drawn from the Student-t distributions that"
                " were fitted to each level (equation 4). Right: magnified, less the ideal value; the slants are"
                " quantisation, the width of each is the device.",
            )


def _of_trains(of: Characterisation) -> Iterator[Drawn]:
    trains = [train for train in of.own(of.trains) if np.isfinite(train.resistance).any(axis=0).all()]
    energies = [train for train in of.own(of.energies) if np.isfinite(train.energy).any(axis=0).all()]
    for train in trains[:1]:
        yield (
            of_trains.cycles(train),
            "Cycles of the pulse train",
            f"From above: amplitude and width of the write pulses of a cycle, and the conductance after each,"
            f" {len(train.resistance)} cycles on top of each other, and their mean.",
        )
        linear = merits_trains.parts(train, of.profile.analysis)
        if len(linear) == 2:
            k_sigma = of.profile.analysis["k_sigma"]
            yield (
                of_trains.linear_parts([linear[1], linear[-1]]),
                "Linear part",
                "The longest stretch of states on a line, found in either direction. Right: their standard deviations;"
                " below the dashed line, neighbouring states do not overlap.",
            )
            yield (
                of_trains.pair_bins(linear[1], k_sigma),
                "Bins of a differential pair",
                "Every value that the difference of two such devices takes, potentiated from the start of the linear"
                f" part; boxes show {0.5 * k_sigma:g} σ to either side.",
            )
    for train in energies[:1]:
        yield (
            of_trains.energies(train),
            "Energy",
            f"Of each write pulse, and of each of {len(train.energy)} cycles.",
        )


def _costs(of: Characterisation) -> list[tuple[str, str, str]]:
    """(step, devices, what it took) of every step and in all."""
    everything = [job for jobs in of.results.values() for job in jobs]
    rows = []
    for step, jobs in of.results.items():
        devices = dict.fromkeys(device for job in jobs for device in job.devices)
        rows.append((step.replace("_", " ").replace(".", ", "), ", ".join(devices), _took(jobs)))
    return [*rows, ("in all", "", _took(everything))]


def _took(jobs: Sequence[Result]) -> str:
    pulses, energy, time = (sum(getattr(job.job, what) for job in jobs) for what in ("pulses", "energy", "rig_time"))
    return f"{pulses:,} write pulses, {units.duration(time)} of rig time, {_micro(units.engineering(energy, 'J'))}"


def _micro(text: str) -> str:
    return text.replace(" u", " µ")


def provenance(of: Characterisation) -> dict[str, Any]:
    """What it takes to repeat it: the command, the profile's parameters, jobs, bench, instruments, versions."""
    steps: Mapping[str, Any] = of.profile.steps
    content: dict[str, Any] = {
        "command": {
            "": of.about.get("command")
            or f"rheostat characterise --profile {of.profile.name} --devices {','.join(of.devices)}"
            + " --short" * of.profile.short
        },
        "jobs": {step: ", ".join(job.job.job_id for job in jobs) for step, jobs in of.results.items()},
        **{f"step {name}": parameters for name, parameters in steps.items()},
        "analysis": of.profile.analysis,
        "window": {"lrs_ohm": of.window[0], "hrs_ohm": of.window[1]},
        **{key: value for key, value in of.about.items() if isinstance(value, Mapping)},
        "run": {k: value for k, value in of.about.items() if k != "command" and not isinstance(value, Mapping)},
    }
    told = next((job.provenance for jobs in of.results.values() for job in jobs), {})
    content.update({key: told[key] for key in ("read", "source", "limits", "virtual", "versions") if told.get(key)})
    for group, names in UNITS.items():
        if isinstance(content.get(group), Mapping):
            content[group] = {names.get(name, name): value for name, value in content[group].items()}
    if of.table is not None:
        content["table"] = {"version": of.table.info.version, "device": of.table.info.device}
    return content

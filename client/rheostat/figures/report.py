"""The report of a weight transfer: one HTML file with its figures inside, to be opened anywhere and printed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import rheostat
from rheostat.figures import page, plots
from rheostat.wire import FeedforwardTable, Status

if TYPE_CHECKING:
    from rheostat.weights.transfer import Layer, Transfer

IN_TURN = (
    "The weights were programmed and measured one after another, {per_device} on each of {devices} devices: no"
    " moment saw them all held together, as an array of {weights:,} devices would hold them. What is reported is"
    " the resistance each device was measured at when its target was reached, with the relays closed that were"
    " closed then: closing them anew changes the contact resistances, and with them a reading, perhaps by more"
    " than half a level. That, drift, and what neighbours do to each other are not in these numbers."
)


UNITS = {  # of what the daemon states in SI without saying so
    "calibration": {
        "bounds": "bounds_ohm",
        "noise": "noise_ohm",
        "step": "step_ohm",
        "width": "width_s",
        "window": "window_ohm",
    },
    "limits": {
        "compliance": "compliance_a",
        "max_energy": "max_energy_j",
        "max_voltage": "max_voltage_v",
        "max_width": "max_width_s",
        "read_voltage": "read_voltage_v",
    },
    "spec": {"tolerance": "tolerance_ohm"},
}


def write(
    path: str | os.PathLike[str],
    transfer: Transfer,
    *,
    title: str,
    table: FeedforwardTable | None = None,
    measured: Sequence[float] = (),
    status: Status | None = None,
    details: Mapping[str, Any] | None = None,
) -> Path:
    """Write the report to `path` and return it; a file there is replaced only by a complete one.

    table: the feedforward table, for its map; measured: the voltages it was measured at, V. status: the daemon's, for
    the bench and its instruments. details: more lines of provenance (network, data, seeds). The text is the same for
    the same transfer.
    """
    text = document(transfer, title=title, table=table, measured=measured, status=status, details=details)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".part")
    partial.write_text(text, encoding="utf-8")
    return partial.replace(target)


def document(
    transfer: Transfer,
    *,
    title: str,
    table: FeedforwardTable | None = None,
    measured: Sequence[float] = (),
    status: Status | None = None,
    details: Mapping[str, Any] | None = None,
) -> str:
    """The report as text; see `write`."""
    bench = "" if status is None else f"bench {status.bench}{' (virtual)' if status.virtual else ''}, "
    under = f"{bench}job {transfer.result.job.job_id}"
    parts = [page.paragraph(_sentence(transfer)), page.cards(_cards(transfer)), page.note(_in_turn(transfer))]
    parts += [page.heading("Result"), page.grouped_table([(r.section, r.label, r.value) for r in transfer.table()])]
    parts += [page.heading("Figures"), *_figures(transfer, table, measured)]
    parts += [page.heading("How to repeat it"), page.grouped_text(_provenance(transfer, status, details))]
    return page.page(title, under, parts, f"rheostat {rheostat.__version__}")


def _sentence(transfer: Transfer) -> str:
    verified = int(transfer.result.verified.sum())
    mapping = transfer.layers[0].mapping
    band = f"±{transfer.tolerance:.3f} Ω of their target"
    if np.isclose(transfer.tolerance, mapping.half_level):
        lrs, hrs = mapping.window
        band += f", half a level of {mapping.levels} between {lrs:g} and {hrs:g} Ω"
    words = (
        f"{transfer.programmed:,} of {transfer.weights:,} weights were programmed; {verified:,} of them"
        f" ({100 * verified / transfer.programmed:.1f} %) were verified by readings to lie within {band}."
    )
    if verified < transfer.programmed:
        words += " The others count with the resistance they were left at."
    if transfer.programmed < transfer.weights:
        words += " Weights that were not programmed stand at their ideal levels."
    return words


def _in_turn(transfer: Transfer) -> str:
    counts = np.bincount(transfer.placement.device[: transfer.programmed])
    fewest, most = int(np.min(counts)), int(np.max(counts))
    per_device = f"{most}" if fewest == most else f"{fewest} to {most}"
    return IN_TURN.format(per_device=per_device, devices=len(counts), weights=transfer.programmed)


def _cards(transfer: Transfer) -> list[tuple[str, str]]:
    verified = int(transfer.result.verified.sum())
    shown = [(f"{100 * verified / transfer.programmed:.1f} %", f"verified of {transfer.programmed:,} weights")]
    if transfer.accuracy is not None:
        shown += [
            (f"{100 * transfer.accuracy.float_weights:.1f} %", "accuracy, float weights"),
            (f"{100 * transfer.accuracy.quantised:.1f} %", "accuracy, ideally quantised"),
            (f"{100 * transfer.accuracy.programmed:.1f} %", "accuracy, programmed"),
            (f"{100 * transfer.accuracy.converters:.1f} %", "accuracy, programmed, 8-bit ADC and DAC"),
        ]
    return shown


def _figures(transfer: Transfer, table: FeedforwardTable | None, measured: Sequence[float]) -> list[str]:
    result = transfer.result
    target, achieved, outcome = (np.ravel(a) for a in (result.targets, result.achieved, result.outcome))
    figures = [
        page.figure(
            plots.svg(plots.target_against_achieved(target, achieved, outcome, transfer.tolerance)),
            "Target against achieved",
            "Above: every programmed weight; below: its distance from the target, with the accepted band.",
        ),
        page.figure(
            plots.svg(plots.error_histogram({layer.name: layer.error_levels for layer in transfer.layers})),
            "Error of the weights",
            f"In levels of {transfer.layers[0].mapping.levels}: achieved minus target. All outcomes are in it.",
        ),
    ]
    for device, trace in result.traces.items():
        figures.append(
            page.figure(
                plots.svg(
                    plots.convergence(device, trace.resistance, trace.target, target, outcome, transfer.tolerance)
                ),
                f"Convergence on device {device}",
                "Left: its targets, visited on sweeps through the window. Right: the last steps to some of them; a"
                " reading inside the band is accepted only when enough readings agree.",
            )
        )
    if table is not None:
        info = table.info
        at = f" at {', '.join(f'{v:g}' for v in measured)} V (ticks)" if measured else ""
        others = max(len(info.gains) - 1, 0)
        figures.append(
            page.figure(
                plots.svg(plots.step_map(table, measured)),
                "Calibrated step and chosen write voltage",
                f"Measured on device {info.device}{at} with write pulses of {info.width:g} s, a surface fitted between"
                f" them; {others} other devices follow it with gains of their own. Blue: the bounds that a"
                " predicted step keeps to.",
            )
        )
    return figures


def _provenance(transfer: Transfer, status: Status | None, details: Mapping[str, Any] | None) -> dict[str, Any]:
    content: dict[str, Any] = dict(details or {})
    content["mapping"] = {**transfer.layers[0].mapping.as_dict(), **_ranges(transfer.layers)}
    content.update({"job_id": transfer.result.job.job_id, **transfer.result.provenance})
    for group, names in UNITS.items():
        if isinstance(content.get(group), Mapping):
            content[group] = {names.get(name, name): value for name, value in content[group].items()}
    if status is not None:
        content["daemon"] = {"version": status.version, "bench": status.bench, "virtual": status.virtual}
        content["instruments"] = {
            i.name: f"{i.vendor} {i.model}, serial {i.serial}, firmware {i.firmware}, {i.resource}"
            for i in status.instruments
        }
    return content


def _ranges(layers: tuple[Layer, ...]) -> dict[str, Any]:
    ranges = {layer.name or "model": f"±{layer.mapping.scale:.4g}" for layer in layers}
    return {"weight_range": ranges}

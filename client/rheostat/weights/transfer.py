"""Weight transfer: a torch model's weights onto the rig, measured, and back into an analog network.

The weights are programmed and measured one after another, many on the same device: they were never held together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from rheostat import units
from rheostat.attend import Progress, attend
from rheostat.client import ProgramResult, Rig
from rheostat.errors import InputError
from rheostat.targets import names as device_names
from rheostat.weights import analog, networks
from rheostat.weights.mapping import Mapping
from rheostat.weights.placement import Placement, place

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class Layer:
    """What became of one layer; all arrays have the shape of its weight matrix, (outputs, inputs).

    mapping: fitted to the layer. target, achieved: ohm; achieved is the target where nothing was programmed.
    outcome: numbers of rheostat.Outcome, PENDING where nothing was programmed. position: what the analog tiles hold.
    """

    name: str
    kind: str
    mapping: Mapping
    weights: npt.NDArray[np.float32]
    target: Floats
    achieved: Floats
    outcome: npt.NDArray[np.uint8]
    programmed: npt.NDArray[np.bool_]
    position: npt.NDArray[np.float32]

    def __repr__(self) -> str:
        shape = " x ".join(str(n) for n in self.weights.shape)
        return f"<Layer {self.name or 'model'} ({self.kind} {shape}): rms error {self.rms_levels:.3f} levels>"

    @property
    def error_levels(self) -> Floats:
        """Error of every programmed weight that was read, (n,), in levels; positive: a larger weight than asked for."""
        read = self.programmed & np.isfinite(self.achieved)
        return self.mapping.error_in_levels(self.achieved[read], self.target[read])

    @property
    def rms_levels(self) -> float:
        errors = self.error_levels
        return float(np.sqrt(np.mean(errors**2))) if errors.size else float("nan")


@dataclass(frozen=True)
class Accuracy:
    """What `evaluate` gave for four networks, each one step further from the model.

    float_weights: the model itself. quantised: its weights at their nearest levels. programmed: the achieved weights.
    converters: the achieved weights, computed with 8-bit DAC and ADC.
    """

    float_weights: float
    quantised: float
    programmed: float
    converters: float


@dataclass(frozen=True)
class Row:
    """One line of the table: section, what, and the value with its unit."""

    section: str
    label: str
    value: str


@dataclass(frozen=True, repr=False)
class Transfer:
    """The outcome of `transfer`. `model`: the analog network of the achieved weights, computing exactly;
    `model_8bit`: the same with 8-bit DAC and ADC; `result`: the job's, one element per programmed weight."""

    model: Any
    model_8bit: Any
    layers: tuple[Layer, ...]
    accuracy: Accuracy | None
    result: ProgramResult
    placement: Placement
    tolerance: float

    def __repr__(self) -> str:
        lines = "".join(f"\n  {row.section:<10} {row.label:<45} {row.value}" for row in self.table())
        return f"<Transfer of {self.programmed} of {self.weights} weights, job {self.result.job.job_id}>{lines}"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(row.section)}</th><td style='text-align:left'>{escape(row.label)}"
            f"</td><td>{escape(row.value)}</td></tr>"
            for row in self.table()
        )
        return f"<table>{rows}</table>"

    @property
    def weights(self) -> int:
        return sum(layer.weights.size for layer in self.layers)

    @property
    def programmed(self) -> int:
        return sum(int(layer.programmed.sum()) for layer in self.layers)

    @property
    def unread(self) -> int:
        """Programmed weights whose device gave no reading: they stand at the HRS end of the window."""
        return sum(int((layer.programmed & ~np.isfinite(layer.achieved)).sum()) for layer in self.layers)

    @property
    def clipped(self) -> int:
        return sum(layer.mapping.clipped(layer.weights) for layer in self.layers)

    def table(self) -> list[Row]:
        """Accuracy, error per layer, outcomes and costs, as lines for people."""
        rows = []
        if self.accuracy is not None:
            for label, fraction in (
                ("float weights", self.accuracy.float_weights),
                (f"quantised to {self.layers[0].mapping.levels} levels", self.accuracy.quantised),
                ("programmed", self.accuracy.programmed),
                ("programmed, 8-bit ADC and DAC", self.accuracy.converters),
            ):
                rows.append(Row("accuracy", label, f"{100 * fraction:.1f} %"))
        for layer in self.layers:
            shape = " x ".join(str(n) for n in layer.weights.shape)
            value = f"{layer.rms_levels:.3f} levels"
            rows.append(Row("rms error", f"layer {layer.name or 'model'} ({layer.kind} {shape})", value))
        total = self.programmed
        for name, count in self.result.outcomes().items():
            rows.append(Row("outcomes", name.replace("_", " "), f"{count:,} ({100 * count / total:.1f} %)"))
        for label, count in (
            ("not programmed, at their ideal level", self.weights - total),
            ("without a reading, taken as HRS", self.unread),
            ("clipped to the range", self.clipped),
        ):
            if count:
                rows.append(Row("outcomes", label, str(count)))
        costs = self.result.summary()
        virtual = bool(self.result.provenance.get("virtual"))
        rows += [
            Row("cost", "weights on devices", f"{total:,} on {len(self.result.devices)}"),
            Row("cost", "write pulses", f"{costs['pulses']:,}"),
            Row("cost", "reads", f"{costs['reads']:,}"),
            Row("cost", "energy", units.engineering(costs["energy_j"], "J")),
            Row("cost", "rig time (virtual)" if virtual else "rig time", units.duration(costs["rig_time_s"])),
            Row("cost", "wall time", units.duration(costs["wall_time_s"])),
        ]
        return rows


def transfer(
    model: Any,
    rig: Rig,
    *,
    mapping: Mapping | None = None,
    devices: Sequence[str] | str | None = None,
    tolerance: float | None = None,
    evaluate: Callable[[Any], float] | None = None,
    progress: Progress | None = None,
    limit: int | None = None,
    block: tuple[int, int] | None = None,
    traces: Sequence[str] = (),
    **options: Any,
) -> Transfer:
    """Program every weight of the model's Linear and Conv2d layers, and build the analog model of what was achieved.

    model: a torch module; it is not changed, and its biases stay digital. mapping: Mapping() if None, fitted to every
    layer. devices: names, None: all that the bench has, in turn. tolerance: ohm, None: half a level of the mapping.
    evaluate(network) -> accuracy between 0 and 1, called for four networks. progress(job) is called as the job goes on.
    limit: program so many weights only, evenly spread; the others stand at their ideal levels and are counted.
    block: largest (rows, columns) of a tile. traces: devices whose every pulse comes back. options: of Rig.program.

    A target that did not verify keeps its achieved value. A weight whose device gave no reading stands at HRS.
    Any exception, Ctrl-C included, cancels the job. Raises InputError for a window or devices that the rig does not
    have, and what Rig.program and Job.result raise.
    """
    mapping = mapping or Mapping()
    matrices = networks.matrices(model)
    fitted = {name: mapping.fit(matrix) for name, matrix in matrices.items()}
    targets = {name: fitted[name].to_resistance(matrix) for name, matrix in matrices.items()}
    placement = place({name: m.shape for name, m in matrices.items()}, _devices(rig, devices, mapping), block)
    flat = placement.gather(targets)
    chosen = _spread(len(flat), limit)
    half_level = mapping.half_level if tolerance is None else tolerance

    names = [placement.devices[index] for index in placement.device[: len(chosen)]]
    job = rig.program(
        flat[chosen], names, tolerance=half_level, traces=traces, **{"order": "sweep", "label": "transfer", **options}
    )
    result = attend(job, progress)

    achieved, outcome, programmed = flat.copy(), np.zeros(len(flat)), np.zeros(len(flat))
    achieved[chosen], outcome[chosen], programmed[chosen] = result.achieved, result.outcome, 1.0
    measured = [placement.scatter(values) for values in (achieved, outcome, programmed)]
    kinds = {name: type(layer).__name__ for name, layer in networks.layers(model).items()}
    layers = tuple(
        Layer(
            name,
            kinds[name],
            fitted[name],
            matrix,
            targets[name],
            measured[0][name],
            measured[1][name].astype(np.uint8),
            measured[2][name].astype(np.bool_),
            _positions(fitted[name], measured[0][name]),
        )
        for name, matrix in matrices.items()
    )
    positions = {layer.name: layer.position for layer in layers}
    scales = {layer.name: layer.mapping.scale for layer in layers}
    exact = analog.build(model, positions, scales)
    converters = analog.build(model, positions, scales, analog.EIGHT_BIT)
    accuracy = None
    if evaluate is not None:
        quantised = networks.with_weights(model, {name: fitted[name].quantise(m) for name, m in matrices.items()})
        accuracy = Accuracy(*(float(evaluate(network)) for network in (model, quantised, exact, converters)))
    return Transfer(exact, converters, layers, accuracy, result, placement, half_level)


def _devices(rig: Rig, devices: Sequence[str] | str | None, mapping: Mapping) -> list[str]:
    """The devices to use, whose windows hold that of the mapping. Names the daemon does not know are its to refuse."""
    known = {device.name: device for device in rig.devices()}
    names = list(known) if devices is None else device_names(devices)
    lrs, hrs = mapping.window
    for name in names:
        if name in known and not (known[name].window[0] <= lrs and hrs <= known[name].window[1]):
            low, high = known[name].window
            raise InputError(
                f"device {name}: its window is {low:g} to {high:g} ohm, the mapping needs {lrs:g} to {hrs:g} ohm"
            )
    return names


def _spread(count: int, limit: int | None) -> npt.NDArray[np.int64]:
    """Indices of `limit` of `count` weights, evenly spread; of all without a limit."""
    if limit is None or limit >= count:
        return np.arange(count)
    if limit < 1:
        raise InputError(f"limit: at least one weight is programmed, not {limit}")
    return np.linspace(0, count - 1, limit).round().astype(np.int64)


def _positions(mapping: Mapping, achieved: Floats) -> npt.NDArray[np.float32]:
    """What the tiles hold. A device without a reading conducts nothing that is known: the nearest end is HRS."""
    readable = np.where(np.isfinite(achieved), achieved, mapping.window[1])
    return mapping.position_of(readable).astype(np.float32)

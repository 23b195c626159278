"""The edge to aihwkit: a torch model becomes an analog one that holds exactly the weights it is given.

aihwkit's defaults are noisy and rescale what they are given (7-bit DAC, 9-bit ADC, output noise 0.06, PCM noise on
top of every programming), so everything that touches a result is configured here, and `verify` proves it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rheostat.errors import InputError, MissingExtra, RheostatError

try:
    import torch
    from aihwkit.inference import PCMLikeNoiseModel
    from aihwkit.nn import AnalogConv2d, AnalogLinear, AnalogSequential
    from aihwkit.nn.conversion import convert_to_analog
    from aihwkit.simulator.configs import (
        InferenceRPUConfig,
        IOParameters,
        WeightModifierParameter,
        WeightModifierType,
        WeightNoiseType,
    )
    from aihwkit.simulator.parameters.enums import BoundManagementType, NoiseManagementType
    from torch import nn
except ImportError as error:
    raise MissingExtra(
        f"rheostat.analog needs torch and aihwkit ({error}). Run `make setup` in rheostat's source tree (on Python 3.11"
        " it builds aihwkit), or on Python 3.12 and 3.13 `pip install 'rheostat[analog]'`."
    ) from error

from rheostat.weights.networks import layers

Matrix = npt.NDArray[np.float32]


class AnalogError(RheostatError):
    """The analog model does not hold the weights it should hold."""

    code = "client.analog"


@dataclass(frozen=True, slots=True)
class Forward:
    """What a tile's matrix-vector product does besides multiplying; by default nothing.

    dac_bits, adc_bits: resolution of inputs and outputs, 2 bits or more, None: none. A converter of b bits has
        2^b - 1 levels, one of them zero.
    output_bound: full scale of the ADC, in products of full-scale inputs and full-scale weights. Inputs are scaled to
        the largest of each vector; a product beyond the bound is computed again with halved inputs.
    input_noise, output_noise, weight_noise: standard deviations, relative to full-scale input, output unit and weight.
    """

    dac_bits: int | None = None
    adc_bits: int | None = None
    output_bound: float = 12.0
    input_noise: float = 0.0
    output_noise: float = 0.0
    weight_noise: float = 0.0

    def __post_init__(self) -> None:
        for name, bits in (("dac_bits", self.dac_bits), ("adc_bits", self.adc_bits)):
            if bits is not None and bits < 2:
                raise InputError(f"{name}: 2 or more, or None for no converter, not {bits}")

    @property
    def perfect(self) -> bool:
        """Whether nothing at all is added to the product."""
        noise = (self.input_noise, self.output_noise, self.weight_noise)
        return self.dac_bits is None and self.adc_bits is None and not any(noise)


EXACT = Forward()
EIGHT_BIT = Forward(dac_bits=8, adc_bits=8)


def configuration(forward: Forward = EXACT, *, tile: tuple[int, int] = (512, 512)) -> Any:
    """The InferenceRPUConfig for a forward pass; `tile`: largest (rows, columns) of outputs and inputs on one tile."""
    config = InferenceRPUConfig()
    config.mapping.weight_scaling_omega = 1.0  # 0, aihwkit's default, leaves weights unscaled
    config.mapping.weight_scaling_columnwise = False
    config.mapping.learn_out_scaling = False
    config.mapping.digital_bias = True
    config.mapping.max_output_size, config.mapping.max_input_size = tile
    config.forward = IOParameters(
        is_perfect=forward.perfect,
        inp_bound=1.0,
        inp_res=_resolution(forward.dac_bits),
        inp_noise=forward.input_noise,
        inp_sto_round=False,
        inp_asymmetry=0.0,
        out_bound=forward.output_bound,
        out_res=_resolution(forward.adc_bits),
        out_noise=forward.output_noise,
        out_noise_std=0.0,
        out_sto_round=False,
        out_asymmetry=0.0,
        out_nonlinearity=0.0,
        out_nonlinearity_std=0.0,
        v_offset_std=0.0,
        r_series=0.0,
        w_read_asymmetry_dtod=0.0,
        w_noise=forward.weight_noise,
        w_noise_type=WeightNoiseType.ADDITIVE_CONSTANT if forward.weight_noise else WeightNoiseType.NONE,
        ir_drop=0.0,
        noise_management=NoiseManagementType.ABS_MAX,
        bound_management=BoundManagementType.ITERATIVE,
    )
    config.modifier = WeightModifierParameter(type=WeightModifierType.NONE)
    config.noise_model = PCMLikeNoiseModel(prog_noise_scale=0.0, read_noise_scale=0.0, drift_scale=0.0)
    config.drift_compensation = None
    return config


def build(
    model: nn.Module,
    positions: Mapping[str, npt.ArrayLike],
    scales: Mapping[str, float],
    forward: Forward = EXACT,
    *,
    tile: tuple[int, int] = (512, 512),
) -> nn.Module:
    """The analog model with these weights on its tiles, bit for bit; biases stay digital. `model` is not changed.

    positions: layer -> (outputs, inputs) in units of the layer's scale, -1 to 1 (a convolution unrolled); taken as
    float32. scales: layer -> what position 1 stands for. Raises InputError for a layer without positions or with
    others of another shape, AnalogError if what the tiles hold afterwards is not what was given.
    """
    wanted = _checked(model, positions)
    conversion = {nn.Linear: AnalogLinear, nn.Conv2d: AnalogConv2d, nn.Sequential: AnalogSequential}
    analog = convert_to_analog(model, configuration(forward, tile=tile), conversion_map=conversion).eval()
    for name, layer in _analog_layers(analog):
        for each in layer.analog_tiles():
            each.set_scales(torch.tensor([scales[name]], dtype=torch.float32))
        # Without apply_weight_scaling=False the scales would be rewritten; None keeps the digital bias.
        layer.analog_module.set_weights(torch.from_numpy(wanted[name]), None, apply_weight_scaling=False)
    verify(analog, wanted, scales)
    result: nn.Module = analog
    return result


def positions_of(analog: nn.Module) -> dict[str, Matrix]:
    """What the tiles of every layer hold, (outputs, inputs) in units of the layer's scale."""
    return {
        name: layer.analog_module.get_weights(apply_weight_scaling=False)[0].numpy()
        for name, layer in _analog_layers(analog)
    }


def verify(analog: nn.Module, positions: Mapping[str, npt.ArrayLike], scales: Mapping[str, float]) -> None:
    """Raise AnalogError unless every tile holds these positions and scales, bit for bit in float32."""
    held = positions_of(analog)
    if held.keys() != positions.keys():
        raise AnalogError(f"the analog model has the layers {sorted(held)}, not {sorted(positions)}")
    for name, layer in _analog_layers(analog):
        wrong = int(np.count_nonzero(held[name] != np.asarray(positions[name], dtype=np.float32)))
        if wrong:
            raise AnalogError(f"layer {name!r}: {wrong} of {held[name].size} weights are not the ones given")
        for each in layer.analog_tiles():
            scale = each.get_scales()
            if scale is None or not bool((scale == torch.tensor(scales[name], dtype=torch.float32)).all()):
                raise AnalogError(f"layer {name!r}: a tile is scaled by {scale}, not by {scales[name]}")


def _analog_layers(analog: Any) -> Iterator[tuple[str, Any]]:
    """aihwkit is untyped: this is where its layers enter."""
    yield from analog.named_analog_layers()


def _checked(model: nn.Module, positions: Mapping[str, npt.ArrayLike]) -> dict[str, Matrix]:
    wanted = {}
    for name, layer in layers(model).items():
        shape = (layer.weight.shape[0], layer.weight[0].numel())
        matrix = np.ascontiguousarray(positions.get(name, np.empty(0)), dtype=np.float32)
        if matrix.shape != shape or not np.all(np.isfinite(matrix)):
            raise InputError(
                f"layer {name!r}: finite positions of shape {shape} are needed, an array of shape"
                f" {matrix.shape} with {np.count_nonzero(~np.isfinite(matrix))} other values came"
            )
        wanted[name] = matrix
    return wanted


def _resolution(bits: int | None) -> float:
    """aihwkit's resolution: one step as a part of the range, negative for none; 2^b - 1 levels have 2^b - 2 steps."""
    return -1.0 if bits is None else 1.0 / (2**bits - 2)

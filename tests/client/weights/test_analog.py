from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from aihwkit.nn.conversion import convert_to_analog
from aihwkit.simulator.configs import InferenceRPUConfig
from torch import nn

from rheostat.weights import analog, networks


def small_model():
    torch.manual_seed(5)
    return nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(48, 5)).eval()


def random_positions(model, seed=1):
    rng = np.random.default_rng(seed)
    shapes = {name: matrix.shape for name, matrix in networks.matrices(model).items()}
    # a little beyond the window, as achieved resistances may be
    return {name: rng.uniform(-1.01, 1.01, shape).astype(np.float32) for name, shape in shapes.items()}


SCALES = {"0": 0.7, "3": 4.0}


@pytest.mark.parametrize("tile", [(512, 512), (4, 20)])
def test_weights_of_linear_and_convolution_come_in_bit_for_bit(tile):
    model = small_model()
    positions = random_positions(model)
    held = analog.positions_of(analog.build(model, positions, SCALES, tile=tile))
    for name, matrix in positions.items():
        assert np.array_equal(held[name].view(np.uint32), matrix.view(np.uint32))


@pytest.mark.parametrize("tile", [(512, 512), (4, 20)])
def test_the_analog_model_computes_what_the_digital_one_does(tile):
    model = small_model()
    positions = random_positions(model)
    digital = networks.with_weights(model, {name: positions[name] * np.float32(SCALES[name]) for name in positions})
    images = torch.randn(6, 1, 4, 4)
    with torch.no_grad():
        wanted = digital(images)
        difference = analog.build(model, positions, SCALES, tile=tile)(images) - wanted
    assert wanted.std(dim=0).min() > 0.1  # the images matter
    assert difference.abs().max() < 2e-5 * wanted.abs().max()


def test_building_leaves_the_model_as_it_was():
    model = small_model()
    before = networks.matrices(model)
    analog.build(model, random_positions(model), SCALES)
    assert all(np.array_equal(before[name], matrix) for name, matrix in networks.matrices(model).items())


def test_weights_set_with_scaling_are_seen():
    model = small_model()
    positions = random_positions(model)
    built = analog.build(model, positions, SCALES)
    for name, layer in built.named_analog_layers():
        layer.analog_module.set_weights(torch.from_numpy(positions[name]), None)  # rewrites the scales
    with pytest.raises(analog.AnalogError, match="layer '0'"):
        analog.verify(built, positions, SCALES)


def test_programming_with_a_noise_model_on_top_is_seen():
    model = small_model()
    positions = random_positions(model)
    built = analog.build(model, positions, SCALES)
    for tile in built.analog_tiles():
        tile.rpu_config.noise_model = InferenceRPUConfig().noise_model
        tile.noise_model = InferenceRPUConfig().noise_model
    built.program_analog_weights()
    built.drift_analog_weights(20.0)
    with pytest.raises(analog.AnalogError, match="weights are not the ones given"):
        analog.verify(built, positions, SCALES)


def test_the_forward_pass_repeats_itself_unless_noise_is_asked_for():
    model, images = small_model(), torch.randn(6, 1, 4, 4)
    positions = random_positions(model)

    def repeats(network):
        with torch.no_grad():
            return torch.equal(network(images), network(images))

    assert repeats(analog.build(model, positions, SCALES))
    assert repeats(analog.build(model, positions, SCALES, analog.EIGHT_BIT))
    for noise in ({"output_noise": 0.06}, {"input_noise": 0.06}, {"weight_noise": 0.06}):
        assert not repeats(analog.build(model, positions, SCALES, analog.Forward(**noise)))
    assert not repeats(convert_to_analog(model, InferenceRPUConfig()).eval())  # what aihwkit does by default


def test_a_converter_of_b_bits_has_2_to_the_b_minus_1_levels():
    line = nn.Sequential(nn.Linear(2, 1, bias=False))
    # The second input fixes the scale of the vector at 1 and has weight 0.
    inputs = torch.stack([torch.linspace(-1, 1, 4001), torch.ones(4001)], dim=1)
    for bits in (3, 8):
        for forward in (analog.Forward(dac_bits=bits), analog.Forward(adc_bits=bits, output_bound=1.0)):
            built = analog.build(line, {"0": [[1.0, 0.0]]}, {"0": 1.0}, forward)
            with torch.no_grad():
                outputs = np.unique(np.round(built(inputs).numpy(), 5))
            assert len(outputs) == 2**bits - 1
            assert 0.0 in outputs


def test_positions_that_do_not_fit_are_refused():
    model = small_model()
    positions = random_positions(model)
    with pytest.raises(ValueError, match=r"layer '3'.*shape \(5, 48\)"):
        analog.build(model, {"0": positions["0"]}, SCALES)
    positions["0"][0, 0] = np.nan
    with pytest.raises(ValueError, match="with 1 other values"):
        analog.build(model, positions, SCALES)
    with pytest.raises(ValueError, match="dac_bits: 2 or more"):
        analog.Forward(dac_bits=1)


def test_without_aihwkit_the_error_says_what_to_run():
    code = "import sys; sys.modules['aihwkit'] = None\nimport rheostat; rheostat.analog"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert ran.returncode != 0
    assert "make setup" in ran.stderr
    assert "pip install 'rheostat[analog]'" in ran.stderr

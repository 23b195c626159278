from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from rheostat.errors import InputError
from rheostat.weights import analog, networks
from rheostat.weights.mapping import Mapping
from rheostat.weights.transfer import transfer
from rheostat.wire import Outcome


def small_model():
    torch.manual_seed(5)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3)).eval()


def by_label(done):
    return {(row.section, row.label): row.value for row in done.table()}


def test_a_perfect_rig_gives_the_ideally_quantised_network(scripted_rig):
    model, images = small_model(), torch.randn(5, 1, 4, 4)
    done = transfer(model, scripted_rig())
    ideal = networks.with_weights(model, {la.name: la.mapping.quantise(la.weights) for la in done.layers})
    with torch.no_grad():
        assert (done.model(images) - ideal(images)).abs().max() < 1e-5
    assert [layer.rms_levels for layer in done.layers] == [0.0, 0.0]
    assert done.accuracy is None


def test_a_transfer_shows_itself_as_its_table_and_not_as_its_arrays(scripted_rig):
    done = transfer(small_model(), scripted_rig(), evaluate=lambda network: 0.5)
    assert len(repr(done)) < 2000
    assert all(row.label in repr(done) and row.value in done._repr_html_() for row in done.table())
    assert repr(done.layers[0]) == "<Layer 0 (Conv2d 2 x 9): rms error 0.000 levels>"


def test_achieved_weights_stand_in_the_analog_model_bit_for_bit(scripted_rig):
    rng = np.random.default_rng(7)

    def noisy(targets):
        return targets + rng.normal(0.0, 0.1, len(targets)), np.full(len(targets), Outcome.VERIFIED)

    rig = scripted_rig(noisy)
    done = transfer(small_model(), rig)
    achieved = done.placement.scatter(done.result.achieved)
    for model in (done.model, done.model_8bit):
        held = analog.positions_of(model)
        for layer in done.layers:
            assert np.array_equal(held[layer.name], layer.mapping.position_of(achieved[layer.name]).astype(np.float32))
            assert np.array_equal(layer.achieved, achieved[layer.name])


def test_targets_are_dealt_to_the_devices_in_turn_and_visited_as_a_sweep(scripted_rig):
    rig = scripted_rig()
    transfer(small_model(), rig, devices=["B1", "A1"])
    assert rig.asked["order"] == "sweep"
    assert rig.asked["devices"][:4] == ["B1", "A1", "B1", "A1"]
    assert len(rig.asked["targets"]) == 2 * 9 + 8 * 3
    assert rig.asked["tolerance"] == pytest.approx(0.137, abs=5e-5)


def test_one_device_may_be_named_without_a_list(scripted_rig):
    rig = scripted_rig()
    assert transfer(small_model(), rig, devices="B1").result.devices == ("B1",)


def test_the_four_networks_are_evaluated_in_their_order(scripted_rig):
    seen = []

    def evaluate(network):
        seen.append(type(network).__name__)
        return len(seen) / 10

    done = transfer(small_model(), scripted_rig(), evaluate=evaluate)
    assert seen == ["Sequential", "Sequential", "AnalogSequential", "AnalogSequential"]
    rows = by_label(done)
    assert rows["accuracy", "float weights"] == "10.0 %"
    assert rows["accuracy", "programmed, 8-bit ADC and DAC"] == "40.0 %"


def test_what_did_not_verify_keeps_its_achieved_value_and_is_counted(scripted_rig):
    def partly_stuck(targets):
        achieved, outcome = targets.copy(), np.full(len(targets), Outcome.VERIFIED)
        achieved[:6] += 3.0
        outcome[:6] = Outcome.STUCK
        return achieved, outcome

    done = transfer(small_model(), scripted_rig(partly_stuck))
    first = done.layers[0]
    assert np.count_nonzero(first.achieved != first.target) == 6
    assert first.rms_levels == pytest.approx(3.0 / (140 / 511) * np.sqrt(6 / 18))
    assert by_label(done)["outcomes", "stuck"] == "6 (14.3 %)"


def test_a_weight_without_a_reading_stands_at_hrs_and_is_counted(scripted_rig):
    def one_open(targets):
        achieved, outcome = targets.copy(), np.full(len(targets), Outcome.VERIFIED)
        achieved[0], outcome[0] = np.inf, Outcome.OPEN
        achieved[1], outcome[1] = np.nan, Outcome.CANCELLED
        return achieved, outcome

    done = transfer(small_model(), scripted_rig(one_open))
    assert done.unread == 2
    assert analog.positions_of(done.model)["0"][0, :2].tolist() == [-1.0, -1.0]
    assert by_label(done)["outcomes", "without a reading, taken as HRS"] == "2"
    assert np.isfinite(done.layers[0].rms_levels)


def test_with_a_limit_the_other_weights_stand_at_their_ideal_levels(scripted_rig):
    def shifted(targets):
        return targets + 1.0, np.full(len(targets), Outcome.NOT_CONVERGED)

    rig = scripted_rig(shifted)
    done = transfer(small_model(), rig, limit=10)
    assert done.programmed == len(rig.asked["targets"]) == 10
    assert rig.asked["devices"].count("A1") == 4
    moved = sum(int(np.count_nonzero(layer.achieved != layer.target)) for layer in done.layers)
    assert moved == 10
    assert all(np.array_equal(la.programmed, la.achieved != la.target) for la in done.layers)
    assert by_label(done)["outcomes", "not programmed, at their ideal level"] == "32"
    with pytest.raises(InputError, match="at least one weight"):
        transfer(small_model(), scripted_rig(), limit=0)


def test_a_window_the_device_does_not_have_is_refused_before_anything_is_sent(scripted_rig):
    rig = scripted_rig(window=(750.0, 880.0))
    with pytest.raises(InputError, match=r"device A1: its window is 750 to 880 ohm, the mapping needs 740 to 880"):
        transfer(small_model(), rig)
    assert not rig.asked


def test_an_interruption_cancels_the_job(scripted_rig):
    rig = scripted_rig()

    def interrupt(job):
        rig.job._result = None
        raise KeyboardInterrupt

    class Running:
        state = type("State", (), {"final": False})

    def start(targets, devices, **options):
        job = type(rig).program(rig, targets, devices, **options)
        job.progress = lambda: Running
        return job

    rig.program = start
    with pytest.raises(KeyboardInterrupt):
        transfer(small_model(), rig, progress=interrupt)
    assert rig.job.cancelled


def test_the_mapping_is_fitted_to_each_layer_unless_it_has_a_range(scripted_rig):
    own = transfer(small_model(), scripted_rig())
    assert len({layer.mapping.scale for layer in own.layers}) == 2
    fixed = transfer(small_model(), scripted_rig(), mapping=Mapping(weight_range=0.1))
    assert [layer.mapping.scale for layer in fixed.layers] == [0.1, 0.1]
    assert by_label(fixed)["outcomes", "clipped to the range"] == str(fixed.clipped)
    assert fixed.clipped > 0

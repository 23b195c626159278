from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from rheostat.weights import datasets, networks


def test_the_digits_are_split_the_same_way_every_time():
    first, again = datasets.digits(), datasets.digits()
    assert first.train_images.shape == (1297, 64)
    assert first.test_images.shape == (500, 64)
    assert np.array_equal(first.test_labels, again.test_labels)
    assert first.train_images.min() == 0.0
    assert first.train_images.max() == 1.0


def test_a_test_set_larger_than_the_digits_is_refused():
    with pytest.raises(ValueError, match="of 1797 images 1 to 1796 can be held back, not 1797"):
        datasets.digits(test=1797)


def test_training_repeats_bit_for_bit_and_learns_the_digits():
    data = datasets.digits()
    models = [networks.mlp(seed=3), networks.mlp(seed=3)]
    seen = []
    for model in models:
        networks.train(
            model, data.train_images, data.train_labels, epochs=8, progress=lambda done, total: seen.append(done)
        )
    first, second = (networks.matrices(model) for model in models)
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert networks.accuracy(models[0], data.test_images, data.test_labels) > 0.85
    assert seen[:8] == list(range(1, 9))


def test_another_seed_is_another_network():
    first, second = (networks.matrices(networks.mlp(seed=seed))["0"] for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_matrices_of_convolutions_are_unrolled_and_go_back_to_their_shape():
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 4))
    matrices = networks.matrices(model)
    assert {name: matrix.shape for name, matrix in matrices.items()} == {"0": (3, 18), "3": (4, 12)}
    doubled = networks.with_weights(model, {name: 2 * matrix for name, matrix in matrices.items()})
    assert torch.equal(doubled[0].weight, 2 * model[0].weight)
    assert torch.equal(doubled[0].bias, model[0].bias)


def test_layers_that_cannot_go_onto_devices_are_named():
    with pytest.raises(ValueError, match="neither a Linear nor a Conv2d"):
        networks.layers(nn.Sequential(nn.ReLU()))
    with pytest.raises(ValueError, match=r"layer '0'.*groups=2"):
        networks.layers(nn.Sequential(nn.Conv2d(2, 2, 3, groups=2)))

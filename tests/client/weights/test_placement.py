from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheostat.weights.placement import place, tiles

SHAPES = st.dictionaries(
    st.sampled_from(["fc1", "fc2", "conv"]), st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1
)
BLOCKS = st.none() | st.tuples(st.integers(1, 5), st.integers(1, 5))


@given(SHAPES, BLOCKS, st.integers(1, 30))
def test_what_is_gathered_comes_back_to_its_place(shapes, block, devices):
    rng = np.random.default_rng(1)
    matrices = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    placement = place(shapes, [f"D{k}" for k in range(devices)], block)
    back = placement.scatter(placement.gather(matrices))
    assert all(np.array_equal(back[name], matrices[name]) for name in shapes)


@given(SHAPES, BLOCKS, st.integers(1, 30))
def test_no_device_takes_two_weights_more_than_another(shapes, block, devices):
    placement = place(shapes, [f"D{k}" for k in range(devices)], block)
    assert placement.per_device.sum() == sum(rows * columns for rows, columns in shapes.values())
    assert np.ptp(placement.per_device) <= 1


@given(st.tuples(st.integers(1, 20), st.integers(1, 20)), BLOCKS)
def test_tiles_cover_a_matrix_once(shape, block):
    covered = np.zeros(shape, dtype=int)
    for tile in tiles("fc", shape, block):
        covered[tile.top : tile.bottom, tile.left : tile.right] += 1
    assert np.all(covered == 1)


def test_the_demo_network_fills_24_devices_with_49_or_50_weights_each():
    devices = [f"{row}{column}" for row in "ABCDEF" for column in range(1, 5)]
    placement = place({"0": (16, 64), "2": (10, 16)}, devices)
    assert sorted(set(placement.per_device.tolist())) == [49, 50]
    assert placement.names[:25] == [*devices, "A1"]


def test_placing_says_what_is_wrong():
    with pytest.raises(ValueError, match="at least one device"):
        place({"fc": (2, 2)}, [])
    with pytest.raises(ValueError, match="named twice: A1"):
        place({"fc": (2, 2)}, ["A1", "A1"])
    with pytest.raises(ValueError, match=r"shape \(2, 2\) is needed, \(3,\) came"):
        place({"fc": (2, 2)}, ["A1"]).gather({"fc": [1.0, 2.0, 3.0]})
    with pytest.raises(ValueError, match="4 values are needed"):
        place({"fc": (2, 2)}, ["A1"]).scatter([1.0])
    with pytest.raises(ValueError, match="at least one row"):
        list(tiles("fc", (2, 2), (0, 1)))

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rheostat import targets
from rheostat.errors import InputError, UnitError

ALL = tuple(f"{card}{place}" for card in "ABCDEF" for place in "1234")


class Doubling:
    """A differential pair: (...,) weights <-> (..., 2) ohm."""

    def to_resistance(self, weights):
        return np.stack([800.0 + weights, 800.0 - weights], axis=-1)

    def from_resistance(self, resistance):
        return (resistance[..., 0] - resistance[..., 1]) / 2


@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=0, max_dims=4, max_side=4), elements=st.floats(740, 880)))
def test_targets_keep_their_shape_and_values(array: np.ndarray) -> None:
    converted = targets.convert(array)
    assert converted.shape == array.shape
    assert np.array_equal(converted.resistance, array)
    assert np.array_equal(targets.convert(array.tolist()).resistance, array)


def test_a_torch_tensor_that_requires_a_gradient_is_taken_as_it_is() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: tensors are not tested")
    tensor = torch.linspace(740, 880, 6, dtype=torch.float32, requires_grad=True).reshape(2, 3)
    assert np.array_equal(targets.as_array(tensor), tensor.detach().numpy())
    assert targets.as_array(tensor.to(torch.bfloat16)).shape == (2, 3)


def test_torch_is_not_imported_by_the_client() -> None:
    import subprocess

    script = "import sys, rheostat.client, rheostat.aio, rheostat.export; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "False"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([[800.0, np.nan], [np.inf, 1.0]], r"targets must be finite: targets\[0, 1\] is nan \(2 of 4\)"),
        (np.nan, "targets must be finite: targets is nan"),
        ([800.0, -1.0], r"targets must be positive ohm: targets\[1\] is -1 \(1 of 2\)"),
        ([[1.0], [1.0, 2.0]], "nested lists are not of the same lengths"),
        (["a"], "must be real numbers"),
        ([1j], "must be real numbers"),
        ([True], "must be real numbers"),
        (None, "must be real numbers"),
        ([], "none given"),
    ],
)
def test_wrong_targets_are_refused_saying_which(wrong: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        targets.convert(wrong)


def test_an_unknown_unit_is_refused_before_the_values_are_looked_at() -> None:
    with pytest.raises(UnitError):
        targets.convert([np.nan], "khom")


def test_weights_need_a_mapping_and_a_mapping_takes_weights() -> None:
    with pytest.raises(InputError, match="needs a mapping"):
        targets.convert([0.5], "weight")
    with pytest.raises(InputError, match="leave out unit='uS'"):
        targets.convert([0.5], "uS", Doubling())
    with pytest.raises(InputError, match="mapping str has no to_resistance"):
        targets.convert([0.5], mapping="linear")
    pair = targets.convert([[0.5], [-0.5]], mapping=Doubling())
    assert pair.shape == (2, 1, 2)


def test_a_mapping_without_a_range_is_fitted_to_the_weights() -> None:
    from rheostat.weights.mapping import Mapping

    converted = targets.convert([-2.0, 0.0, 2.0], mapping=Mapping(levels=3))
    assert converted.resistance.tolist() == [880.0, 810.0, 740.0]
    assert converted.mapping is not None
    assert converted.mapping.from_resistance(converted.resistance).tolist() == [-2.0, 0.0, 2.0]


@given(st.integers(1, 60), st.integers(1, 24))
def test_a_list_of_devices_is_dealt_in_turn(count: int, devices: int) -> None:
    chosen = ALL[: min(count, devices)]
    used, index = targets.deal((count,), list(chosen), ())
    assert [used[i] for i in index] == [chosen[i % len(chosen)] for i in range(count)]
    share = np.bincount(index)
    assert share.max() - share.min() <= 1


def test_one_name_takes_all_targets() -> None:
    used, index = targets.deal((2, 3), "B2", ())
    assert used == ("B2",)
    assert index.tolist() == [0] * 6


def test_an_array_of_names_broadcasts_to_the_targets() -> None:
    used, index = targets.deal((2, 3), [["A1"], ["A2"]], ())
    assert [used[i] for i in index] == ["A1"] * 3 + ["A2"] * 3
    with pytest.raises(InputError, match=r"devices of shape \(3, 1\) do not fit targets of shape \(2, 3\)"):
        targets.deal((2, 3), [["A1"], ["A2"], ["A3"]], ())


def test_no_devices_named_means_all_in_turn_and_no_more_than_there_are_targets() -> None:
    used, index = targets.deal((30,), None, ALL)
    assert used == ALL
    assert index[24:].tolist() == [0, 1, 2, 3, 4, 5]
    assert targets.deal((), None, ALL)[0] == ("A1",)


def test_more_devices_than_targets_is_a_wrong_count() -> None:
    with pytest.raises(InputError, match="3 devices named for 2 targets"):
        targets.deal((2,), ["A1", "A2", "A3"], ())
    with pytest.raises(InputError, match="devices must be names such as 'A1', got 7"):
        targets.deal((2,), [7], ())


@given(st.floats(200.0, 1000.0), st.floats(1e-3, 50.0))
def test_a_band_in_siemens_is_as_wide_at_every_resistance(ohm: float, band_us: float) -> None:
    wanted = targets.convert([ohm, 2.0 * ohm])
    bands = targets.tolerances(f"{band_us} uS", wanted)
    assert bands / wanted.resistance**2 == pytest.approx(1e-6 * band_us)


def test_a_band_is_one_number_or_one_for_each_target() -> None:
    wanted = targets.convert([[700.0, 800.0], [810.0, 820.0]])
    assert targets.tolerances(0.2, wanted) == 0.2
    assert targets.tolerances("200 mohm", wanted) == pytest.approx(0.2)
    assert targets.tolerances([0.1, 0.2], wanted).tolist() == [[0.1, 0.2], [0.1, 0.2]]
    with pytest.raises(InputError, match=r"tolerance of shape \(3,\) does not fit targets of shape \(2, 2\)"):
        targets.tolerances([0.1, 0.2, 0.3], wanted)


@pytest.mark.parametrize("given_", [0.0, -1.0, "0 uS", "-1 ohm", [0.1, 0.0]])
def test_a_band_without_width_is_refused(given_: object) -> None:
    with pytest.raises(InputError, match="tolerance must be a positive number"):
        targets.tolerances(given_, targets.convert([700.0, 800.0]))

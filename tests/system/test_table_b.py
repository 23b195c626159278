"""The second paper's device through every layer: client, daemon, WGFMU library, sockets, instruments, physics.

Figures: A. Xhameni and A. Lombardo, APL Electron. Devices 1, 036124 (2025): trains of 20 potentiating and 20 depressing
write pulses, 0.7 to 0.995 V and 160 to 350 ns, 100 cycles; mean bin widths 81.077 and 80.520 uS, mean standard
deviation of a state 23.700 uS, R^2 0.99898 and 0.99925, 23.74 nJ a cycle; 16 states a direction, 31 bins of a pair.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import rheostat
from rheostat.analysis.states import LinearPart, linear_part
from rheostat.local import LocalDaemon
from rheostat.results import TrainResult

pytestmark = pytest.mark.timeout(400)

BENCH = Path(__file__).parents[2] / "deploy" / "benches" / "xhameni2025-virtual.toml"
CYCLES = 100
VOLTAGES = np.linspace(0.7, 0.995, 20)
WIDTHS = np.round(np.linspace(160e-9, 350e-9, 20), 8)  # in the steps of the instrument
TRAIN = (np.concatenate([VOLTAGES, -VOLTAGES]), np.concatenate([WIDTHS, WIDTHS]))
BIN = 81e-6  # S, of the pair
ZERO = 2.64e-3  # S, the start of the linear part
HALF_BIN_EACH = "20 uS"  # two devices, each within a quarter of a bin: the pair within half of one


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rheostat.Rig]:
    """The bench that ships, with devices that do not differ: the printed figures are those of one device."""
    bench = tmp_path_factory.mktemp("bench") / "bench.toml"
    bench.write_text(BENCH.read_text().replace("spread = 0.03", "spread = 0"))
    with (
        LocalDaemon(tmp_path_factory.mktemp("data"), bench) as daemon,
        rheostat.connect(daemon.ready(120.0)) as connected,
    ):
        yield connected


@pytest.fixture(scope="module")
def states(rig: rheostat.Rig) -> TrainResult:
    return rig.train("S1", *TRAIN, cycles=CYCLES + 1, wait=True).result()


@pytest.fixture(scope="module")
def parts(states: TrainResult) -> tuple[LinearPart, LinearPart]:
    """Of potentiation and of depression, uS, without the first cycle, which comes from where the device stood."""
    conductance = 1e6 * states.conductance[0, 1:]
    return linear_part(conductance[:, :20], 16), linear_part(conductance[:, 20:], 16)


@pytest.mark.parametrize(("direction", "width"), [(0, 81.077), (1, 80.520)], ids=["potentiation", "depression"])
def test_sixteen_states_a_direction_lie_on_a_line_as_wide_apart_as_printed(
    parts: tuple[LinearPart, LinearPart], direction: int, width: float
) -> None:
    part = parts[direction]
    print(f"bin {part.bin_width:.2f} uS, sigma {part.sigma:.2f} uS, R^2 {part.r_squared:.5f}, from pulse {part.first}")
    assert part.count == 16
    assert part.bins == 31
    assert part.bin_width == pytest.approx(width, rel=0.03)
    assert part.r_squared > 0.998


def test_the_states_scatter_from_cycle_to_cycle_as_printed(parts: tuple[LinearPart, LinearPart]) -> None:
    assert np.mean([part.sigma for part in parts]) == pytest.approx(23.7, rel=0.15)


def test_a_cycle_takes_the_energy_of_the_paper_in_a_run_of_its_own(rig: rheostat.Rig, states: TrainResult) -> None:
    measured = rig.train("S1", *TRAIN, cycles=10, measure="energy", wait=True).result().energy[0].sum(axis=1)
    print(f"energy {1e9 * measured.mean():.2f} nJ a cycle")
    assert measured.mean() == pytest.approx(23.74e-9, rel=0.10)
    estimated = states.energy[0, 1:].sum(axis=1)
    assert estimated.mean() == pytest.approx(measured.mean(), rel=0.10)


def test_the_provenance_tells_the_source_and_its_timings(states: TrainResult) -> None:
    source = states.provenance["source"]
    assert source["kind"] == "wgfmu"
    assert source["channels"] == {"row": 201, "column": 202, "others": 301}
    assert (source["read_range_a"], source["gap_s"], source["edge_s"]) == (1e-3, 20e-6, 30e-9)


def test_a_whole_train_is_one_exchange_with_the_rig(states: TrainResult) -> None:
    assert states.job.pulses == 40 * (CYCLES + 1)
    assert states.job.rig_time < 60e-6 * states.job.pulses + 0.05


def pairs(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(bins, targets): each of the bins -15..15, then random ones; the conductances (count, 2) S of the pair."""
    bins = np.concatenate([np.arange(-15, 16), np.random.default_rng(seed).integers(-15, 16, count - 31)])
    return bins, ZERO + BIN * np.stack([np.maximum(bins, 0), np.maximum(-bins, 0)], axis=1)


@pytest.mark.parametrize("count", [120, pytest.param(1000, marks=pytest.mark.full)])
def test_incremental_pulses_with_verify_reach_all_bins_of_a_pair(rig: rheostat.Rig, count: int) -> None:
    bins, targets = pairs(count, seed=5)
    job = rig.program(
        targets, devices=[["S2", "S3"]], unit="S", tolerance=HALF_BIN_EACH, scheme="incremental", wait=True
    )
    result = job.result()
    verified = result.verified.all(axis=1)
    off = (result.achieved_in("S") @ [1.0, -1.0] - BIN * bins) / BIN
    print(f"{verified.mean():.4f} of {count} pairs verified, {result.pulses.sum() / count:.1f} write pulses a pair")
    assert set(bins[verified]) == set(range(-15, 16))
    assert verified.mean() >= 0.99
    assert np.abs(off[verified]).max() <= 0.5


def test_a_crossbar_is_programmed_as_single_devices_are_and_holds_what_it_was_told(rig: rheostat.Rig) -> None:
    names = [[f"X{row}{column}" for column in (1, 2, 3)] for row in (1, 2, 3)]
    targets = ZERO + BIN * np.array([[0, 7, 15], [3, 11, 1], [14, 5, 9]])
    job = rig.program(targets, devices=names, unit="S", tolerance=HALF_BIN_EACH, scheme="incremental", wait=True)
    assert job.result().verified.all()
    held = rheostat.units.from_ohm(rig.read(np.ravel(names), readings=8, wait=True).result().resistance, "S")
    assert np.abs(held.reshape(3, 3) - targets).max() < 0.5 * BIN

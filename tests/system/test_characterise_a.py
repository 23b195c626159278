"""The first paper's figures by its own programme through every layer, 66 processes in either direction.

Printed: Z. Diao et al., Nanoscale Horiz. 10, 780 (2025).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import rheostat
from rheostat.characterisation import profile
from rheostat.characterisation.record import Characterisation
from rheostat.local import LocalDaemon

pytestmark = pytest.mark.timeout(600)

LEVELS = (32, 128, 512)
V = dict(zip(LEVELS, (4.95e-3, 3.10e-4, 1.91e-5), strict=True))
PROGRAMME = f"[calibrate]\n[staircase]\ncycles = 66\n[analysis]\nlevels = {list(LEVELS)}\n"
DIRECTIONS = ("potentiation", "depression")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Characterisation]:
    with LocalDaemon(tmp_path_factory.mktemp("data")) as daemon, rheostat.connect(daemon.ready(120.0)) as rig:
        yield rheostat.characterise(rig, profile.parse(PROGRAMME, "processes"), devices=["A1"])


def test_all_processes_go_through_the_whole_window(done: Characterisation):
    assert done.missing == ()
    assert sum(sweep.whole for sweep in done.sweeps) == 2 * 66
    for figure in done.figures:
        print(f"{figure.label}: {figure.shown}")


@pytest.mark.parametrize(
    ("direction", "pulses", "spread", "power"),
    [("potentiation", 494, 11, 0.2407), ("depression", 579, 17, 0.1146)],
    ids=DIRECTIONS,
)
def test_a_process_costs_the_pulses_and_the_power_of_the_paper(
    done: Characterisation, direction: str, pulses: float, spread: float, power: float
):
    assert done.figure(f"pulses_{direction}").value == pytest.approx(pulses, rel=0.05)
    assert spread / 2 < done.figure(f"pulses_spread_{direction}").value < 2 * spread
    assert done.figure(f"power_{direction}").value == pytest.approx(power, rel=0.10)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("n", LEVELS)
def test_levels_are_as_straight_as_printed(done: Characterisation, direction: str, n: int):
    assert done.figure(f"v_{direction}_{n}").value == pytest.approx(V[n], rel=0.05)
    assert abs(done.figure(f"v_unbiased_{direction}_{n}").value) < 0.1 * V[n]


@pytest.mark.parametrize(("direction", "printed"), [("potentiation", 0.0010), ("depression", 0.0009)], ids=DIRECTIONS)
def test_the_non_linearity_factor_is_the_printed_one_by_first_passage(
    done: Characterisation, direction: str, printed: float
):
    first_passage = done.figure(f"nlf_first_passage_{direction}_512").value
    assert first_passage == pytest.approx(printed, rel=0.20)
    assert done.figure(f"nlf_argmin_{direction}_512").value < first_passage


@pytest.mark.parametrize(("direction", "printed"), [("potentiation", 117), ("depression", 8)], ids=DIRECTIONS)
def test_as_many_levels_are_skipped_as_printed(done: Characterisation, direction: str, printed: int):
    assert done.figure(f"skipped_{direction}_32").value == 0
    assert printed / 2 <= done.figure(f"skipped_{direction}_512").value <= 2 * printed

"""The paper's device and scheme through every layer: client, daemon, drivers, sockets, instruments, physics.

Figures: Z. Diao et al., Nanoscale Horiz. 10, 780 (2025): 494 +- 11 write pulses in potentiation and 579 +- 17 in
depression over the whole window, 240.7 and 114.6 mW on average during the process.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import rheostat
from rheostat.local import LocalDaemon
from rheostat.results import ProgramResult
from rheostat.wire import Outcome

pytestmark = pytest.mark.timeout(300)

JOBS, SWEEPS = 2, 11  # a device is not pulsed more than 20,000 times in one job
LRS, HRS = 740.0, 880.0
WIDTH = 0.8  # s


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ProgramResult]]:
    """One device, its own table, to and fro through the whole window; a job's first target only brings it to HRS."""
    with LocalDaemon(tmp_path_factory.mktemp("sweeps")) as daemon, rheostat.connect(daemon.ready()) as rig:
        rig.calibrate("A1").result(120)
        targets = [HRS, *[LRS, HRS] * SWEEPS]
        yield [rig.program(targets, devices="A1", scheme="ffp", tolerance=0.137).result(120) for _ in range(JOBS)]


def test_every_sweep_ends_verified(sweeps: list[ProgramResult]) -> None:
    assert all(np.all(job.outcome == Outcome.VERIFIED) for job in sweeps)


@pytest.mark.parametrize(
    ("first", "mean", "spread", "power"),
    [(1, 494.0, 11.0, 0.2407), (2, 579.0, 17.0, 0.1146)],
    ids=["potentiation", "depression"],
)
def test_a_sweep_of_the_window_costs_the_pulses_and_the_power_of_the_paper(
    sweeps: list[ProgramResult], first: int, mean: float, spread: float, power: float
) -> None:
    pulses = np.concatenate([np.asarray(job.pulses)[first::2] for job in sweeps]).astype(float)
    energy = np.concatenate([np.asarray(job.energy)[first::2] for job in sweeps])
    print(f"pulses {pulses.mean():.1f} +- {pulses.std(ddof=1):.1f}, power {energy.sum() / pulses.sum() / WIDTH:.4f} W")
    assert len(pulses) == JOBS * SWEEPS
    assert pulses.mean() == pytest.approx(mean, rel=0.05)
    assert spread / 2 < pulses.std(ddof=1) < spread * 2
    assert energy.sum() / (pulses.sum() * WIDTH) == pytest.approx(power, rel=0.10)

"""A rig that writes with an SPGU, from the client to the device, with the bench file that ships."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rheostat
from rheostat.local import LocalDaemon

BENCH = Path(__file__).parents[2] / "deploy" / "benches" / "xhameni2025-spgu-virtual.toml"


@pytest.mark.timeout(180)
def test_targets_of_two_terminal_devices_are_verified_through_the_selector(tmp_path: Path) -> None:
    targets = np.array([300.0, 340.0, 320.0, 360.0])
    with LocalDaemon(tmp_path / "data", BENCH) as daemon, rheostat.connect(daemon.ready(120.0)) as rig:
        job = rig.program(targets, devices=["S1", "S2"] * 2, scheme="incremental", tolerance=4.0, wait=True)
        result = job.result()
        train = rig.train("S3", [0.8, 0.9, -0.8, -0.9], 2e-7, cycles=2, wait=True).result()
    assert result.outcomes() == {"verified": 4}
    assert np.all(np.abs(result.achieved - targets) <= 4.0)
    assert np.isfinite(train.resistance).all()

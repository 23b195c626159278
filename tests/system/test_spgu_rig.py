"""A rig that writes with an SPGU, from the client to the device."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rheostat
from rheostat.local import LocalDaemon
from tests.hal.virtual.spgu_bench import TEXT

CHANGES = {
    "{model}": "hfs2-2t",
    "lrs_ohm = 250.0\nhrs_ohm = 400.0": "lrs_ohm = 259.0\nhrs_ohm = 379.0\nlevels = 16",
    "max_voltage_v = 2.0": "max_voltage_v = 1.05",
    "max_width_s = 1e-3": "max_width_s = 4e-7",
    "max_energy_j = 1e-3": "max_energy_j = 5e-9",
}
FAST = {"start_voltage": 0.7, "voltage_step": 0.01, "start_width": 200e-9, "width_growth": 1.03}


@pytest.mark.timeout(180)
def test_targets_of_two_terminal_devices_are_verified_through_the_selector(tmp_path: Path) -> None:
    text = TEXT
    for old, new in CHANGES.items():
        assert old in text
        text = text.replace(old, new)
    config = tmp_path / "bench.toml"
    config.write_text(text)
    targets = np.array([300.0, 340.0, 320.0, 360.0])
    with LocalDaemon(tmp_path / "data", config) as daemon, rheostat.connect(daemon.ready(120.0)) as rig:
        job = rig.program(
            targets, devices=["D1", "D2"] * 2, scheme="incremental", parameters=FAST, tolerance=4.0, wait=True
        )
        result = job.result()
    assert result.outcomes() == {"verified": 4}
    assert np.all(np.abs(result.achieved - targets) <= 4.0)

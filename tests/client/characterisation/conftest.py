from __future__ import annotations

import pytest

from rheostat.characterisation import profile
from rheostat.characterisation.record import Characterisation
from tests.client.characterisation import benches

NAMES = ("A1", "B1", "C1")


@pytest.fixture(scope="session")
def four_terminal() -> Characterisation:
    """The programme of the first paper, small: 12 cycles of one device, 5 of two others."""
    text = profile.load("diao2025").text.replace("levels = [32, 128, 512]", "levels = [32, 512]")
    wanted = profile.parse(text, "diao2025")
    table = benches.table("A1", NAMES[1:])
    results = {
        "iv_loops": (benches.Four(("A1",)).loops(wanted.steps["iv_loops"]["voltages_v"], 4),),
        "identical_pulses": (benches.Four(("A1",)).identical((0.3, 1.0, 3.0, 7.0), 60, 3),),
        "check_table": (benches.check(("A1",)),),
        "staircase": (benches.Four(("A1",)).staircase(12, table),),
        "staircase.others": (benches.Four(NAMES[1:], 9).staircase(5, table),),
        "retention": (benches.held(NAMES),),
    }
    told = {"bench": "physics", "virtual": True, "ended": "2026-01-02 03:04:05", "versions": {"rheostatd": "0.2.0"}}
    return Characterisation(wanted, NAMES, benches.WINDOW, results, table, ("B1, staircase: 4 of 5 (1 stuck).",), told)


@pytest.fixture(scope="session")
def two_terminal() -> Characterisation:
    """The programme of the second paper: 101 cycles of one device, 31 of two others."""
    names = ("S1", "S2", "S3")
    results = {
        "train": (benches.trains(("S1",), 101),),
        "train.others": (benches.trains(("S2", "S3"), 31, 9),),
        "train_energy": (benches.trains(("S1",), 11, 8),),
        "retention": (benches.held(names, 300.0, 0.2),),
    }
    told = {"bench": "physics", "virtual": True, "ended": "2026-01-02 03:04:05"}
    return Characterisation(profile.load("xhameni2025"), names, (255.0, 400.0), results, None, (), told)

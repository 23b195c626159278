"""The second paper's figures by its own programme through every layer.

Printed: A. Xhameni and A. Lombardo, APL Electron. Devices 1, 036124 (2025), section III.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import rheostat
from rheostat.characterisation.record import Characterisation
from rheostat.local import LocalDaemon

pytestmark = pytest.mark.timeout(400)

BENCH = Path(__file__).parents[2] / "deploy" / "benches" / "xhameni2025-virtual.toml"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Characterisation]:
    """The profile that ships, on devices that do not differ: the printed figures are those of one device."""
    bench = tmp_path_factory.mktemp("bench") / "bench.toml"
    bench.write_text(BENCH.read_text().replace("spread = 0.03", "spread = 0"))
    out = tmp_path_factory.mktemp("out")
    with LocalDaemon(tmp_path_factory.mktemp("data"), bench) as daemon, rheostat.connect(daemon.ready(120.0)) as rig:
        yield rheostat.characterise(rig, "xhameni2025", out=out)
    assert (out / "report.html").exists()
    assert Characterisation.load(out).figure("bins").value == 31


def test_the_whole_programme_goes_through(done: Characterisation):
    assert done.missing == ()
    assert done.devices[0] == "S1"
    for figure in done.figures:
        print(f"{figure.label}: {figure.shown}, printed {figure.printed_shown or 'nowhere'}")


@pytest.mark.parametrize(
    ("key", "printed", "within"),
    [
        ("bin_width_potentiation", 81.077e-6, 0.03),
        ("bin_width_depression", 80.520e-6, 0.03),
        ("sigma", 23.7e-6, 0.15),
        ("cycle_energy", 23.74e-9, 0.10),
        ("r_squared_potentiation", 0.99898, 0.0005),
        ("r_squared_depression", 0.99925, 0.0005),
        ("states_potentiation", 16, 0.07),
        ("bins", 31, 0.0),
    ],
)
def test_the_figures_are_those_of_the_paper(done: Characterisation, key: str, printed: float, within: float):
    assert done.figure(key).value == pytest.approx(printed, rel=within)


def test_devices_that_do_not_differ_vary_from_cycle_to_cycle_only(done: Characterisation):
    between = done.figure("device_to_device_update_potentiation").value
    assert between < done.figure("cycle_to_cycle_update_potentiation").value

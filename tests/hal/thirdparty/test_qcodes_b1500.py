"""QCoDeS' driver of the B1500A, unmodified and through pyvisa-py, on the virtual one: whole sessions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hal.thirdparty.conftest import A1, close_relays, tell, virtual_bench
from tests.hal.thirdparty.driver_session import DriverError, DriverSession
from tests.hal.thirdparty.hysteresis import assert_pinched

SCRIPT = Path(__file__).with_name("qcodes_sessions.py")


def session_with(resource: str) -> DriverSession:
    return DriverSession("qcodes-b1500", resource, SCRIPT)


@pytest.fixture(scope="module")
def qcodes() -> Iterator[DriverSession]:
    with virtual_bench() as resources, session_with(resources["analyser"]) as session:
        close_relays(resources["switch"], *A1)
        yield session


def test_it_connects_and_finds_the_modules(qcodes: DriverSession) -> None:
    assert qcodes("sorted(it.snapshot(update=True)['submodules'])") == ["smu1", "smu2", "smu3", "smu4"]
    assert qcodes("connect(it)") == {
        "identity": {
            "vendor": "Agilent Technologies",
            "model": "B1500A",
            "serial": "0",
            "firmware": "A.06.02.2023.0401",
        },
        "modules": dict.fromkeys("1234", "KeysightB1517A"),
        "channels": [1, 2, 3, 4],
        "errors": '+0,"No Error."',
    }


def test_output_switches_read_back(qcodes: DriverSession) -> None:
    off, on = [False] * 4, [True] * 4
    assert qcodes("switches(it)") == [off, [False, True, True, False], [*on[:2], False, True], off]


def test_measurement_modes_and_formats_read_back(qcodes: DriverSession) -> None:
    assert qcodes("modes(it)") == [[[1, [1, 2]], [2, [3, 1]], [10, [4]], [3, [2]]], [11, 1]]


def test_every_setting_of_the_staircase_reads_back(qcodes: DriverSession) -> None:
    found = qcodes("sweep_settings(it)")
    assert len(found) == 14
    assert {name: read for name, (_, read) in found.items()} == {name: wanted for name, (wanted, _) in found.items()}


def test_other_settings_read_back_and_the_instruments_spelling_decides_where_the_driver_misses_it(
    qcodes: DriverSession,
) -> None:
    """The driver looks for `RI 1,-17` and `CMM 1,3` in groups 32 and 46 and finds nothing. PyMeasure, written at a real
    instrument, needs the mnemonic and its channel without a blank, and a real B1500A wrote `CL101;CL102` and `CL4`: no
    blank it is, and QCoDeS' two getters stay empty, as they do at the real one."""
    said, ranges, operations = qcodes("other_settings(it)")
    assert said == {
        "30": "FL0,2,3,4;FL1,1",
        "32": "RI1,-17;RI2,0;RI3,0;RI4,0;RV1,0;RV2,0;RV3,0;RV4,0",
        "34": "PT0.1,0.02,0.05,0;PV2,200,+0.0E+00,+1.0E+00,+1.0E-03",
        "46": "CMM1,3;CMM2,0;CMM3,0;CMM4,0",
        "47": "MSC1,1;ML1;MT0.1,0.01,50,0.2",
        "53": "SSR1,0;SSR2,0;SSR3,1;SSR4,0",
        "55": "AAD1,1;AAD2,0;AAD3,0;AAD4,0",
        "56": "AIT0,2,3;AIT1,2,2;AIT2,0,1;AZ1",
        "60": "TSC1",
        "manual": "AIT0,1,7;AIT1,2,2;AIT2,0,1;AZ1",
        "cycles": "AV-4,0",
        "samples": "AV12,0",
    }
    assert (ranges, operations) == ([], [])


def test_spots_triggered_and_direct(qcodes: DriverSession) -> None:
    found = qcodes("spot(it)")
    assert found["voltage"] == pytest.approx(0.1, abs=5e-4)
    assert 1e-4 < found["current"] < 1e-2
    assert 0.1 / 950 < -found["through"] < 0.1 / 700
    assert found["statuses"] == ["N", "N"]
    assert found["state"] == "DV1,0,+1.0E-01,+1.0E-01,0,0"
    assert [[item[:3] for item in said.split(",")] for said in found["direct"]] == [
        *(["NAI"], ["NAV"], ["NAT", "NAI"], ["NAT", "NAV"]),
        *(["NAI", "NAV"], ["NAT", "NAI", "NAV"]),
    ]
    assert re.fullmatch(r"NCI.{12},NAI.{12}", found["triggered"])
    assert found["forced"][:2] == pytest.approx([0.014, 1e-4], rel=0.1)
    assert found["forced"][2] == "DI1,17,+1.0E-04,+2.0E+00,0,0"
    assert found["limited"] == ["C", "T"]


def test_a_staircase_sweep_over_the_device(qcodes: DriverSession) -> None:
    found = qcodes("staircase(it)")
    assert found["volts"] == pytest.approx([0.01 * step for step in range(11)])
    assert found["letters"] == ["W"] * 10 + ["E"]
    assert [-0.1 / value for value in found["out"][5:]] == pytest.approx(
        [0.1 / (0.01 * step) * 823 for step in range(5, 11)], rel=0.02
    )
    assert all(into > -out for into, out in zip(found["into"][1:], found["out"][1:], strict=True))
    assert set(found["summary"].values()) == {"No status error occurred."}
    assert found["format"] == "0"
    assert found["after"] == pytest.approx(0.0, abs=1e-3)


def test_a_sweep_that_reaches_compliance_stops_and_says_where(qcodes: DriverSession) -> None:
    assert qcodes("stopped_sweep(it)") == [list("NCVVVV"), list("NTVVVV")]


def test_a_logarithmic_double_sweep(qcodes: DriverSession) -> None:
    up = [1e-3, 10**-2.5, 1e-2, 10**-1.5, 0.1]
    assert qcodes("logarithmic_sweep(it)") == pytest.approx([*up, *up[::-1]], rel=1e-5)


def test_sampling_slow_and_faster_than_2_ms(qcodes: DriverSession) -> None:
    for values, compliance in qcodes("sampling(it)").values():
        assert [0.1 / -value for value in values] == pytest.approx([823.0] * 20, rel=0.02)
        assert compliance == [1] * 20


def test_logarithmic_sampling_reads_at_the_intervals_nearest_to_ten_a_decade(qcodes: DriverSession) -> None:
    hundredths = [0, 1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40, 50, 63, 79, 100, 126, 158, 200, 251, 316, 398]
    assert qcodes("logarithmic_sampling(it)") == pytest.approx([n / 100 for n in hundredths], abs=1e-6)


def test_pulsed_spots_by_voltage_and_by_current(qcodes: DriverSession) -> None:
    by_voltage, by_current, state = qcodes("pulsed_spot(it)")
    assert by_voltage.startswith("NCI-")
    assert 0.1 / -float(by_voltage[3:]) == pytest.approx(823.0, rel=0.4)  # one sample of the pulse's converter
    assert by_current.startswith("NAV+")
    assert float(by_current[3:]) == pytest.approx(0.0142, rel=0.1)
    assert state == "DI1,17,+0.0E+00,+2.0E+00,0,0"  # back at its base


def test_errors_have_code_text_and_order(qcodes: DriverSession) -> None:
    assert qcodes("errors(it)") == {
        "raised": [
            '+100,"Undefined GPIB command."',
            '+200,"Output channel not enabled."',
            '+153,"No module for the specified channel."',
            '+100,"Undefined GPIB command."',
            '+124,"Incorrect range value for this channel.; SLOT1"',
        ],
        "status": [56, 24],  # with errors, without
        "queue": ['+100,"Undefined GPIB command."', "+200", '+0,"No Error."'],
        "text": "Undefined GPIB command.",
    }


def test_self_calibration_passes(qcodes: DriverSession) -> None:
    assert qcodes("calibration(it)") == ["PASSED", "PASSED"]


def test_round_trips_do_not_stall(qcodes: DriverSession) -> None:
    """The driver's VISA leaves Nagle's algorithm on: a stall would be 40 ms each time."""
    assert qcodes("round_trips(it)") < 0.01


def test_sweeps_over_the_device_show_its_pinched_hysteresis_and_leave_it_changed(qcodes: DriverSession) -> None:
    before = qcodes("resistance(it)")
    assert_pinched(qcodes("hysteresis(it, 7.0, 5.0)"))
    assert abs(qcodes("resistance(it)") - before) > 5.0


def test_ab_ends_a_pause_and_leaves_the_output() -> None:
    with virtual_bench("--real-time") as resources, session_with(resources["analyser"]) as session:
        took, state = session("abort(it)")
    assert took < 5.0
    assert state == "DV1,0,+1.0E-01,+1.0E-01,0,0"


def test_other_modules_are_found_and_measure_in_their_own_ranges() -> None:
    modules = "B1517A,B1517A,B1517A,B1517A,B1511B,B1530A"
    with virtual_bench("--modules", modules) as resources, session_with(resources["analyser"]) as session:
        found = session("connect(it)")
        assert list(found["modules"].values()) == [f"Keysight{name}" for name in modules.split(",")]
        assert found["channels"] == [1, 2, 3, 4, 5, 6, 602]
        session("it.write('RI 4,-9')")
        with pytest.raises(DriverError, match=r'\+124,"Incorrect range value for this channel\.; SLOT5"'):
            session("it.write('RI 5,-9')")  # 10 pA, which an MPSMU has with an ASU only
        with pytest.raises(DriverError, match=r'\+153,"No module for the specified channel\."'):
            session("it.write('DV 6,0,1')")  # a WGFMU does not listen to FLEX
        session("it.write('CN 5')")
        session("it.smu5.voltage(1.5)")
        assert session("it.smu5.voltage()") == pytest.approx(1.5, abs=5e-3)


def test_modules_that_the_driver_does_not_know_are_its_own_limit() -> None:
    """The instrument lists them all the same; PyMeasure takes them."""
    modules = "B1517A,B1517A,B1517A,B1517A,B1510A,B1525A"
    with virtual_bench("--modules", modules) as resources:
        assert tell(resources["analyser"], "UNT?").startswith(";".join(f"{name},0" for name in modules.split(",")))
        with pytest.raises(DriverError, match="NotImplementedError: Module type B1510A in slot 5 not yet supported"):
            session_with(resources["analyser"])

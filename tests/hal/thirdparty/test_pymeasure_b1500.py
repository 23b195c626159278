"""PyMeasure's driver of the B1500A, unmodified and through pyvisa-py, on the virtual one: whole sessions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hal.thirdparty.conftest import A1, close_relays, virtual_bench
from tests.hal.thirdparty.driver_session import DriverError, DriverSession
from tests.hal.thirdparty.hysteresis import assert_pinched

SCRIPT = Path(__file__).with_name("pymeasure_sessions.py")


def session_with(resource: str) -> DriverSession:
    return DriverSession("pymeasure-b1500", resource, SCRIPT)


@pytest.fixture(scope="module")
def pymeasure() -> Iterator[DriverSession]:
    with virtual_bench() as resources, session_with(resources["analyser"]) as session:
        close_relays(resources["switch"], *A1)
        session("it.initialize_all_smus()")
        yield session


def test_it_connects_and_finds_the_modules() -> None:
    """Also those that QCoDeS refuses to connect to."""
    modules = "B1517A,B1511B,B1517A,B1517A,B1510A,0,B1525A,B1530A"
    with virtual_bench("--modules", modules) as resources, session_with(resources["analyser"]) as session:
        found = session("connect(it)")
        assert session("it.smu5.voltage_ranging.output('200 V').index") == 2000
        session("(it.smu5.enable(), it.smu5.force('Voltage', '200 V', 30, 0.5))")  # an HPSMU gives that much
        with pytest.raises(DriverError, match=r"Error \+123: Compliance must be set correctly\."):
            session("(it.smu1.enable(), it.smu1.force('Voltage', '40 V', 30, 0.1))")
    assert found == {
        "identity": "Agilent Technologies,B1500A,0,A.06.02.2023.0401",
        "modules": {
            **{"1": "HRSMU", "2": "MPSMU", "3": "HRSMU", "4": "HRSMU"},
            **{"5": "HPSMU", "7": "SPGU", "8": "WGFMU"},
        },
        "names": {"1": "SMU1", "2": "SMU2", "3": "SMU3", "4": "SMU4", "5": "SMU5"},
        "idle": "1",
    }


def test_every_setting_reads_back_at_once(pymeasure: DriverSession) -> None:
    found = pymeasure("settings(it)")
    assert len(found) == 12
    for name, pairs in found.items():
        assert [read for _, read in pairs] == [wanted for wanted, _ in pairs], name


def test_with_all_filters_on_the_instrument_says_fl1_which_the_driver_takes_for_off(pymeasure: DriverSession) -> None:
    """Any answer with one entry reads as off there, what follows the mnemonic or not."""
    pymeasure("it.reset()")
    pymeasure("it.write('FL1')")
    assert pymeasure("it.ask('*LRN? 30')") == "FL1"
    assert pymeasure("it.smu1.filter") is False


def test_every_group_of_settings_in_the_drivers_own_words(pymeasure: DriverSession) -> None:
    found = pymeasure("readable(it)")
    assert found["status"] == [
        {
            "SMU1": {
                "Source Type": "Constant Voltage",
                "Voltage Range": "2 V limited auto ranging",
                "Voltage Output (V)": "+5.0E-01",
                "Compliance Current (A)": "+1.0E-03",
                "Compliance Polarity": "Manual",
                "Current Compliance Ranging Type": "1 mA limited auto ranging",
            }
        },
        {
            "SMU2": {
                "Source Type": "Constant Current",
                "Current Range": "Auto Ranging",
                "Current Output (A)": "+1.0E-04",
                "Compliance Voltage (V)": "+2.0E+00",
                "Compliance Polarity": "Auto",
                "Voltage Compliance Ranging Type": "Auto Ranging",
            }
        },
        {
            "SMU3": {
                "Source Type": "Constant Voltage",
                "Voltage Range": "20 V limited auto ranging",
                "Voltage Output (V)": "+0.0E+00",
                "Compliance Current (A)": "+1.0E-04",
                "Compliance Polarity": "Auto",
                "Current Compliance Ranging Type": "Auto Ranging",
            }
        },
        {"SMU4": "OFF"},
    ]
    assert found["modes"] == {
        "Trigger Mode": "1",
        "ADC Averaging Number": "-5",
        "ADC Averaging Mode": "Auto",
        "Auto Calibration Mode": False,
        "Output Data Format": "21",
        "Output Data Mode": "1",
        "Measurement Mode": "Staircase Sweep",
        "Measurement Channels": "SMU1, SMU3",
    }
    assert found["converters"] == {
        **{f"SMU{number} ADC": "HSADC" for number in (1, 2, 3, 4)},
        **{"HSADC Mode": "Plc", "HSADC Parameter": "5", "HRADC Mode": "Plc", "HRADC Parameter": "3"},
        **{"HSADC PULSED Mode": "Time", "HSADC PULSED Parameter": "+1.0E-04", "ADC Auto Zero": "False"},
    }
    assert found["sweep"] == {
        "Auto Abort Status": True,
        "Output after Measurement": "Stop",
        "Hold Time (s)": "0.5",
        "Delay Time (s)": "0.02",
        "Step Delay Time (s)": "0.03",
        "Step Source Trigger Delay Time (s)": "0.01",
        "Step Measurement Trigger Delay Time (s)": "0.04",
        "SMU1": {
            "Source Type": "Voltage Sweep Source",
            "Sweep Mode": "Linear Double",
            "Voltage Range": "2 V limited auto ranging",
            "Start Voltage (V)": "+0.0E+00",
            "Stop Voltage (V)": "+1.0E+00",
            "Number of Steps": "11",
            "Current Compliance (A)": "+1.0E-03",
            "Power Compliance (W)": "+5.0E-02",
        },
        "SMU2": {
            "Source Type": "Synchronous Voltage Sweep Source",
            "Voltage Range": "20 V limited auto ranging",
            "Start Voltage (V)": "+0.0E+00",
            "Stop Voltage (V)": "+2.0E+00",
            "Current Compliance (A)": "+1.0E-03",
        },
    }
    assert found["sampling"] == {
        "Auto Abort Status": True,
        "Output after Measurement": "Base",
        "Sampling Mode": "Log 25 data/decade",
        "Hold Bias Time (s)": "0",
        "Sampling Interval (s)": "0.01",
        "Number of Samples": "20",
        "Hold Base Time (s)": "0.1",
        "SMU3": {
            "Source Type": "Voltage Source Sampling",
            "Voltage Range": "2 V limited auto ranging",
            "Base Voltage (V)": "+0.0E+00",
            "Bias Voltage (V)": "+1.0E-01",
            "Current Compliance (A)": "+1.0E-03",
        },
        "SMU4": {
            "Source Type": "Current Source Sampling",
            "Current Range": "1 mA limited auto ranging",
            "Base Current (A)": "+0.0E+00",
            "Bias Current (A)": "+1.0E-04",
            "Voltage Compliance (V)": "+2.0E+00",
        },
    }
    assert found["ranges"]["SMU1 Current Measurement Range"] == "1 mA range fixed"
    assert found["ranges"]["SMU2 Voltage Measurement Range"] == "2 V limited auto ranging"
    assert found["ranges"]["SMU3 Current Measurement Range"] == "Auto Ranging"
    assert found["auto ranges"]["SMU2 Ranging Mode"] == "3"
    assert found["auto ranges"]["SMU2 Ranging Mode Parameter"] == "60"
    assert set(found["operation"].values()) == {"Compliance Side"}
    assert set(found["resistors"].values()) == {False}
    assert found["stamps"] == {"Time Stamp": "False"}
    assert found["raw"] == {
        "0": {"CN": ["1", "2", "3"]},
        "30": {"FL": "0"},
        "57": {"WAT1": ["0.5", "0"], "WAT2": ["1", "0"]},
    }


def test_spots_in_the_documented_order_and_in_every_format_the_driver_reads(pymeasure: DriverSession) -> None:
    """XE, then *OPC?, whose answer comes before the data that wait."""
    found = pymeasure("spot(it)")
    for layout, normal, current in (("1", "N", ""), ("11", "N", ""), ("21", "000", " Measurement")):
        idle, *items = found[layout]
        assert idle == "1"
        assert [item[:3] for item in items] == [
            [normal, smu, kind] for smu in ("SMU1", "SMU3") for kind in ("Time (s)", f"Current{current} (A)")
        ]
        assert 0.1 / -items[3][3] == pytest.approx(823.0, rel=0.02)
        assert items[0][3] < items[2][3] < 0.1
    assert found["cleared"] == "0"
    assert found["limited"] == ["C", "T"]
    assert found["forced"][0][:3] == ["N", "SMU1", "Voltage (V)"]
    assert found["forced"][0][3] == pytest.approx(0.0142, rel=0.1)


def test_high_speed_spots(pymeasure: DriverSession) -> None:
    shapes = [[item[:3] for item in said.split(",")] for said in pymeasure("high_speed_spot(it)")]
    assert shapes == [
        *(["NAI"], ["NAV"], ["NAT", "NAI"], ["NAT", "NAV"]),
        *(["NAI", "NAV"], ["NAT", "NAI", "NAV"]),
    ]


def test_staircase_sweeps_of_voltage_and_of_current(pymeasure: DriverSession) -> None:
    found = pymeasure("staircase(it)")
    assert found["columns"] == ["SMU1 Current (A)", "SMU3 Current (A)", "SMU1 Voltage (V)"]
    assert [row[2] for row in found["rows"]] == pytest.approx([0.01 * step for step in range(11)])
    assert [-volts / out for _, out, volts in found["rows"][2:]] == pytest.approx([823.0] * 9, rel=0.02)
    assert found["currents"] == pytest.approx([1e-6, 1e-5, 1e-4])


def test_a_synchronous_source_keeps_step_with_the_primary_one(pymeasure: DriverSession) -> None:
    primary, synchronous = pymeasure("synchronous(it)")
    assert [row[2] for row in primary] == [0.0, 0.1, 0.2, 0.2, 0.1, 0.0]
    assert [row[2] for row in synchronous] == [0.0, -0.05, -0.1, -0.1, -0.05, 0.0]
    for rows in (primary, synchronous):
        assert [row[0] for row in rows] == pytest.approx([row[2] for row in primary], abs=1e-3)
        assert [row[1] for row in rows] == pytest.approx([row[2] for row in synchronous], abs=1e-3)


def test_sampling_slow_fast_and_logarithmic(pymeasure: DriverSession) -> None:
    found = pymeasure("sampling(it)")
    steps = {"slow": range(5), "fast": range(5), "logarithmic": [*range(7), 8, 10, 13, 16, 20, 25, 32, 40, 50]}
    for name, interval in (("slow", 0.01), ("fast", 0.0005), ("logarithmic", 0.01)):
        expected = list(steps[name])
        assert [index for index, _, _ in found[name]] == [step + 1 for step in expected]
        times = [0.3 + step * interval for step in expected]  # after 0.2 s at the base and 0.1 s at the bias
        assert [time for _, time, _ in found[name]] == pytest.approx(times, abs=2e-6)
        assert [0.1 / -current for _, _, current in found[name]] == pytest.approx([823.0] * len(expected), rel=0.02)
    assert found["bias"]["SMU1"]["Voltage Output (V)"] == "+1.0E-01"


def test_cls_is_refused_as_the_real_instrument_refuses_it_and_errors_are_read_in_their_order(
    pymeasure: DriverSession,
) -> None:
    assert pymeasure("refusals(it)") == [
        "56",
        "Agilent B1500 Error +100: Undefined GPIB command.",
        "Agilent B1500 Error +200: Output channel not enabled.",
        "Agilent B1500 Error +123: Compliance must be set correctly.",
        "Agilent B1500 Error +122: Number of channels must be corrected.",
        "",
    ]


def test_outputs_are_ramped_zeroed_restored_and_switched_off(pymeasure: DriverSession) -> None:
    ramped, zeroed, restored, off, others = pymeasure("outputs(it)")
    assert ramped["SMU1"]["Voltage Output (V)"] == "+5.0E-02"
    assert zeroed["SMU1"]["Voltage Output (V)"] == "+0.0E+00"
    assert restored == ramped
    assert off == {"SMU1": "OFF"}
    assert others == {"CN": ["2", "3", "4"]}


def test_round_trips_do_not_stall(pymeasure: DriverSession) -> None:
    """The driver's VISA leaves Nagle's algorithm on: a stall would be 40 ms each time."""
    assert pymeasure("round_trips(it)") < 0.01


def test_sweeps_over_the_device_show_its_pinched_hysteresis_and_leave_it_changed(pymeasure: DriverSession) -> None:
    before = pymeasure("resistance(it)")
    assert_pinched(pymeasure("hysteresis(it, 7.0, 5.0)"))
    assert abs(pymeasure("resistance(it)") - before) > 5.0


def test_ab_ends_a_pause_and_leaves_the_output() -> None:
    with virtual_bench("--real-time") as resources, session_with(resources["analyser"]) as session:
        session("it.initialize_all_smus()")
        took, state = session("abort(it)")
    assert took < 5.0
    assert state["SMU1"]["Voltage Output (V)"] == "+1.0E-01"

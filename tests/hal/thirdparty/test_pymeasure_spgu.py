"""PyMeasure's SPGU, unmodified and through pyvisa-py, on the virtual B1525A; and what QCoDeS says of such a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rheostat_hal.virtual.parts import VirtualInstruments
from tests.hal.thirdparty.driver_session import DriverError, DriverSession
from tests.hal.virtual.conftest import current
from tests.hal.virtual.spgu_bench import COLUMN, D1, ROW, crossbar


@pytest.fixture(scope="module")
def instruments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualInstruments]:
    made = VirtualInstruments(crossbar(tmp_path_factory.mktemp("bench")))
    yield made
    made.close()


@pytest.fixture(scope="module")
def connected(instruments: VirtualInstruments) -> Iterator[DriverSession]:
    with DriverSession("pymeasure-b1500", instruments.flex.resource) as session:
        session("it.initialize_all_spgus(); it.initialize_all_smus(); pulser = it.spgu1")
        yield session


@pytest.fixture
def session(connected: DriverSession) -> Iterator[DriverSession]:
    """From reset, and without an error at the end."""
    connected("it.reset()")
    yield connected
    connected("it.check_errors()")


def test_the_module_is_found_with_both_its_channels(session: DriverSession) -> None:
    assert session("it.query_modules()") == {"1": "SPGU", "3": "HRSMU", "4": "HRSMU"}
    assert session("[pulser.ch1.id, pulser.ch2.id]") == [101, 102]


@pytest.mark.parametrize("mode", ["SPGUOperationMode.PG", "SPGUOperationMode.ALWG"])
def test_the_operation_mode_is_read_back(session: DriverSession, mode: str) -> None:
    session(f"pulser.operation_mode = {mode}")
    assert session(f"pulser.operation_mode == {mode}") is True


@pytest.mark.parametrize("seconds", [2e-6, 0.5, 10.0])
def test_the_period_is_read_back(session: DriverSession, seconds: float) -> None:
    session(f"pulser.period = {seconds}")
    assert session("pulser.period") == pytest.approx(seconds)


def test_a_period_below_a_microsecond_is_sent_as_zero_and_refused(session: DriverSession) -> None:
    """PyMeasure writes it with six decimals: the instrument sees SPPER 0.000000."""
    before = session("pulser.period")
    session("pulser.period = 2e-7")
    with pytest.raises(DriverError, match=r"OSError: Agilent B1500 Error \+120"):
        session("it.check_errors()")
    assert session("pulser.period") == before


@pytest.mark.parametrize(("mode", "condition"), [("FREE_RUN", None), ("COUNT", 1000), ("DURATION", 2)])
def test_the_output_mode_is_read_back(session: DriverSession, mode: str, condition: int | None) -> None:
    session(f"pulser.set_output_mode(SPGUOutputMode.{mode}, {condition})")
    assert session(f"pulser.get_output_mode() == (SPGUOutputMode.{mode}, {condition})") is True


@pytest.mark.parametrize("channel", ["ch1", "ch2"])
def test_the_settings_of_a_channel_are_read_back(session: DriverSession, channel: str) -> None:
    for setting in (
        "load_impedance = 820.5",
        "output_mode = SPGUChannelOutputMode.SIGNAL_SOURCE_1_2",
        "set_output_voltage(source=0, base_voltage=-1.5)",
        "set_output_voltage(source=2, base_voltage=0.1, peak_voltage=3.25)",
        "set_pulse_timings(source=1, delay=1e-7, width=2e-7, rise_time=3e-8)",
        "set_pulse_timings(source=2, delay=0, width=1e-6, rise_time=2e-8, fall_time=5e-8)",
    ):
        session(f"pulser.{channel}.{setting}")
    assert session(f"pulser.{channel}.load_impedance") == 820.5
    assert session(f"pulser.{channel}.output_mode == SPGUChannelOutputMode.SIGNAL_SOURCE_1_2") is True
    assert session(f"pulser.{channel}.get_output_voltage(0)") == [-1.5, 0.0]
    assert session(f"pulser.{channel}.get_output_voltage(2)") == [0.1, 3.25]
    assert session(f"pulser.{channel}.get_pulse_timings(1)") == [1e-7, 2e-7, 3e-8, 3e-8]
    assert session(f"pulser.{channel}.get_pulse_timings(2)") == [0.0, 1e-6, 2e-8, 5e-8]


@pytest.mark.parametrize("state", ["NO_CONNECTION", "SMU_ON", "PGU_ON", "PGU_OPEN"])
def test_the_selector_is_set(session: DriverSession, state: str) -> None:
    session("it.io_control_mode = ControlMode.SMU_PGU_SELECTOR")
    assert session("it.io_control_mode == ControlMode.SMU_PGU_SELECTOR") is True
    session(f"it.set_port_connection(PgSelectorPort.OUTPUT_1_FIRST, PgSelectorConnectionStatus.{state})")
    assert session("it.ask('ERSSP? 0')") == str(["NO_CONNECTION", "SMU_ON", "PGU_ON", "PGU_OPEN"].index(state))


def test_a_train_of_pulses_runs_reaches_the_device_and_completes(
    session: DriverSession, instruments: VirtualInstruments, monkeypatch: pytest.MonkeyPatch
) -> None:
    widths: list[float] = []
    monkeypatch.setattr(instruments.die, "across", (0.5, 0.5, -0.5, -0.5))
    monkeypatch.setattr(instruments.die, "step", lambda _, volts, width: widths.append(width * (volts > 0.8)) or False)
    instruments.world.operate((), D1)
    for sentence in (
        "it.io_control_mode = ControlMode.SMU_PGU_SELECTOR",
        "it.set_port_connection(PgSelectorPort.OUTPUT_1_FIRST, PgSelectorConnectionStatus.PGU_ON)",
        "it.smus[2].enable(); it.smus[2].force('voltage', 'Auto Ranging', 0, 0.1)",
        "pulser.operation_mode = SPGUOperationMode.PG",
        "pulser.set_output_mode(SPGUOutputMode.COUNT, 20)",
        "pulser.period = 1e-3",
        "pulser.ch1.load_impedance = 120",
        "pulser.ch1.output_mode = SPGUChannelOutputMode.SIGNAL_SOURCE_1",
        "pulser.ch1.set_output_voltage(source=1, base_voltage=0, peak_voltage=1)",
        "pulser.ch1.set_pulse_timings(source=1, delay=0, width=1e-4, rise_time=1e-7)",
        "pulser.ch1.enabled = True",
        "pulser.ch1.apply_setup()",
        "it.check_errors()",
    ):
        session(sentence)
    assert session("pulser.complete") is True
    session("pulser.output = True")
    assert session("pulser.complete") is False
    session("while not pulser.complete: pass")
    instruments.world.integrate()
    assert sum(widths) == pytest.approx(20 * 1e-4, rel=0.01)


def test_a_free_run_is_ended_by_switching_the_output_off(session: DriverSession) -> None:
    session("pulser.set_output_mode(SPGUOutputMode.FREE_RUN); pulser.period = 1e-3")
    session("pulser.ch1.enabled = True; pulser.ch1.apply_setup(); pulser.output = True")
    assert session("pulser.complete") is False
    session("pulser.output = False")
    assert session("pulser.complete") is True
    session("pulser.ch1.enabled = False")


def test_the_dc_output_is_physical(session: DriverSession, instruments: VirtualInstruments) -> None:
    """1 V told for a load of 50 ohm is 2 V of the source behind 50 ohm."""
    instruments.world.operate((), D1)
    for sentence in (
        "it.io_control_mode = ControlMode.SMU_PGU_SELECTOR",
        "it.set_port_connection(PgSelectorPort.OUTPUT_1_FIRST, PgSelectorConnectionStatus.SMU_ON)",
        f"it.write('CN 101,{ROW},{COLUMN};DV {COLUMN},0,0,0.1;DV {ROW},0,0.1,0.1;FMT 1,0')",
    ):
        session(sentence)
    device = 0.1 / abs(current(session(f"it.ask('TI {COLUMN},-18')")))
    for sentence in (
        "it.set_port_connection(PgSelectorPort.OUTPUT_1_FIRST, PgSelectorConnectionStatus.PGU_ON)",
        "pulser.ch1.output_mode = SPGUChannelOutputMode.DC",
        "pulser.ch1.set_output_voltage(source=0, base_voltage=1)",
        "pulser.ch1.apply_setup()",
    ):
        session(sentence)
    through = abs(current(session(f"it.ask('TI {COLUMN},-19')")))
    assert through * (device + 50.0) == pytest.approx(2.0, rel=5e-3)


def test_qcodes_refuses_a_mainframe_with_such_a_module(instruments: VirtualInstruments) -> None:
    with pytest.raises(DriverError, match="NotImplementedError"):
        DriverSession("qcodes-b1500", instruments.flex.resource)

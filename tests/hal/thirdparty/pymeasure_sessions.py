"""What somebody with PyMeasure's driver of the B1500A does with it. Runs in the environment that has PyMeasure.

Every function takes the driver's instrument and returns what JSON can say.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

from pymeasure.instruments.agilent import AgilentB1500
from pymeasure.instruments.agilent.agilentB1500 import (
    ADCMode,
    ADCType,
    MeasMode,
    MeasOpMode,
    SamplingMode,
    SamplingPostOutput,
    SweepMode,
    WaitTimeType,
)


def connect(it: AgilentB1500) -> Any:
    modules = it.query_modules()
    it.initialize_all_smus()
    it.check_errors()
    return {"identity": it.id, "modules": modules, "names": it.smu_names, "idle": it.check_idle()}


def ready(it: AgilentB1500) -> None:
    """All outputs on at 0 V with enough compliance, data in FMT 1."""
    it.reset()
    it.data_format(1, mode=1)
    for smu in it.smu_references:
        smu.enable()
        smu.force("Voltage", 0, 0, 0.1)


def resistance(it: AgilentB1500) -> float:
    """Of the device in the relays, at 0.1 V, which leaves it as it is."""
    ready(it)
    it.smu3.adc_type = ADCType.HRADC
    it.smu3.meas_range_current = "1 mA range fixed"
    it.meas_mode(MeasMode.SPOT, it.smu3)
    it.smu1.force("Voltage", 0, 0.1)
    it.send_trigger()
    assert it.check_idle()
    found = 0.1 / abs(it.read_data(1).iloc[0, 0])
    it.force_gnd()
    return float(found)


def settings(it: AgilentB1500) -> Any:
    """Set each, read each back: [wanted, found]."""
    it.reset()
    found: dict[str, list[Any]] = {}

    def check(name: str, owner: Any, *values: Any) -> None:
        for value in values:
            setattr(owner, name, value)
            found.setdefault(f"{owner.name} {name}", []).append([value, getattr(owner, name)])

    for name in ("auto_calibration", "parallel_meas", "adc_auto_zero", "time_stamp"):
        check(name, it, True, False)
    for smu in (it.smu1, it.smu4):
        check("filter", smu, True, False)
        check("series_resistor", smu, True, False)
        check("meas_op_mode", smu, *MeasOpMode)
        check("adc_type", smu, *ADCType)
    return found


def readable(it: AgilentB1500) -> Any:
    """Every group of settings in the driver's own words."""
    it.reset()
    it.data_format(21, mode=1)
    it.meas_mode(MeasMode.STAIRCASE_SWEEP, it.smu1, it.smu3)
    it.adc_averaging(-5)
    it.adc_setup(ADCType.HRADC, ADCMode.PLC, 3)
    it.adc_setup(ADCType.HSADC_PULSED, ADCMode.TIME, 0.0001)
    it.wait_time(WaitTimeType.SMU_SOURCE, 0.5, 0)
    it.sweep_timing(0.5, 0.02, 0.03, 0.01, 0.04)
    it.sweep_auto_abort(True, post="STOP")
    it.smu1.staircase_sweep_source("Voltage", SweepMode.LINEAR_DOUBLE, "2 V", 0, 1, 11, 0.001, 0.05)
    it.smu2.synchronous_sweep_source("Voltage", "20 V", 0, 2, 0.001)
    it.sampling_mode = SamplingMode.LOG_25
    it.sampling_timing(0, 0.01, 20, 0.1)
    it.sampling_auto_abort(True, post=SamplingPostOutput.BASE)
    it.smu3.sampling_source("Voltage", "2 V", 0, 0.1, 0.001)
    it.smu4.sampling_source("Current", "1 mA", 0, 0.0001, 2)
    it.smu1.meas_range_current = "1 mA range fixed"
    it.smu2.meas_range_voltage = "2 V"
    it.smu2.meas_range_current_auto(3, 60)
    it.smu1.enable()
    it.smu1.force("Voltage", "2 V", 0.5, 0.001, comp_polarity=1, comp_range="1 mA")
    it.smu2.enable()
    it.smu2.force("Current", 0, 0.0001, 2)
    it.smu3.enable()
    return {
        "status": [smu.status for smu in (it.smu1, it.smu2, it.smu3, it.smu4)],
        "modes": it.query_meas_settings(),
        "converters": it.query_adc_setup(),
        "sweep": it.query_staircase_sweep_settings(),
        "sampling": it.query_sampling_settings(),
        "ranges": it.query_meas_ranges(),
        "auto ranges": it.query_meas_range_current_auto(),
        "operation": it.query_meas_op_mode(),
        "resistors": it.query_series_resistor(),
        "stamps": it.query_time_stamp_setting(),
        "raw": {number: it.query_learn(number) for number in (0, 30, 57)},
    }


def spot(it: AgilentB1500) -> Any:
    """The documented order: trigger, `*OPC?`, then the data; in each of the formats the driver can read."""
    found = {}
    ready(it)
    it.smu1.force("Voltage", 0, 0.1, 0.01)
    for layout in (1, 11, 21):
        it.data_format(layout)
        it.time_stamp = True
        it.meas_mode(MeasMode.SPOT, it.smu1, it.smu3)
        it.clear_timer()
        it.send_trigger()
        idle = it.check_idle()
        found[layout] = [idle, *it.read_channels(4)]
        assert it.read_bytes(1) == b"\n"  # which the driver leaves behind
    it.time_stamp = False
    it.data_format(1)
    it.send_trigger()
    it.clear_buffer()
    found["cleared"] = it.ask("NUB?")
    it.smu1.force("Voltage", 0, 0.1, 1e-6)
    it.send_trigger()
    assert it.check_idle()
    found["limited"] = [item[0] for item in it.read_channels(2)]
    assert it.read_bytes(1) == b"\n"
    it.smu1.force("Current", 0, 1e-4, 2)
    it.meas_mode(MeasMode.SPOT, it.smu1)
    it.send_trigger()
    assert it.check_idle()
    found["forced"] = it.read_channels(1)
    assert it.read_bytes(1) == b"\n"
    return found


def high_speed_spot(it: AgilentB1500) -> Any:
    """By hand: this release of the driver has no method for it."""
    ready(it)
    it.smu1.force("Voltage", 0, 0.1)
    return [it.ask(line) for line in ("TI 1,-17", "TV1", "TTI1, 0", "TTV 1", "TIV 1, -17, 0", "TTIV 1")]


def staircase(it: AgilentB1500) -> Any:
    ready(it)
    it.smu3.meas_range_current = "1 mA range fixed"
    it.meas_mode(MeasMode.STAIRCASE_SWEEP, it.smu1, it.smu3)
    it.sweep_timing(0, 0.001)
    it.sweep_auto_abort(False, post="START")
    it.smu1.staircase_sweep_source("Voltage", SweepMode.LINEAR_SINGLE, 0, 0, 0.1, 11, 0.01)
    it.send_trigger()
    assert it.check_idle()
    table = it.read_data(11)
    it.smu1.staircase_sweep_source("Current", SweepMode.LOG_SINGLE, 0, 1e-6, 1e-4, 3, 2)
    it.send_trigger()
    assert it.check_idle()
    currents = it.read_data(3)
    return {
        "columns": list(table.columns),
        "rows": table.to_numpy().tolist(),
        "currents": currents.iloc[:, -1].tolist(),
    }


def synchronous(it: AgilentB1500) -> Any:
    """A second source in step with the first; FMT mode 2 asks for its values instead."""
    ready(it)
    it.smu2.staircase_sweep_source("Voltage", SweepMode.LINEAR_DOUBLE, 0, 0, 0.2, 3, 0.01)
    it.smu4.synchronous_sweep_source("Voltage", 0, 0, -0.1, 0.01)
    it.meas_mode(MeasMode.STAIRCASE_SWEEP, it.smu2, it.smu4)
    it.smu2.meas_op_mode = MeasOpMode.VOLTAGE
    it.smu4.meas_op_mode = MeasOpMode.VOLTAGE
    rows = []
    for mode in (1, 2):
        it.data_format(1, mode=mode)
        it.send_trigger()
        assert it.check_idle()
        rows.append(it.read_data(6).to_numpy().tolist())
    return rows


def sampling(it: AgilentB1500) -> Any:
    """Linear, faster than 2 ms, and logarithmic: index, time and current of each sample."""
    found = {}
    for name, mode, interval, number in (
        ("slow", SamplingMode.LINEAR, 0.01, 5),
        ("fast", SamplingMode.LINEAR, 0.0005, 5),
        ("logarithmic", SamplingMode.LOG_10, 0.01, 16),
    ):
        ready(it)
        it.time_stamp = True
        it.meas_mode(MeasMode.SAMPLING, it.smu3)
        it.smu3.meas_range_current = "1 mA range fixed"
        it.sampling_mode = mode
        it.sampling_timing(0.1, interval, number, 0.2)
        it.sampling_auto_abort(False, post="Bias")
        it.smu1.sampling_source("Voltage", 0, 0, 0.1, 0.01)
        it.clear_timer()
        it.send_trigger()
        assert it.check_idle()
        found[name] = it.read_data(number).to_numpy().tolist()
    found["bias"] = it.smu1.status
    return found


def refusals(it: AgilentB1500) -> Any:
    """The generic `clear` sends *CLS, which a B1500A refuses; the driver's next check finds the error."""
    it.reset()
    it.clear()
    said = [it.status]
    for command in (
        it.check_errors,
        lambda: it.smu1.force("Voltage", 0, 1, 0.01),
        lambda: it.smu1.staircase_sweep_source("Voltage", SweepMode.LINEAR_SINGLE, 0, 0, 1, 3, 0.5),
        lambda: it.meas_mode(MeasMode.SPOT),
        it.check_errors,
    ):
        try:
            command()
        except OSError as error:
            said.append(str(error))
        else:
            said.append("")
    return said


def outputs(it: AgilentB1500) -> Any:
    """0 V and back, off."""
    ready(it)
    it.smu1.ramp_source("Voltage", 0, 0.05, 0.01, stepsize=0.01, pause=0)
    states = [it.smu1.status]
    it.smu1.force_gnd()
    states.append(it.smu1.status)
    it.smu1.restore_settings()
    states.append(it.smu1.status)
    it.force_gnd()
    it.restore_settings()
    it.pause(1)
    it.smu1.disable()
    return [*states, it.smu1.status, it.query_learn(0)]


def abort(it: AgilentB1500) -> Any:
    """AB ends a pause of a minute; the output stays where it is."""
    ready(it)
    it.smu1.force("Voltage", 0, 0.1)
    it.pause(60)
    began = time.monotonic()
    time.sleep(0.1)
    it.abort()
    it.check_errors()
    took = time.monotonic() - began
    state = it.smu1.status
    it.reset()
    return took, state


def round_trips(it: AgilentB1500, count: int = 50) -> float:
    """s, the median of a write with its error query."""
    took = []
    for _ in range(count):
        began = time.perf_counter()
        it.clear_timer()
        it.check_errors()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def hysteresis(it: AgilentB1500, peak: float, delay: float) -> Any:
    """A double sweep to +peak and one to -peak on the write terminals: [volts, currents] of each."""
    ready(it)
    loops = []
    for stop in (peak, -peak):
        it.smu2.staircase_sweep_source("Voltage", SweepMode.LINEAR_DOUBLE, 0, 0, stop, 21, 0.1)
        it.smu4.synchronous_sweep_source("Voltage", 0, 0, stop, 0.1)
        it.sweep_timing(0, delay)
        it.sweep_auto_abort(False, post="START")
        it.meas_mode(MeasMode.STAIRCASE_SWEEP, it.smu2, it.smu4)
        it.send_trigger()
        assert it.check_idle()
        table = it.read_data(42)
        loops.append([table.iloc[:, 2].tolist(), (table.iloc[:, 0] + table.iloc[:, 1]).tolist()])
    return loops

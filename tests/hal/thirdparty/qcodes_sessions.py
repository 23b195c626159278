"""What somebody with QCoDeS' driver of the B1500A does with it. Runs in the environment that has QCoDeS.

Every function takes the driver's instrument and returns what JSON can say.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

from qcodes.instrument_drivers.Keysight.keysightb1500 import KeysightB1500, MessageBuilder, constants

ALL = (1, 2, 3, 4)


def connect(it: KeysightB1500) -> Any:
    return {
        "identity": it.get_idn(),
        "modules": {int(slot): type(module).__name__ for slot, module in it.by_slot.items()},
        "channels": sorted(int(channel) for channel in it.by_channel),
        "errors": it.error_message(),
    }


def switches(it: KeysightB1500) -> Any:
    said = [[it.by_slot[slot].is_enabled() for slot in ALL]]
    it.smu2.enable_outputs()
    it.enable_channels([3])
    said.append([it.by_slot[slot].is_enabled() for slot in ALL])
    it.enable_channels()
    it.smu3.disable_outputs()
    said.append([it.by_slot[slot].is_enabled() for slot in ALL])
    it.disable_channels()
    return [*said, [it.by_slot[slot].is_enabled() for slot in ALL]]


def modes(it: KeysightB1500) -> Any:
    said = []
    for mode, channels in ((1, [1, 2]), (2, [3, 1]), (10, [4]), (3, [2])):
        it.set_measurement_mode(mode, channels)
        found = it.get_measurement_mode()
        said.append([int(found["mode"]), found["channels"]])
    it.write(MessageBuilder().fmt(11, 1).message)
    found = it.get_response_format_and_mode()
    return said, [int(found["format"]), int(found["mode"])]


SWEEP = {
    "hold_time": 0.5,
    "delay": 0.02,
    "step_delay": 0.03,
    "trigger_delay": 0.01,
    "measure_delay": 0.04,
    "sweep_auto_abort": constants.Abort.ENABLED,
    "post_sweep_voltage_condition": constants.WM.Post.STOP,
    "sweep_mode": constants.SweepMode.LINEAR_TWO_WAY,
    "sweep_range": constants.VOutputRange.MIN_2V,
    "sweep_start": 0.25,
    "sweep_end": 1.5,
    "sweep_steps": 17,
    "current_compliance": 0.0125,
    "power_compliance": 0.1,
}


def sweep_settings(it: KeysightB1500) -> Any:
    """Set each, read each back: [wanted, found]."""
    sweep = it.smu1.iv_sweep
    for name, value in SWEEP.items():
        sweep.parameters[name](value)
    return {name: [value, sweep.parameters[name].get()] for name, value in SWEEP.items()}


def other_settings(it: KeysightB1500) -> Any:
    """What the driver can set, then what the instrument says of it in its own words."""
    smu1, smu2 = it.smu1, it.smu2
    it.autozero_enabled(True)
    it.use_nplc_for_high_speed_adc(3)
    it.use_nplc_for_high_resolution_adc(2)
    smu1.use_high_resolution_adc()
    smu2.use_high_speed_adc()
    smu1.enable_filter(True)
    smu1.measurement_operation_mode(constants.CMM.Mode.FORCE_SIDE)
    smu1.current_measurement_range(constants.IMeasRange.FIX_1mA)
    smu2.timing_parameters(0.1, 0.01, 50, 0.2)
    it.write(MessageBuilder().pt(0.1, 0.02, 0.05).pv(2, 12, 0, 1, 1e-3).message)
    it.write(MessageBuilder().ssr(3, True).message)
    it.write(MessageBuilder().tsc(True).message)
    said = {number: it.ask(f"*LRN? {number}") for number in (30, 32, 34, 46, 47, 53, 55, 56, 60)}
    it.use_manual_mode_for_high_speed_adc(7)
    said["manual"] = it.ask("*LRN? 56")
    smu1.set_average_samples_for_high_speed_adc(-4)
    said["cycles"] = it.ask("*LRN? 31").split(";")[1]
    smu1.set_average_samples_for_high_speed_adc(12)
    said["samples"] = it.ask("*LRN? 31").split(";")[1]
    return said, smu1.current_measurement_range(), smu1.measurement_operation_mode()


def ready(it: KeysightB1500) -> None:
    """All outputs on at 0 V with enough compliance. The driver keeps the times of the last sweep: they go to 0, too."""
    it.reset()
    for name in ("trigger_delay", "hold_time", "delay", "step_delay", "measure_delay"):
        it.smu1.iv_sweep.parameters[name](0)
    it.enable_channels()
    for smu in (it.smu1, it.smu2, it.smu3, it.smu4):
        smu.source_config(output_range=constants.VOutputRange.AUTO, compliance=0.1)
        smu.voltage(0)


def resistance(it: KeysightB1500) -> float:
    """Of the device in the relays, at 0.1 V, which leaves it as it is."""
    ready(it)
    it.smu3.use_high_resolution_adc()
    it.smu3.i_measure_range_config(constants.IMeasRange.FIX_1mA)
    it.smu1.voltage(0.1)
    found = 0.1 / abs(it.smu3.current())
    it.smu1.voltage(0)
    return float(found)


def spot(it: KeysightB1500) -> Any:
    ready(it)
    smu = it.smu1
    smu.v_measure_range_config(constants.VMeasRange.FIX_2V)
    smu.i_measure_range_config(constants.IMeasRange.MIN_1mA)
    smu.voltage(0.1)
    found: dict[str, Any] = {"voltage": smu.voltage(), "current": smu.current(), "through": it.smu3.current()}
    found["statuses"] = [smu.voltage.measurement_status.name, smu.current.measurement_status.name]
    found["state"] = it.ask("*LRN? 1")
    found["direct"] = [
        it.ask(message.message)
        for message in (
            MessageBuilder().ti(1, -17),
            MessageBuilder().tv(1),
            MessageBuilder().tti(1, -17),
            MessageBuilder().ttv(1, 0),
            MessageBuilder().tiv(1, -17, 0),
            MessageBuilder().ttiv(1),
        )
    ]
    it.set_measurement_mode(1, [3, 1])
    found["triggered"] = it.ask(MessageBuilder().xe().message)
    smu.source_config(output_range=constants.IOutputRange.MIN_1mA, compliance=2)
    smu.current(1e-4)
    found["forced"] = [smu.voltage(), smu.current(), it.ask("*LRN? 1")]
    smu.source_config(output_range=constants.VOutputRange.AUTO, compliance=1e-6)
    smu.voltage(0.1)
    smu.current()
    it.smu3.current()
    found["limited"] = [smu.current.measurement_status.name, it.smu3.current.measurement_status.name]
    return found


def staircase(it: KeysightB1500) -> Any:
    ready(it)
    it.smu1.setup_staircase_sweep(
        v_start=0.0,
        v_end=0.1,
        n_steps=11,
        av_coef=-1,
        i_comp=0.01,
        i_meas_range=constants.IMeasRange.FIX_1mA,
        delay=0.001,
        post_sweep_voltage_val=constants.WM.Post.START,
    )
    it.smu3.current_measurement_range(constants.IMeasRange.FIX_1mA)
    it.set_measurement_mode(constants.MM.Mode.STAIRCASE_SWEEP, [1, 3])
    sweep = it.run_iv_staircase_sweep
    sweep.set_names_labels_and_units(names=("into", "out"))
    into, out = sweep()
    return {
        "volts": sweep.source_voltage.value,
        "letters": sweep.source_voltage.status,
        "into": into,
        "out": out,
        "summary": sweep.status_summary(),
        "format": str(it.get_response_format_and_mode()["mode"]),
        "after": it.smu1.voltage(),
    }


def stopped_sweep(it: KeysightB1500) -> Any:
    """Compliance on the way: the driver makes NaN of the dummies."""
    ready(it)
    it.smu1.setup_staircase_sweep(
        v_start=0.0, v_end=0.5, n_steps=6, i_comp=3e-4, i_meas_range=constants.IMeasRange.FIX_1mA
    )
    it.set_measurement_mode(constants.MM.Mode.STAIRCASE_SWEEP, [1, 3])
    it.run_iv_staircase_sweep.set_names_labels_and_units()
    it.run_iv_staircase_sweep()
    return it.run_iv_staircase_sweep.param1.status, it.run_iv_staircase_sweep.param2.status


def logarithmic_sweep(it: KeysightB1500) -> Any:
    ready(it)
    it.write(MessageBuilder().wv(1, 4, 0, 1e-3, 0.1, 5, 0.01).fmt(1, 1).message)
    it.set_measurement_mode(constants.MM.Mode.STAIRCASE_SWEEP, [3])
    return [float(item[3:]) for item in it.ask("XE").split(",")[1::2]]


def sampling(it: KeysightB1500) -> Any:
    ready(it)
    found = {}
    for name, interval in (("slow", 0.01), ("fast", 0.0005)):
        it.smu3.measurement_mode(constants.MM.Mode.SAMPLING)
        it.smu3.current_measurement_range(constants.IMeasRange.FIX_1mA)
        it.smu3.timing_parameters(h_bias=0, interval=interval, number=20)
        it.smu1.voltage(0.1)
        found[name] = [it.smu3.sampling_measurement_trace().tolist(), it.smu3.sampling_measurement_trace.compliance()]
    return found


def logarithmic_sampling(it: KeysightB1500) -> Any:
    """Times at which ML 2 reads, s after the first."""
    ready(it)
    it.set_measurement_mode(constants.MM.Mode.SAMPLING, [3])
    it.write(MessageBuilder().ml(constants.ML.Mode.LOG_10_PER_DECADE).mt(0, 0.01, 25).tsc(True).message)
    it.write(
        MessageBuilder().mv(1, 0, 0, 0.1, 0.1).msc(constants.Abort.DISABLED, constants.MSC.Post.BASE_VALUE).message
    )
    times = [float(item[3:]) for item in it.ask("XE").split(",")[::2]]
    return [time - times[0] for time in times]


def pulsed_spot(it: KeysightB1500) -> Any:
    ready(it)
    it.write(MessageBuilder().pt(0, 0.001, 0.01).pv(1, 12, 0, 0.1, 0.1).message)
    it.set_measurement_mode(constants.MM.Mode.PULSED_SPOT, [3])
    read = it.ask("XE")
    it.write(MessageBuilder().pi(1, 17, 0, 1e-4, 2).message)
    it.set_measurement_mode(constants.MM.Mode.PULSED_SPOT, [1])
    return [read, it.ask("XE"), it.ask("*LRN? 1")]


def errors(it: KeysightB1500) -> Any:
    """The driver asks after each write and raises; what goes past it stays in the queue, oldest first."""
    it.reset()
    raised = []
    for line in ("*CLS", "DV 2,0,1", "DV 9,0,1", "XYZ", "CN 1;DV 1,7,1"):
        try:
            it.write(line)
        except RuntimeError as error:
            raised.append(str(error).split(": ", 1)[1])
    it.reset()
    for line in ("*CLS", "TI 2"):
        it.visa_handle.write(line)
    it.visa_handle.write("*RST")
    status = it.get_status()
    queue = [it.error_message(), it.error_message(mode=constants.ERRX.Mode.CODE_ONLY), it.error_message()]
    return {"raised": raised, "status": [status, it.get_status()], "queue": queue, "text": it.ask("EMG? 100")}


def calibration(it: KeysightB1500) -> Any:
    return it.self_calibration().name, it.self_calibration(slot=constants.SlotNr.SLOT01).name


def abort(it: KeysightB1500) -> Any:
    """AB ends a pause of a minute; the output stays where it is."""
    ready(it)
    it.smu1.voltage(0.1)
    it.visa_handle.write("PA 60")
    began = time.monotonic()
    time.sleep(0.1)
    it.write(MessageBuilder().ab().message)
    took = time.monotonic() - began
    state = it.ask("*LRN? 1")
    it.reset()
    return took, state


def round_trips(it: KeysightB1500, count: int = 50) -> float:
    """s, the median of a write with its error query."""
    took = []
    for _ in range(count):
        began = time.perf_counter()
        it.write("TSR")
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def hysteresis(it: KeysightB1500, peak: float, delay: float) -> Any:
    """A double sweep to +peak and one to -peak on the write terminals: [volts, currents] of each."""
    ready(it)
    loops = []
    for stop in (peak, -peak):
        it.write(MessageBuilder().wv(2, 3, 0, 0, stop, 21, 0.1).wsv(4, 0, 0, stop, 0.1).message)
        it.write(MessageBuilder().wt(0, delay).wm(False, constants.WM.Post.START).fmt(1, 1).message)
        it.set_measurement_mode(constants.MM.Mode.STAIRCASE_SWEEP, [2, 4])
        values = [float(item[3:]) for item in it.ask("XE").split(",")]
        loops.append([values[2::3], [a + b for a, b in zip(values[::3], values[1::3], strict=True)]])
    return loops

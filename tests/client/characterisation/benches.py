"""Results as a daemon gives them, made by the devices' physics alone: what figures of merit are tried on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rheostat import results, wire
from rheostat.curves import choose_voltage
from rheostat_hal.models import hfs2, rng, tio2x

WINDOW = (740.0, 880.0)
WIDTH = 0.8
NOISE = 0.02  # ohm rms of a reading
WRITE_PATH = 83.0  # ohm


def result(kind: str, devices: tuple[str, ...], arrays: dict[str, Any], **spec: Any) -> results.Result:
    job = wire.Job(
        job_id=f"j-{kind}",
        kind=kind,
        state=wire.JobState.DONE,
        pulses=1000,
        reads=2000,
        energy=1.5,
        rig_time=900.0,
        started=10.0,
        finished=11.0,
    )
    told = {"job_id": job.job_id, "bench": "physics", "spec": spec, "windows_ohm": {"tio2x-4t": list(WINDOW)}}
    return results.build(wire.Result(job=job, devices=devices, provenance=told), arrays)


def table(device: str = "A1", others: tuple[str, ...] = (), version: str = "t-1") -> wire.FeedforwardTable:
    """dR(V, R) as the law has it."""
    p = tio2x.NOMINAL
    voltages = np.linspace(0.2, 7.0, 60)
    resistances = np.linspace(*WINDOW, 71)
    law = voltages[:, None], resistances[None, :]
    falls = np.maximum(law[1] - (p["pot_base"] - p["pot_slope"] * law[0]), 0.0) * -math.expm1(-p["kp"] * WIDTH)
    rises = np.maximum(p["dep_base"] + p["dep_slope"] * law[0] - law[1], 0.0) * -math.expm1(-p["kd"] * WIDTH)
    info = wire.TableInfo(
        version=version,
        device=device,
        created=1.7e9,
        width=WIDTH,
        window=WINDOW,
        gains={device: (1.0, 1.0), **dict.fromkeys(others, (1.02, 0.98))},
        noise=NOISE,
    )
    return wire.FeedforwardTable(info, voltages, resistances, falls, rises, 0.03 * falls, 0.03 * rises)


class Four:
    """Four-terminal devices of a die, written and read one by one."""

    def __init__(self, names: tuple[str, ...], seed: int = 7, spread: float = 0.025) -> None:
        self.names = names
        self.params = tio2x.params_of_die(seed, len(names), spread)
        self.params[0] = tio2x.nominal()
        self.states = tio2x.pristine_states(self.params, seed)
        self.generators = [rng.seed(seed, k) for k in range(len(names))]
        self.noise = np.random.default_rng(seed)

    def write(self, k: int, voltage: float, width: float = WIDTH) -> float:
        """J."""
        tio2x.step(self.states[k], self.params[k], voltage, width, self.generators[k])
        return voltage**2 / WRITE_PATH * width

    def read(self, k: int) -> float:
        return float(self.states[k, tio2x.RESISTANCE] + NOISE * self.noise.normal())

    def bring(self, k: int, goal: float) -> None:
        for _ in range(3000):
            away = self.states[k, tio2x.RESISTANCE] - goal
            if abs(away) < 0.3:
                return
            self.write(k, (6.0 if away > 0 else -6.0), 0.8 if abs(away) > 3.0 else 0.05)

    def loops(self, voltages: tuple[float, ...], loops: int, dwell: float = 100.0) -> results.Result:
        shape = (len(self.names), loops, len(voltages))
        resistance, current, energy = (np.zeros(shape) for _ in range(3))
        for place in np.ndindex(shape):
            voltage = voltages[place[2]]
            energy[place] = self.write(place[0], voltage, dwell)
            current[place] = voltage / WRITE_PATH
            resistance[place] = self.read(place[0])
        arrays = {"voltage": np.array(voltages), "resistance": resistance, "current": current, "energy": energy}
        return result("iv_loops", self.names, arrays, dwell=dwell)

    def identical(self, voltages: tuple[float, ...], pulses: int, repetitions: int) -> results.Result:
        shape = (len(self.names), 2, len(voltages), repetitions)
        resistance = np.zeros((*shape, pulses + 1))
        for place in np.ndindex(shape):
            k, way, v, _ = place
            self.bring(k, WINDOW[1 - way])
            resistance[place][0] = self.read(k)
            for n in range(pulses):
                self.write(k, voltages[v] * (1 - 2 * way), 2.0)
                resistance[place][n + 1] = self.read(k)
        arrays = {
            "voltages": np.array(voltages),
            "resistance": resistance,
            "stroke": np.full(shape, 30.0),
            "energy": np.ones(shape),
            "outcome": np.ones(shape, np.uint8),
        }
        return result("identical_pulses", self.names, arrays, width=2.0)

    def staircase(self, cycles: int, of: wire.FeedforwardTable | None = None) -> results.Result:
        of = of or table(self.names[0])
        grid = np.linspace(WINDOW[0] - 5, WINDOW[1] + 5, 1501)
        chosen = [choose_voltage(of, grid, step, way) for step, way in zip(of.info.step, (1, -1), strict=True)]
        counts = np.zeros((len(self.names), cycles, 2), np.int32)
        final = np.zeros(counts.shape)
        rows: list[tuple[float, float, float]] = []
        for k in range(len(self.names)):
            self.bring(k, WINDOW[1])
            for cycle in range(cycles):
                for way in (0, 1):
                    sign, end = 1 - 2 * way, WINDOW[way]
                    reading = self.read(k)
                    while (reading - end) * sign > 0.0 and counts[k, cycle, way] < 2000:
                        voltage = sign * float(np.interp(reading, grid, chosen[way]))
                        rows.append((reading, voltage, self.write(k, voltage)))
                        counts[k, cycle, way] += 1
                        reading = self.read(k)
                    final[k, cycle, way] = reading
        taken = np.array(rows)
        arrays = {
            "counts": counts,
            "final": final,
            "outcome": np.ones(counts.shape, np.uint8),
            **{name: taken[:, i].copy() for i, name in enumerate(("resistance", "voltage", "energy"))},
        }
        return result("staircase", self.names, arrays, cycles=cycles)


def held(names: tuple[str, ...], start: float = 800.0, per_decade: float = 0.4, seed: int = 3) -> results.Result:
    times = np.array([0.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0])
    noise = np.random.default_rng(seed).normal(size=(len(names), len(times)))
    arrays = {
        "times": times,
        "elapsed": np.tile(times, (len(names), 1)),
        "resistance": start + per_decade * np.log10(1.0 + times / 10.0) + 0.005 * noise,
        "error": np.full((len(names), len(times)), 0.005),
    }
    return result("retention", names, arrays)


def check(names: tuple[str, ...], gain: float = 1.01) -> results.Result:
    n = len(names)
    arrays = {
        "predicted": np.full((n, 2, 12), 0.25),
        "measured": np.full((n, 2, 12), 0.25 * gain),
        "gain": np.full((n, 2), gain),
        "gain_error": np.full((n, 2), 0.02),
        "expected": np.ones((n, 2)),
        "fits": np.ones(n, np.uint8),
    }
    return result("check_table", names, arrays)


EDGE = ((1 / 6, 10e-9), (1 / 2, 10e-9), (5 / 6, 10e-9))  # share of the amplitude, s


def trains(names: tuple[str, ...], cycles: int, seed: int = 5, spread: float = 0.03) -> results.Result:
    """Two-terminal devices: 20 rising pulses to and fro, with edges of 30 ns, through a path of 1 ohm."""
    params = hfs2.params_of_die(seed, len(names), spread)
    params[0] = hfs2.nominal()
    states = hfs2.pristine_states(params, seed)
    ramp, widths = np.linspace(0.7, 0.995, 20), np.round(np.linspace(160e-9, 350e-9, 20), 8)
    voltage, width = np.concatenate([ramp, -ramp]), np.concatenate([widths, widths])
    conductance = np.zeros((len(names), cycles, 40))
    for k in range(len(names)):
        generator = rng.seed(seed, k)
        for cycle in range(cycles):
            for n in range(40):
                for share, time in [*EDGE, (1.0, width[n] - 30e-9), *EDGE[::-1]]:
                    across = share * voltage[n] / (1.0 + states[k, hfs2.CONDUCTANCE])
                    hfs2.step(states[k], params[k], across, time, generator)
                conductance[k, cycle, n] = 1.0 / (1.0 + hfs2.resistance(states[k], params[k]))
    arrays = {
        "voltage": voltage,
        "width": width,
        "resistance": 1.0 / conductance,
        "energy": conductance * voltage**2 * width,
        "pulses": np.full(len(names), 40 * cycles, np.int32),
    }
    return result("train", names, arrays, cycles=cycles)

"""What is measured of a device, at the read voltage and below.

- Its terminals (four-terminal devices): the read voltage on one, 0 V on the others, for each in turn. A terminal that
  takes no current is open, one that takes more than any device is shorted. Gives the resistances between pairs.
- Its contacts: from the source of a terminal's row through the relay of that terminal to its column, and back through
  the relay that joins the same column to another source's row. Half of this loop is the mean of the two relays with
  their leads and connectors. What lies behind the column, the wire and the pad of the die, is in series with the device
  and cannot be told from it.
- Its reading, and the spread of it from closure to closure of its relays: what the contacts do to it each time.
- The noise of a reading, within one closure.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from typing import Any

from rheostat_hal.bench import FOUR_TERMINAL
from rheostat_hal.bench_rig import BenchRig
from rheostat_hal.doctor.check import Check
from rheostat_hal.drivers.flex_link import FlexLink
from rheostat_hal.drivers.probe import OPEN, Loop, Probe
from rheostat_hal.drivers.wgfmu.analyser import WgfmuAnalyser
from rheostat_hal.values import DeviceAddress

CLOSURES = 5
READINGS = 20  # in the first closure, to see the noise; in the others
FEWER = 4
HIGH_CONTACT = 2.0  # ohm: a matrix relay at the end of its life, with its leads; assumed
SHORTED = 10.0  # ohm from one terminal to all others
AWAY = 3.0  # a reading that lies outside the window by this factor is hardly one of this kind of device
NOISY = 0.01  # of the width of the window: a reading that scatters more


class DeviceChecks:
    """Begins with the rig safe or routed; `noises`: ohm, rms of one reading of each device so far."""

    def __init__(self, rig: BenchRig) -> None:
        self._rig = rig
        self._rows = dict(rig.bench.switch.rows)
        self._own = rig.bench.topology.terminals
        assert isinstance(rig.analyser, FlexLink)
        probe = Probe(rig.analyser, rig.bench)
        self._loops: Loop = rig.analyser if isinstance(rig.analyser, WgfmuAnalyser) else probe
        self._probe = probe if rig.bench.topology is FOUR_TERMINAL else None
        self.noises: list[float] = []

    def device(self, device: DeviceAddress) -> Check:
        values: dict[str, Any] = {}
        loops = {terminal: 0.5 * self._loop(device, terminal) for terminal in self._own}
        faults = [f"no contact from the source to {name}" for name, ohm in loops.items() if math.isinf(ohm)]
        values["contact_ohm"] = loops
        if self._probe is not None:
            self._rig.route(device.name)
            values["between_ohm"], wrong = self._terminals(self._probe)
            faults += wrong
        closures = [self._closure(device, FEWER if number else READINGS) for number in range(CLOSURES)]
        if not all(math.isfinite(ohm) for readings in closures for ohm in readings):
            return Check(f"device {device.name}", "fail", "; ".join(["reads open", *faults]), values)
        means = [statistics.fmean(readings) for readings in closures]
        resistance, scatter, noise = statistics.fmean(means), statistics.stdev(means), statistics.stdev(closures[0])
        values |= {"resistance_ohm": resistance, "closure_ohm": scatter, "noise_ohm": noise}
        contacts = f"contacts {min(loops.values()):.2f} to {max(loops.values()):.2f} ohm"
        text = f"{resistance:.6g} ohm, {contacts}, {scatter:.2g} ohm rms from closure to closure"
        if faults:
            return Check(f"device {device.name}", "fail", f"{'; '.join(faults)}; reads {text}", values)
        self.noises.append(noise)
        doubts = list(self._doubts(device, values))
        return Check(f"device {device.name}", "warn" if doubts else "ok", "; ".join([text, *doubts]), values)

    def noise(self) -> Check:
        """Of one reading, over all devices that can be read."""
        if not self.noises:
            return Check("read noise", "fail", "no device can be read")
        rms, most = math.sqrt(statistics.fmean(ohm * ohm for ohm in self.noises)), max(self.noises)
        text = f"{rms:.2g} ohm rms of one reading, at most {most:.2g} ohm ({len(self.noises)} device(s))"
        return Check("read noise", "ok", text, {"noise_ohm": rms, "most_ohm": most})

    def _closure(self, device: DeviceAddress, readings: int) -> tuple[float, ...]:
        self._rig.route(device.name)
        return self._rig.read(readings).resistances

    def _doubts(self, device: DeviceAddress, values: dict[str, Any]) -> Iterable[str]:
        window = dict(self._rig.bench.windows)[device.kind]
        if not window.lrs / AWAY < values["resistance_ohm"] < window.hrs * AWAY:
            yield f"far outside the window of {device.kind}, {window.lrs:g} to {window.hrs:g} ohm"
        if values["noise_ohm"] > NOISY * (window.hrs - window.lrs):
            yield f"{values['noise_ohm']:.2g} ohm rms of read noise"
        high = [terminal for terminal, ohm in values["contact_ohm"].items() if ohm > HIGH_CONTACT]
        if high:
            yield f"high contact resistance at {', '.join(high)}"

    def _loop(self, device: DeviceAddress, terminal: str) -> float:
        """ohm, through the relay of a terminal and another on the same column; inf when none conducts with it."""
        channel = dict(device.channels)[terminal]
        for other in self._own:
            if other == terminal:
                continue
            self._rig.analyser.ready()
            self._rig.switch.route((channel, f"{channel[0]}{self._rows[other]}{channel[2:]}"))
            ohm = self._loops.loop(terminal, other)
            if math.isfinite(ohm):
                return ohm
        return math.inf

    def _terminals(self, probe: Probe) -> tuple[dict[str, float], list[str]]:
        """Of the routed device: resistances between pairs of terminals, ohm, and what is wrong with terminals."""
        voltage, terminals = self._rig.bench.limits.read_voltage, self._own
        between: dict[str, float] = {}
        wrong: list[str] = []
        for number, forced in enumerate(terminals):
            currents = probe.currents(forced)
            if abs(currents[forced]) < OPEN:
                wrong.append(f"{forced} is open")
            elif abs(currents[forced]) > voltage / SHORTED:
                wrong.append(f"{forced} is shorted")
            for other in terminals[number + 1 :]:
                through = abs(currents[other])
                between[f"{forced}-{other}"] = voltage / through if through > OPEN else math.inf
        return between, wrong

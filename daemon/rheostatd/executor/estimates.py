"""What write pulses will cost before they are applied: write path's conductance, initialisations, whole sweeps."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rheostatd.executor.initialise import drive_of
from rheostatd.executor.station import Station

# s of an event beside pulse and readings: the pulse period of an SMU is 10 ms longer than the pulse
OVERHEAD = {"smu": 0.01, "spgu": 0.01, "wgfmu": 1e-4}
ROUTE = 0.01  # s
# Write pulses of the greatest width from one end of the window to the other, in closed loop, by direction: as seen on
# the virtual benches.
STROKE = {"smu": {1: 110, -1: 75}, "spgu": {1: 5, -1: 5}, "wgfmu": {1: 5, -1: 5}}
HALF_STROKE = {"smu": 70, "spgu": 4, "wgfmu": 4}  # through half of the window, whichever way
CONFIRMING = 4  # readings beside those after write pulses


@dataclass(frozen=True)
class Estimate:
    """pulses: write pulses; reads: readings; written: s of write pulses together; energy: J."""

    pulses: float = 0.0
    reads: float = 0.0
    written: float = 0.0
    energy: float = 0.0

    def __add__(self, other: Estimate) -> Estimate:
        return Estimate(
            self.pulses + other.pulses,
            self.reads + other.reads,
            self.written + other.written,
            self.energy + other.energy,
        )

    def __mul__(self, times: float) -> Estimate:
        return Estimate(self.pulses * times, self.reads * times, self.written * times, self.energy * times)

    def rig_time(self, station: Station) -> float:
        """s on the rig."""
        return self.written + self.pulses * OVERHEAD[station.bench.source] + self.reads * station.read_time


def write_conductance(station: Station, device: str) -> float:
    """S of the write path, averaged over the resistances of the device's window."""
    window = station.window(device)
    mean = math.log(window.hrs / window.lrs) / (window.hrs - window.lrs)
    return station.bench.topology.write_to_read * mean


def applied(station: Station, device: str, voltage: float, width: float, pulses: float = 1.0) -> Estimate:
    """Write pulses of `voltage` V and `width` s, a reading after each."""
    energy = voltage**2 * width * write_conductance(station, device)
    return Estimate(1.0, 1.0, width, energy) * pulses


def initialising(station: Station, device: str, direction: int, share: float) -> Estimate:
    """One closed loop to the end of the window that lies in `direction`, through `share` of the window.

    Pulses grow with the root of the share: a device slows down on its way, so that the last part takes the most."""
    drive = drive_of(station.bench, station.window(device))
    pulses = STROKE[station.bench.source][direction] * math.sqrt(share)
    return applied(station, device, drive.voltage, drive.max_width, pulses) + Estimate(reads=CONFIRMING)


def left_by(station: Station, device: str, voltage: float) -> float:
    """Share of the window that a train of many pulses of `voltage` V leaves to go back: about as far as that voltage
    is from the one that initialises."""
    return abs(voltage) / drive_of(station.bench, station.window(device)).voltage

"""The envelope that every write pulse is checked against before any voltage. No client can raise it: it comes from
the bench file alone, and a scheme's parameters only choose within it.

Current and energy of a pulse that has not been applied are predicted from the conductance of the write path: as
measured by the last write pulse on this device, else from its last reading.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rheostat_hal.bench import FOUR_TERMINAL, HARDWARE_TIMED, Limits, Topology


@dataclass(frozen=True, slots=True)
class Envelope:
    """The limits of a bench, as a check. `topology`: of its devices."""

    limits: Limits
    topology: Topology = FOUR_TERMINAL

    def refusal(self, voltage: float, width: float, conductance: float, pulses: int) -> str | None:
        """Why a write pulse must not be applied, or None when it may.

        voltage V; width s; conductance S of the write path (inf when nothing is known: then nothing passes);
        pulses: those this device has had in this job. Comparisons are written so that nan never passes."""
        limits = self.limits
        magnitude = abs(voltage)
        if not magnitude <= limits.max_voltage:
            return f"{voltage:g} V exceeds max_voltage_v = {limits.max_voltage:g}"
        if not 0.0 < width <= limits.max_width:
            return f"width {width:g} s is not within 0 and max_width_s = {limits.max_width:g}"
        if width > HARDWARE_TIMED and not limits.host_timed:
            return (
                f"width {width:g} s would be timed by the host, and host_timed is false (longest: {HARDWARE_TIMED:g} s)"
            )
        if not pulses < limits.max_pulses_per_device:
            return f"the device has had {pulses} pulses in this job: max_pulses_per_device"
        current = magnitude * conductance
        if not current <= limits.compliance * self.topology.write_terminals:
            return f"{current:.3g} A expected into the write terminals exceed compliance_a = {limits.compliance:g} each"
        energy = magnitude * current * width
        if not energy <= limits.max_energy:
            return f"{energy:.3g} J expected exceed max_energy_j = {limits.max_energy:g}"
        return None

    def expected_conductance(self, resistance: float | None) -> float:
        """S of the write path as a reading (ohm) suggests; inf when there is none."""
        if resistance is None or not resistance > 0.0:
            return math.inf
        return self.topology.write_to_read / resistance


def write_conductance(voltage: float, current: float) -> float | None:
    """S of the write path, as one write pulse measured it (V, A); None when it was not measured."""
    if not (math.isfinite(voltage) and math.isfinite(current)) or abs(voltage) < 1e-3:
        return None
    return abs(current / voltage)

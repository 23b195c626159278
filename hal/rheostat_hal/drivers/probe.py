"""What a bench is looked at with: small currents and voltages between the SMUs of a B1500A.

Nothing here goes above the read voltage, neither as a voltage that is forced nor as the compliance of a current.
Sources: Agilent B1500A/B1505A Programming Guide (DV, DI, TV, TI, *CAL?).
"""

from __future__ import annotations

import math
import re
from typing import Protocol

from rheostat_hal.bench import Bench
from rheostat_hal.bus import Bus
from rheostat_hal.drivers import flex
from rheostat_hal.drivers.flex_link import FlexLink
from rheostat_hal.errors import ReplyError
from rheostat_hal.values import Status

LOOP_CURRENT = 1e-2  # A, or the compliance: half an ohm of contact shows 5 mV, a hundred times the noise of a reading
OPEN = 1e-6  # A at the read voltage: what less flows through is not connected
CALIBRATION = 30.0  # s that *CAL? takes; assumed
LONGEST_CALIBRATION = 180.0  # s


class Loop(Protocol):
    """Measures small resistances between the sources of two terminals."""

    def loop(self, one: str, other: str) -> float:
        """Resistance from the source of one terminal to that of another, at 0 V, ohm; inf when nothing conducts."""
        ...


class Probe:
    """The outputs are on and at 0 V before (see `Engine.ready`) and after each measurement. One line each."""

    def __init__(self, analyser: FlexLink, bench: Bench) -> None:
        self._analyser = analyser
        self._smus = dict(bench.analyser.smus)
        self._voltage = bench.limits.read_voltage
        self._compliance = bench.limits.compliance
        self._range = flex.voltage_range(self._voltage)

    def currents(self, forced: str) -> dict[str, float]:
        """The read voltage on one terminal, 0 V on the others: the current out of each terminal's SMU, A."""
        channel = self._smus[forced]
        line = flex.line(
            flex.force(channel, self._range, self._voltage, self._compliance),
            *(flex.spot_current(smu) for smu in self._smus.values()),
            flex.force(channel, self._range, 0.0),
            "ERRX?",
        )
        items = self._analyser.exchange(line, {(smu, "I"): 1 for smu in self._smus.values()})
        at = {smu: terminal for terminal, smu in self._smus.items()}
        return {at[item.channel]: item.value for item in items}

    def loop(self, one: str, other: str) -> float:
        """Resistance from the SMU of one terminal to that of another, at 0 V, ohm; inf when nothing conducts.

        Both directions of the current, so that the offsets of the two SMUs cancel.
        """
        channel = self._smus[one]
        loop_current = min(LOOP_CURRENT, self._compliance)
        range_code = flex.current_range(loop_current)
        steps = [
            sentence
            for current in (loop_current, -loop_current)
            for sentence in (
                flex.force_current(channel, range_code, current, self._voltage),
                flex.spot_voltage(channel, self._range),
            )
        ]
        back = flex.force(channel, self._range, 0.0, self._compliance)
        items = self._analyser.exchange(flex.line(*steps, back, "ERRX?"), {(channel, "V"): 2})
        if any(item.status & (Status.COMPLIANCE | Status.OVER_RANGE) for item in items):
            return math.inf
        return (items[0].value - items[1].value) / (2 * loop_current)


def self_calibration(bus: Bus) -> frozenset[int]:
    """Has the modules calibrate themselves; gives the slots that failed, 0 for the mainframe. Takes CALIBRATION s.

    Nothing may be connected to them, and the settings do not outlive it. Raises ReplyError, BusError.
    """
    reply = bus.query("*CAL?", LONGEST_CALIBRATION)
    if not re.fullmatch(r"\+?\d{1,5}", reply.strip(), re.ASCII):
        raise ReplyError(f"{reply!r} is no result of a self-calibration")
    bits = int(reply)
    return frozenset(slot if slot < 11 else 0 for slot in range(1, 12) if bits & 1 << (slot - 1))

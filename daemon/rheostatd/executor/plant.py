"""The plant a scheme is driven on: one routed device of the rig, every pulse within the envelope and under a lease."""

from __future__ import annotations

import math
from collections.abc import Callable

from rheostat import wire
from rheostat_hal.rig import Rig
from rheostat_hal.values import Event, Pulse, Status
from rheostatd.executor.leases import Visit
from rheostatd.executor.limits import Envelope, expected_conductance, write_conductance

_NAN = math.nan
_WAIT_SLICE = 0.1  # s between two looks at the control socket while waiting


class Ended(Exception):  # noqa: N818
    """Work on a device ends with this outcome: not an error, the way out of a scheme in mid-step."""

    def __init__(self, outcome: wire.Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


class RigPlant:
    """A device that `rig` is routed to. Implements `rheostatd.schemes.policy.Plant`.

    checkpoint: called before every exchange with the rig; it may raise (cancel, stop) or wait (pause).
    sleep: lets time pass for `wait`; on a bench whose time is virtual it does nothing.
    Raises Ended when a limit or the instrument's status ends the work on this device, HalError and JournalError.
    """

    def __init__(
        self, rig: Rig, visit: Visit, envelope: Envelope, checkpoint: Callable[[], None], sleep: Callable[[float], None]
    ) -> None:
        self.visit = visit
        self._rig = rig
        self._envelope = envelope
        self._checkpoint = checkpoint
        self._sleep = sleep
        self._conductance: float | None = None  # S of the write path, as last measured

    def read(self, readings: int) -> float:
        """Mean of `readings` readings, ohm; inf for an open circuit."""
        self._checkpoint()
        event = self._rig.read(readings)
        mean = _mean(event)
        self.visit.event(_NAN, 0.0, mean, len(event.resistances), _NAN, event.duration)
        if event.status:
            self._judge(event)
        return mean

    def apply(self, voltage: float, width: float, readings: int) -> float:
        """One write pulse (V, s), then the mean of `readings` readings, ohm."""
        self._checkpoint()
        visit = self.visit
        conductance = self._conductance
        if conductance is None:
            conductance = expected_conductance(visit.resistance)
        refusal = self._envelope.refusal(voltage, width, conductance, visit.pulses)
        if refusal is not None:
            raise Ended(wire.Outcome.LIMIT, refusal)
        visit.claim()
        event = self._rig.apply(Pulse(voltage, width), readings)
        mean = _mean(event)
        visit.event(voltage, width, mean, len(event.resistances), event.energy, event.duration)
        measured = write_conductance(voltage, event.write_current)
        if measured is not None:
            self._conductance = measured
        if event.status:
            self._judge(event)
        return mean

    def wait(self, duration: float) -> None:
        """Lets `duration` s pass, in slices, so that a cancel does not wait for its end."""
        left = duration
        while left > 0.0:
            self._checkpoint()
            piece = min(left, _WAIT_SLICE)
            self._sleep(piece)
            left -= piece
        self.visit.event(_NAN, 0.0, _NAN, 0, _NAN, duration)

    def _judge(self, event: Event) -> None:
        status = event.status
        if status & Status.OVER_RANGE:
            raise Ended(wire.Outcome.SHORTED, "the read current exceeds the read range")
        if status & (Status.COMPLIANCE | Status.OTHER_COMPLIANCE):
            raise Ended(wire.Outcome.COMPLIANCE, "a channel reached its current compliance")
        raise Ended(wire.Outcome.NOISY, "the instrument reports an unsettled output (oscillation or force saturation)")


def _mean(event: Event) -> float:
    readings = event.resistances
    if len(readings) == 1:
        return readings[0]
    return sum(readings) / len(readings) if readings else _NAN

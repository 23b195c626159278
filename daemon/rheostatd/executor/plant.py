"""The plant a scheme is driven on: one routed device of the rig, every pulse within the envelope and under a lease."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NoReturn

import structlog

from rheostat import wire
from rheostat_hal.errors import RefusedError
from rheostat_hal.rig import Measure, Rig
from rheostat_hal.values import Event, Pulse, Status
from rheostatd.executor.limits import Envelope, write_conductance
from rheostatd.executor.visit import Visit

log = structlog.get_logger()

_NAN = math.nan
_WAIT_SLICE = 0.1  # s between two looks at the control socket while waiting


class Ended(Exception):  # noqa: N818
    """Work on a device ends with this outcome: not an error, the way out of a scheme in mid-step."""

    def __init__(self, outcome: wire.Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome


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
        self.newest: tuple[float, ...] = ()  # the readings of the newest exchange, ohm
        self.read_time = 0.0  # s of rig time of one reading, as last measured
        self.ended: str | None = None  # why the work on this device had to end
        self._rig = rig
        self._envelope = envelope
        self._checkpoint = checkpoint
        self._sleep = sleep
        self._conductance: float | None = None  # S of the write path, as last measured

    @property
    def scatter(self) -> tuple[float, int]:
        """Of the newest readings around their mean: sum of squares in ohm^2, degrees of freedom."""
        readings = self.newest
        if len(readings) < 2 or not all(map(math.isfinite, readings)):
            return 0.0, 0
        mean = sum(readings) / len(readings)
        return sum((reading - mean) ** 2 for reading in readings), len(readings) - 1

    def read(self, readings: int) -> float:
        """Mean of `readings` readings, ohm; inf for an open circuit."""
        self._checkpoint()
        event = self._rig.read(readings)
        self.newest = event.resistances
        mean = _mean(event)
        self.read_time = event.duration / max(1, readings)
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
            conductance = self._envelope.expected_conductance(visit.resistance)
        refusal = self._envelope.refusal(voltage, width, conductance, visit.before + visit.pulses)
        if refusal is not None:
            self._end(wire.Outcome.LIMIT, refusal)
        visit.claim()
        try:
            event = self._rig.apply(Pulse(voltage, width), readings)
        except RefusedError as error:  # nothing was sent
            visit.unclaim()
            self._end(wire.Outcome.LIMIT, str(error))
        if event.pulse is not None:  # as it was programmed, in the instrument's steps
            voltage, width = event.pulse.voltage, event.pulse.width
        self.newest = event.resistances
        mean = _mean(event)
        visit.event(voltage, width, mean, len(event.resistances), event.energy, event.duration)
        measured = write_conductance(voltage, event.write_current)
        if measured is not None:
            self._conductance = measured
        if event.status:
            self._judge(event)
        return mean

    def train(self, pulses: Sequence[Pulse], cycles: int, measure: Measure, lrs: float) -> list[Event]:
        """A train with a reading after each write pulse. lrs: ohm, to which the device may fall on the way: the limits
        are checked for that conductance before anything is sent. Whoever has noted the events has them judged."""
        self._checkpoint()
        visit = self.visit
        expected = self._envelope.expected_conductance
        conductance = max(self._conductance or expected(visit.resistance), expected(lrs))
        for pulse in pulses:
            count = visit.before + visit.pulses + cycles * len(pulses) - 1
            refusal = self._envelope.refusal(pulse.voltage, pulse.width, conductance, count)
            if refusal is not None:
                self._end(wire.Outcome.LIMIT, refusal)
        visit.claim(cycles * len(pulses))
        try:
            events = self._rig.train(pulses, cycles, measure)
        except RefusedError as error:  # nothing was sent
            visit.unclaim(cycles * len(pulses))
            self._end(wire.Outcome.LIMIT, str(error))
        for event in events:
            voltage, width = (event.pulse.voltage, event.pulse.width) if event.pulse else (_NAN, 0.0)
            visit.event(voltage, width, _mean(event), len(event.resistances), event.energy, event.duration)
        return events

    def judge(self, events: Sequence[Event]) -> None:
        """Ends the work on the device when the instrument's status says so."""
        for event in events:
            if event.status:
                self._judge(event)

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
        if status & Status.OVER_RANGE and 0.0 in event.resistances:
            self._end(wire.Outcome.SHORTED, "the read current exceeds the read range")
        if status & (Status.COMPLIANCE | Status.OTHER_COMPLIANCE | Status.OVER_RANGE):
            self._end(wire.Outcome.COMPLIANCE, "a channel reached its current compliance")
        self._end(wire.Outcome.NOISY, "the instrument reports an unsettled output (oscillation or force saturation)")

    def end(self, outcome: wire.Outcome, reason: str) -> Ended:
        """To be raised: the work on this device ends here."""
        self.ended = reason
        log.info("device.ended", device=self.visit.device, outcome=outcome.name.lower(), reason=reason)
        return Ended(outcome, reason)

    def _end(self, outcome: wire.Outcome, reason: str) -> NoReturn:
        raise self.end(outcome, reason)


def _mean(event: Event) -> float:
    readings = event.resistances
    if len(readings) == 1:
        return readings[0]
    return sum(readings) / len(readings) if readings else _NAN

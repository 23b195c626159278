"""Two-terminal devices written and read by a B1530A: nanosecond pulses on the row, the current at the column.

The row's channel forces pulse and read voltages, the column's is at 0 V and measures, both in Fast IV mode (PG mode has
50 ohm in series). A channel called "others" holds all other lines of the same crossbar at half the write voltage during
write pulses and at 0 V otherwise: half-selected devices see half the voltage, the rest none, and at a reading no
current comes round by another way. There is no compliance but the output's own 10 mA.

Two kinds of run, because a change of range takes longer than the gap between a write pulse and its reading:

- "states": the column stays on the read range; write pulses overflow it and are not measured. Their energy is
  estimated from the conductance read afterwards, G times the integral of V^2, edges included.
- "energy": the column stays on the write range and every sample of the write pulses is taken. The charge is exact
  whatever the lag of the range, so the energy is the charge times the mean voltage it moved through, integral of V^2
  over integral of V: exact as long as the conductance does not change within a pulse, and good to a fraction of that
  change when it does. With `others` it holds the half-selected devices of the column, too.

The same mainframe is identified, searched for modules, drained of errors and made safe over its FLEX bus; its SMUs stay
off. Sources: B1530A User's Guide and wgfmu.h; Xhameni et al. 2025 for the pulses and readings of the second rig.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rheostat_hal.bench import Limits, Wgfmu
from rheostat_hal.bus import Bus
from rheostat_hal.drivers import flex
from rheostat_hal.drivers.flex_link import FlexLink
from rheostat_hal.drivers.wgfmu import waveform
from rheostat_hal.drivers.wgfmu.library import CURRENT_RANGES, FORCE_RANGES, Library
from rheostat_hal.drivers.wgfmu.session import WgfmuSession
from rheostat_hal.drivers.wgfmu.waveform import Timing
from rheostat_hal.errors import BenchError, RefusedError
from rheostat_hal.rig import Measure
from rheostat_hal.values import Event, InstrumentIdentity, Pulse, Status

NAME = "analyser"
MODULE = "B1530A"
LOOP_VOLTAGE = 4e-3  # V: 4 mA through two relays of half an ohm, of the 10 mA that a channel gives
OPEN_CIRCUIT = 1e-3  # of the read range: under it nothing is connected
# s until a measured current has settled to 0.6 % (User's Guide, table 4-22), by range
SETTLING = {1e-6: 37e-6, 1e-5: 5.8e-6, 1e-4: 820e-9, 1e-3: 200e-9, 1e-2: 125e-9}


class WgfmuAnalyser(FlexLink):
    """`handle`: the WGFMU library (`library.load`) or a stand-in; `bus`: FLEX, to the same mainframe; `note`: is told
    the library's calls."""

    def __init__(
        self,
        bus: Bus,
        config: Wgfmu,
        limits: Limits,
        handle: Any,
        timeout: float = 5.0,
        note: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(NAME, bus, timeout)
        self._config = config
        self._limits = limits
        self._channels = dict(config.channels)
        self._read_voltage = -abs(limits.read_voltage)
        self._timing = Timing(
            edge=max(1, waveform.ticks(config.edge)),
            gap=waveform.ticks(config.gap),
            read=waveform.ticks(config.read_time),
            settle=waveform.ticks(SETTLING[_range(config.write_range)]),
        )
        settling = SETTLING[_range(config.read_range)]
        if settling > config.read_time / 2:
            raise BenchError(
                f"wgfmu.read_time_s: readings begin after half of {config.read_time:g} s, and the range of "
                f"{config.read_range:g} A takes {settling:g} s to settle"
            )
        force = min(volts for volts in FORCE_RANGES if volts >= min(limits.max_voltage, max(FORCE_RANGES)))
        self._most_volts = min(limits.max_voltage, force)
        self._session = WgfmuSession(Library(handle, note), self._channels, FORCE_RANGES[force], timeout)
        self._on: bool | None = None  # whether the channels are connected; None: not known

    # ---- identity, configuration -----------------------------------------------------------------------------------

    def resynchronise(self) -> tuple[InstrumentIdentity, list[flex.Report]]:
        """As FlexLink, then a new session: errors pending in the mainframe would make the library refuse it."""
        found = super().resynchronise()
        self._on = None
        self._session.open(self.bus.resource)
        return found

    def discover(self) -> tuple[tuple[int, str], ...]:
        """slot, model of every module. Raises IdentityError when a line's slot holds no WGFMU."""
        slots = tuple((line, channel // 100) for line, channel in self._channels.items())
        return self.modules_with(slots, (MODULE,), f"a {MODULE}")

    def configure(self) -> None:
        """From reset; everything else is set with each train."""
        self.command("*RST")
        self._session.initialise()
        self._on = False

    # ---- outputs ---------------------------------------------------------------------------------------------------

    def ready(self) -> None:
        """Every channel connected, at 0 V; confirmed by measuring. Raises UnsafeError when one is not."""
        if not self._on:
            self._session.zero()
            self._session.connect()
        self._on = True
        self._session.zero()

    def zero(self) -> None:
        """Every output of the mainframe to 0 V, the WGFMU's confirmed by measuring. Raises UnsafeError."""
        self._session.zero()  # first: what is wired does not wait for what is not
        self.command("DZ")

    def off(self) -> None:
        """The channels disconnected, the SMUs' switches off, read back. Raises UnsafeError."""
        self._session.disconnect()
        self._on = False
        self.switch_off()

    def loop(self, one: str, other: str) -> float:
        """Resistance from the channel of one line to that of another, ohm; inf when nothing conducts."""
        return self._session.loop(one, other, LOOP_VOLTAGE)

    def abort(self) -> None:
        """From any thread: stop the sequencers, channels to 0 V, then what the mainframe does over FLEX."""
        try:
            self._session.abort()
        finally:
            super().abort()

    def close(self) -> None:
        self._session.close()
        super().close()

    # ---- events ----------------------------------------------------------------------------------------------------

    def event(self, pulse: Pulse | None, readings: int) -> Event:
        """A write pulse (or none) and a read pulse with `readings` readings of equal parts of its second half."""
        return self._play([pulse], "states", 1, readings)[0]

    def train(self, pulses: Sequence[Pulse], cycles: int, measure: Measure) -> list[Event]:
        """Every pulse with its read pulse, the whole train `cycles` times: one sequence, one execute.

        An event per pulse, in the order played, (cycles * len(pulses)). measure: "states": one reading each,
        `write_current` nan, energy estimated; "energy": no readings, write current and energy as measured.
        """
        return self._play(pulses, measure, cycles, 1)

    def risk(self, pulse: Pulse) -> str | None:
        """None: the sequencer times every pulse, and its pattern ends at 0 V."""
        return None

    def _play(self, pulses: Sequence[Pulse | None], measure: Measure, cycles: int, readings: int) -> list[Event]:
        if not pulses or cycles < 1:
            raise RefusedError(f"a train of {len(pulses)} pulses, {cycles} times")
        given = [None if pulse is None else self._checked(pulse) for pulse in pulses]
        train = waveform.train(given, self._timing, self._read_voltage, measure, readings)
        if train.data * cycles > waveform.MOST_DATA:
            raise RefusedError(f"{train.data * cycles} results: a channel holds {waveform.MOST_DATA}")
        states = measure == "states"
        current_range = _range(self._config.read_range if states else self._config.write_range)
        results = self._session.play(train, cycles, current_range)
        duration = train.duration / len(pulses)
        events: list[Event] = []
        for cycle in results:
            begin = 0
            for pulse in given:
                if states:
                    currents, begin = cycle[begin : begin + readings], begin + readings
                    events.append(self._state(pulse, currents, duration))
                else:
                    assert pulse is not None
                    window = train.windows[len(events) % len(given)]
                    samples, begin = cycle[begin : begin + window.data], begin + window.data
                    # they are what flows out of the column: a write current comes in from the row
                    events.append(self._energy(pulse, -samples, duration))
        return events

    def _state(self, pulse: Pulse | None, currents: NDArray[np.float64], duration: float) -> Event:
        values = tuple(map(float, currents))
        full = _range(self._config.read_range)
        over = any(abs(value) >= full for value in values)
        energy = math.nan
        if pulse is not None and values and not over:
            conductance = abs(float(np.mean(currents)) / self._read_voltage)
            energy = conductance * waveform.flux(pulse, self._timing.edge * waveform.TICK)[1]
        return Event(
            pulse=pulse,
            resistances=tuple(self._resistance(value) for value in values),
            currents=values,
            write_current=math.nan,
            energy=energy,
            duration=duration,
            status=Status.OVER_RANGE if over else Status.OK,
        )

    def _energy(self, pulse: Pulse, samples: NDArray[np.float64], duration: float) -> Event:
        charge = float(np.sum(samples[1:] + samples[:-1])) * 0.5 * waveform.SAMPLE
        volt_seconds, volt2_seconds = waveform.flux(pulse, self._timing.edge * waveform.TICK)
        over = float(np.max(np.abs(samples))) >= _range(self._config.write_range)
        return Event(
            pulse=pulse,
            resistances=(),
            currents=(),
            write_current=math.nan if over else charge / volt_seconds * pulse.voltage,
            energy=math.nan if over else abs(charge / volt_seconds) * volt2_seconds,
            duration=duration,
            status=Status.OVER_RANGE if over else Status.OK,
        )

    def _resistance(self, current: float) -> float:
        full = _range(self._config.read_range)
        if abs(current) < OPEN_CIRCUIT * full:
            return math.inf
        return 0.0 if abs(current) >= full else abs(self._read_voltage / current)

    def _checked(self, pulse: Pulse) -> Pulse:
        """The pulse as it is programmed. Raises RefusedError outside the limits."""
        for wanted in (pulse, programmed := waveform.programmed(pulse)):
            if not abs(wanted.voltage) <= self._most_volts:
                raise RefusedError(f"{wanted.voltage:g} V: the bench allows {self._most_volts:g} V")
            if not 0.0 < wanted.width <= self._limits.max_width:
                raise RefusedError(f"{wanted.width:g} s: the bench allows {self._limits.max_width:g} s")
        return programmed


def _range(current: float) -> float:
    """The range (A) that is called `current`, however it was written."""
    return min(CURRENT_RANGES, key=lambda full: abs(math.log(full / current)))

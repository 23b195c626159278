"""The B1500A with four SMUs: hardware-timed write pulses on T2 and T4, readings from T1 to T3, one line an event.

Sources: Agilent B1500A/B1505A Programming Guide, ed. 11; User's Guide (SMU pulse widths, ranges).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from rheostat_hal.bench import HARDWARE_TIMED, Analyser, Limits
from rheostat_hal.bus import Bus
from rheostat_hal.drivers import flex
from rheostat_hal.drivers.flex_link import SMUS, FlexLink
from rheostat_hal.drivers.smu_reading import SmuReading
from rheostat_hal.errors import RefusedError
from rheostat_hal.rig import Measure
from rheostat_hal.values import Event, InstrumentIdentity, Pulse, Status

NAME = "analyser"
SHORTEST_PULSE = 5e-4  # s, MP/HRSMU (User's Guide)
RISK = (
    "a write pulse of {width:g} s is not timed by the pulse hardware: it is DV, PA, DV, and leaves the device at "
    "{voltage:g} V when the line stops or the instrument loses its controller"
)


class B1500A(FlexLink):
    def __init__(self, bus: Bus, config: Analyser, limits: Limits) -> None:
        super().__init__(NAME, bus, config.timeout)
        self._config = config
        self._limits = limits
        smus = dict(config.smus)
        self._t1, self._t2, self._t3, self._t4 = (smus[terminal] for terminal in ("T1", "T2", "T3", "T4"))
        self._all = (self._t1, self._t2, self._t3, self._t4)
        self._on: frozenset[int] | None = None  # outputs switched on; None: not known
        self._timing = 0.0  # width of the pulse timing now in the instrument; 0: none
        self._write_range = flex.voltage_range(limits.max_voltage)
        self._compliance_range = flex.current_range(limits.compliance)
        self._reading = SmuReading(config, limits, self._t1, self._t3, limits.read_voltage)
        self._settings = (
            *self._reading.setup,
            *(f"CMM {channel},1" for channel in (self._t2, self._t4)),
            *(f"RI {channel},-{self._compliance_range}" for channel in (self._t2, self._t4)),
            f"MM 27,{self._t2},{self._t4}",
        )

    # ---- identity, configuration -----------------------------------------------------------------------------------

    def resynchronise(self) -> tuple[InstrumentIdentity, list[flex.Report]]:
        """Device clear, skip old replies up to the identity, empty the error queue: who it is, the errors it held."""
        self._timing = 0.0
        self._on = None
        return super().resynchronise()

    def discover(self) -> tuple[tuple[int, str], ...]:
        """slot, model of every module. Raises IdentityError when a terminal's slot holds no SMU."""
        return self.modules_with(self._config.smus, SMUS, "an SMU")

    def configure(self) -> None:
        """To the instrument's own defaults; what is ours is set with the outputs on (see `ready`)."""
        self.command("*RST")
        self._on, self._timing = frozenset(), 0.0

    # ---- outputs ---------------------------------------------------------------------------------------------------

    def ready(self) -> None:
        """Every terminal on, at 0 V, with compliance; confirmed by measuring. Raises UnsafeError when one is not."""
        on: tuple[str, ...] = ()
        if self._on != frozenset(self._all):
            # with the switches, and after them: an instrument that was reset unseen has lost the settings with its
            # outputs, and whether the mode and its timing outlive CL is not known
            on = (f"CN {flex.channels(self._all)}", *self._settings)
            self._timing = 0.0
        self._on = None
        compliance = self._limits.compliance
        at_zero = [flex.force(channel, self._write_range, 0.0, compliance) for channel in self._all]
        self.confirm_zero(*on, *at_zero, among=self._all)
        self._on = frozenset(self._all)

    def zero(self) -> None:
        """Every output that is on to 0 V, the terminals' confirmed by measuring. Raises UnsafeError when one is not."""
        on = self.outputs() if self._on is None else self._on
        own = tuple(sorted(on.intersection(self._all)))
        if on:  # DZ alone: every module, also one that has no voltage to measure
            self.confirm_zero(f"DZ {flex.channels(own)}" if len(own) == len(on) else "DZ", among=own)

    def off(self) -> None:
        """Output switches off, read back. Raises UnsafeError."""
        self._on = None
        self.switch_off()
        self._on = frozenset()

    # ---- events ----------------------------------------------------------------------------------------------------

    def event(self, pulse: Pulse | None, readings: int) -> Event:
        """A write pulse (or none), then `readings` readings: one line, unless there are more than fit into one.

        The pulse's width and voltage come back as programmed: in steps of 0.1 ms and 1 mV. `duration` is the width and
        the time of the readings (see smu_reading), which may begin before the period of the pulse is over, and at least
        that period: the next pulse waits for its end.
        """
        sentences: list[str] = []
        wanted: dict[tuple[int, str], int] = {}
        period = 0.0
        if pulse is not None:
            pulse, sentences, period = self._write(pulse)
            wanted = {(self._t2, "I"): 1, (self._t4, "I"): 1}
        written = 0.0
        currents: list[float] = []
        status = Status.OK
        line_time = period
        for line, count in self._reading.lines(sentences, readings):
            if count:
                wanted[self._t3, "I"] = count
                line_time += count * self._reading.time
            for state, channel, _, value in self.exchange(line, wanted, line_time):
                if state is not Status.OK:
                    status |= state
                if channel == self._t3:
                    currents.append(value)
                else:
                    written += value if abs(value) < flex.OVERFLOW else math.nan
            wanted, line_time = {}, 0.0
        if pulse is not None:
            self._timing = pulse.width
        return Event(
            pulse=pulse,
            resistances=tuple(map(self._reading.resistance, currents)),
            currents=tuple(currents),
            write_current=written if pulse else math.nan,
            energy=abs(pulse.voltage * written) * pulse.width if pulse else math.nan,
            duration=max(period, (pulse.width if pulse else 0.0) + readings * self._reading.time),
            status=status,
        )

    def train(self, pulses: Sequence[Pulse], cycles: int, measure: Measure) -> list[Event]:
        """Pulse by pulse: each event has its write current and its reading, so that both measures come at once."""
        for pulse in pulses:  # refused before the first one is sent, or not at all
            self._write(pulse)
        return [self.event(pulse, 1) for _ in range(cycles) for pulse in pulses]

    def risk(self, pulse: Pulse) -> str | None:
        """What can go wrong with this write pulse by the way it is timed; None when the hardware times it."""
        return None if pulse.width <= HARDWARE_TIMED else RISK.format(width=pulse.width, voltage=pulse.voltage)

    def _write(self, pulse: Pulse) -> tuple[Pulse, list[str], float]:
        """The pulse as it can be programmed, its sentences, its period. Raises RefusedError outside the limits."""
        self._check(pulse.voltage, pulse.width)
        width, voltage = round(pulse.width, 4), round(pulse.voltage, 3)  # to 0.1 ms and 1 mV
        programmed = pulse
        if voltage != pulse.voltage or width != pulse.width:
            self._check(voltage, width)  # a limit may lie between two steps of the instrument
            programmed = Pulse(voltage, width)
        t2, t4, code, compliance = self._t2, self._t4, self._write_range, self._limits.compliance
        if width > HARDWARE_TIMED:
            held = flex.pauses(width)
            if len(held) > 8:
                raise RefusedError(f"{width:g} s: at most {8 * flex.LONGEST_PAUSE:g} s fit into one line")
            measure = [flex.spot_current(channel, self._compliance_range) for channel in (t2, t4)]
            up = [flex.force(channel, code, voltage, compliance) for channel in (t2, t4)]
            down = [flex.force(channel, code, 0.0) for channel in (t2, t4)]
            return programmed, [*up, *held, *measure, *down], width
        # as the instrument chooses it: width + 2 ms up to 100 ms, + 10 ms beyond, at least 5 ms (Programming Guide, PT)
        period = max(5e-3, width + (2e-3 if width <= 0.1 else 1e-2))
        timing = [] if width == self._timing else flex.pulse_timing(width, (t2, t4))
        sources = [flex.pulse_source(n, channel, code, voltage, compliance) for n, channel in enumerate((t2, t4), 1)]
        return programmed, [*timing, *sources, "XE"], period

    def _check(self, voltage: float, width: float) -> None:
        """Raises RefusedError outside the limits."""
        limits = self._limits
        if not abs(voltage) <= limits.max_voltage:
            raise RefusedError(f"{voltage:g} V: the bench allows {limits.max_voltage:g} V")
        if not SHORTEST_PULSE <= width <= limits.max_width:
            raise RefusedError(f"{width:g} s: a write pulse lasts {SHORTEST_PULSE:g} to {limits.max_width:g} s here")
        if width > HARDWARE_TIMED and not limits.host_timed:
            raise RefusedError(f"{width:g} s: the bench does not allow write pulses longer than {HARDWARE_TIMED:g} s")

"""Two-terminal devices written by a B1525A (SPGU) and read by two SMUs, through a 16440A selector.

The selector joins the device's row to the pulse generator or to the row's SMU; the column's SMU stays at 0 V and
measures. One event is one line: select, pulse, wait, select back, read.

The generator has 50 ohm in series. Its own correction is used, SER, set to what the device and its path were last read
as: then the dialogue says the voltage that is asked for at the device, and the instrument's own steps and adjustment
apply to the voltage it has to make. So a device is read before its first pulse. The correction is that of before the
pulse: a device that changes by x % during it sees about x % * 50 / (R + 50) more or less at its end. The manual wants
a load of 40 ohm or more, and a smaller one gets less voltage than was asked for, never more.

It measures nothing: write currents are nan, and the energy is estimated from the readings before and after. It has no
compliance but its 50 ohm, and is accurate to 0.5 % + 50 mV (data sheet), which at a volt is several percent.

Assumed, for want of a source: the instrument itself waits for the selector's relays; an edge is straight and 10 % to
90 % are 0.8 of it; a width is counted from edge to edge. The column's SMU holds 0 V within a pulse by its cable only.
Sources: Agilent B1500A/B1505A Programming Guide, ed. 11 (SPGU module, SER, SPST?); data sheet of the B1500A.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import mean

from rheostat_hal.bench import Analyser, Limits, Spgu
from rheostat_hal.bus import Bus
from rheostat_hal.drivers import flex
from rheostat_hal.drivers.flex_link import SMUS, FlexLink
from rheostat_hal.drivers.smu_reading import SmuReading
from rheostat_hal.errors import RefusedError, ReplyError, UnsafeError
from rheostat_hal.rig import Measure
from rheostat_hal.values import Event, InstrumentIdentity, Pulse, Status

NAME = "analyser"
MODULE = "B1525A"
SMU, GENERATOR = 1, 2  # states of the selector
OUTPUT = 50.0  # ohm
HIGHEST = 40.0  # V the source makes
LEAST_LOAD, MOST_LOAD = 40.0, 1e6  # ohm: the manual's recommendation, the range of SER
SHORTEST = 5e-8  # s, specified for 10 V and less (data sheet)
LONGEST = 9.9  # s: the period ends at 10 s
STEP = 1e-8  # s, of widths with any edges
EDGE_PART = 0.8  # of an edge lies between 10 % and 90 %


class SpguAnalyser(FlexLink):
    """`config`: its SMUs and readings; `spgu`: channel, selector, edges."""

    def __init__(self, bus: Bus, config: Analyser, spgu: Spgu, limits: Limits) -> None:
        super().__init__(NAME, bus, config.timeout)
        self._config = config
        self._spgu = spgu
        self._limits = limits
        smus = dict(config.smus)
        self._row, self._column = smus["row"], smus["column"]
        self._smus = (self._row, self._column)
        self._slots = frozenset((*self._smus, spgu.channel // 100))
        self._ready = False  # outputs on, row joined to its SMU
        self._load = math.nan  # ohm, as read last; nan: not known
        self._reading = SmuReading(config, limits, self._row, self._column, -abs(limits.read_voltage))
        self._code = flex.voltage_range(limits.read_voltage)
        longest = min(limits.max_width, LONGEST)
        self._period = math.ceil((longest + 2.0 * spgu.edge) / 1e-7) * 1e-7
        self._pause = math.ceil(self._period / 1e-4) * 1e-4

    # ---- identity, configuration -----------------------------------------------------------------------------------

    def resynchronise(self) -> tuple[InstrumentIdentity, list[flex.Report]]:
        """As FlexLink; what was known of outputs and device is forgotten."""
        self._ready, self._load = False, math.nan
        return super().resynchronise()

    def discover(self) -> tuple[tuple[int, str], ...]:
        """slot, model of every module. Raises IdentityError when a wired slot holds another than it should."""
        self.modules_with((("the write channel", self._spgu.channel // 100),), (MODULE,), f"a {MODULE}")
        return self.modules_with(self._config.smus, SMUS, "an SMU")

    def configure(self) -> None:
        """From reset: readings, selector under control, single pulses of source 1 with a period for the longest."""
        self._ready = False
        self.command("*RST")
        channel = self._spgu.channel
        single = ("SIM 0", "SPRM 1,1", f"SPM {channel},1", f"SPPER {flex.number(self._period)}")
        self.command(*self._reading.setup, "ERMOD 1", *single)

    # ---- outputs ---------------------------------------------------------------------------------------------------

    def ready(self) -> None:
        """Every output on, at 0 V, the row joined to its SMU; the SMUs confirmed by measuring, the generator by its
        status. Raises UnsafeError when one is not."""
        ready, self._ready, self._load = self._ready, False, math.nan
        channel, compliance = self._spgu.channel, self._limits.compliance
        on = ["SPP"] if ready else [f"CN {flex.channels((*self._smus, channel))}"]
        on += [flex.force(smu, self._code, 0.0, compliance) for smu in self._smus]
        self.confirm_zero(*on, flex.select(self._spgu.selector_port, SMU), among=self._smus)
        self._confirm_idle()
        self._ready = True

    def zero(self) -> None:
        """Every output that is on to 0 V: the SMUs confirmed by measuring, the generator by its status."""
        on = self._slots if self._ready else self.outputs()
        if not on:
            return
        self._load = math.nan
        generators = {self._spgu.channel // 100}
        self.confirm_zero("SPP", "DZ", among=tuple(sorted(on.intersection(self._smus))))
        if on & generators:
            self._confirm_idle()

    def off(self) -> None:
        """Output switches off, read back. Raises UnsafeError."""
        self._ready = False
        self.switch_off()

    def _confirm_idle(self) -> None:
        reply = self.bus.query("SPST?", self._timeout)
        if reply == "1":
            raise UnsafeError(f"{NAME}: the pulse generator runs after it was told to stop")
        if reply != "0":
            raise ReplyError(f"{NAME}: {reply!r} is not a status of the pulse generator")

    # ---- events ----------------------------------------------------------------------------------------------------

    def event(self, pulse: Pulse | None, readings: int) -> Event:
        """A write pulse (or none), then `readings` readings: one line, unless there are more than fit into one.

        Before a pulse on a device that has not been read since it was routed, or since its last pulse, comes a line
        with one reading more, which sets the correction and is not among the event's. Width and voltage come back as
        programmed: in steps of 10 ns and 0.1 mV.
        """
        sentences: list[str] = []
        duration = pause = 0.0
        energy = math.nan
        if pulse is not None:
            pulse = self._checked(pulse)
            if math.isnan(self._load):
                self._read([], 1)
                duration = self._reading.time
            load, self._load = self._load, math.nan
            sentences, pause = self._write(pulse, load), self._pause
        currents, status = self._read(sentences, readings, pause)
        if pulse is not None and not status & Status.OVER_RANGE:
            conductances = [1.0 / ohm for ohm in (load, self._load) if not math.isnan(ohm)]
            energy = mean(conductances) * pulse.voltage**2 * (pulse.width - self._spgu.edge / 3.0)
        return Event(
            pulse=pulse,
            resistances=tuple(map(self._reading.resistance, currents)),
            currents=tuple(currents),
            write_current=math.nan,
            energy=energy,
            duration=duration + pause + readings * self._reading.time,
            status=status,
        )

    def train(self, pulses: Sequence[Pulse], cycles: int, measure: Measure) -> list[Event]:
        """Pulse by pulse, each with a reading, whichever `measure`: the generator cannot measure write currents."""
        for pulse in pulses:  # refused before the first one is sent, or not at all
            self._checked(pulse)
        return [self.event(pulse, 1) for _ in range(cycles) for pulse in pulses]

    def risk(self, pulse: Pulse) -> str | None:
        """None: the generator counts one pulse, and returns to 0 V by itself."""
        return None

    def _write(self, pulse: Pulse, load: float) -> list[str]:
        """One pulse, and the row back at its SMU."""
        channel, port = self._spgu.channel, self._spgu.selector_port
        return [
            flex.select(port, GENERATOR),
            *flex.generator_pulse(channel, load, pulse.voltage, pulse.width, EDGE_PART * self._spgu.edge),
            "SRP",
            *flex.pauses(self._pause),
            flex.select(port, SMU),
        ]

    def _read(self, before: list[str], readings: int, pause: float = 0.0) -> tuple[list[float], Status]:
        """Say `before`, take readings: their currents, A. They are the load of the next pulse."""
        currents: list[float] = []
        status = Status.OK
        for line, count in self._reading.lines(before, readings):
            wanted = {(self._column, "I"): count} if count else {}
            for item in self.exchange(line, wanted, pause + count * self._reading.time):
                status |= item.status
                currents.append(item.value)
            pause = 0.0
        if currents:
            self._load = min(MOST_LOAD, max(LEAST_LOAD, self._reading.resistance(mean(currents))))
        return currents, status

    def _checked(self, pulse: Pulse) -> Pulse:
        """The pulse as it is programmed. Raises RefusedError outside the limits."""
        programmed = Pulse(round(pulse.voltage, 4), round(round(pulse.width / STEP) * STEP, 9))
        shortest = max(SHORTEST, self._spgu.edge)
        highest = min(self._limits.max_voltage, HIGHEST * LEAST_LOAD / (LEAST_LOAD + OUTPUT))
        longest = min(self._limits.max_width, LONGEST)
        for each in (pulse, programmed):  # a limit may lie between two steps of the instrument
            if not abs(each.voltage) <= highest:
                raise RefusedError(f"{each.voltage:g} V: at most {highest:g} V here")
            if not shortest <= each.width <= longest:
                raise RefusedError(f"{each.width:g} s: a write pulse lasts {shortest:g} to {longest:g} s here")
        return programmed

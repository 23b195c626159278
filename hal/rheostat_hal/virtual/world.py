"""The one physical world both instruments act on: sources, relays, devices, time.

Voltage is integrated over the bench's time: whenever a source or a relay changes or something is measured, every
connected device is first stepped with the voltage it has had since the last time, also one connected by mistake.
Settling, cable capacitance and the edges of pulses (tens of microseconds on an SMU) are left out: steps are ideal.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from rheostat_hal.bench import Bench
from rheostat_hal.virtual import network
from rheostat_hal.virtual.clock import Clock, RealClock, Sleep, VirtualClock
from rheostat_hal.virtual.die import Die
from rheostat_hal.virtual.faults import Fault
from rheostat_hal.virtual.injection import Faults
from rheostat_hal.virtual.noise import Noise
from rheostat_hal.virtual.wiring import Node, Wiring

log = structlog.get_logger()
Array = NDArray[np.float64]

HOT = 0.01  # V on either side of a relay as it operates: switched under voltage


@dataclass(frozen=True, slots=True)
class Solution:
    """At the sources: V, A (out of the source), and which are in compliance."""

    voltages: list[float]
    currents: list[float]
    limited: list[int]


class Waveform(Protocol):
    """A voltage that changes with the bench's time by itself, step by step; times in ns on the clock."""

    def at(self, time: int) -> float:
        """V."""

    def after(self, time: int) -> int | None:
        """When it changes next, later than `time`; None: never again."""


class World:
    """All methods may be called from any thread. `sources`: channel -> resistance of its output, ohm; methods name a
    source by its position in them, which `index` gives."""

    def __init__(
        self, bench: Bench, sources: Mapping[int, float], die: Die, *, seed: int, real_time: bool = False,
        faults: Iterable[Fault] = (),
    ) -> None:  # fmt: skip
        self.lock = threading.RLock()
        self.clock: Clock = RealClock(die.time) if real_time else VirtualClock(die.time)
        self.die = die
        self.noise = Noise(seed & 0xFFFFFFFF, 2, die.time)
        self.wiring = Wiring(bench, sources, Noise(seed & 0xFFFFFFFF, 3, die.time))
        self.faults = Faults(bench, die, Noise(seed & 0xFFFFFFFF, 4, die.time), faults)
        self.hot_switchings = 0
        self.real_time = real_time
        self._since = self.clock.now
        self.index = {channel: position for position, channel in enumerate(sources)}
        self._sources = np.zeros((len(sources), 4))
        self._driven: list[tuple[bool, bool, float, float]] = [(False, False, 0.0, 0.0)] * len(sources)
        self._energised: set[int] = set()
        self._waveforms: dict[int, Waveform] = {}
        self._channels = tuple(sources)
        self._written: set[int] = set()  # devices that a write has moved since the last time
        self._currents = np.zeros(len(sources))
        self._limited = np.zeros(len(sources), np.int64)
        self._solution: Solution | None = None
        self._rewire()
        self._solve()  # has the kernel compiled here, where nobody waits for an instrument's answer

    def wait(self, seconds: float, sleep: Sleep) -> None:
        """Let time pass. `sleep` is used in real time (and for an endless wait), without the lock."""
        if not self.real_time and seconds < 1e12:
            with self.lock:
                self.clock.wait(seconds, sleep)
        else:
            self.clock.wait(seconds, sleep)

    def let_pass(self, seconds: float) -> float:
        """Nothing happens for so long. Gives the bench's time afterwards, s. In real time only 0 can be let pass."""
        with self.lock:
            self._integrate()
            if seconds > 0.0 and not self.real_time:
                self.clock.wait(seconds, time.sleep)
                self._integrate()
            return self.clock.now / 1e9

    def drive(self, source: int, on: bool, current_mode: bool, value: float, compliance: float) -> None:
        """What a source forces from now on: V with a compliance in A, or in current mode A with a compliance in V."""
        wanted = (on, current_mode, value, compliance)
        with self.lock:
            if self._driven[source] == wanted and source not in self._waveforms:
                return
            self._integrate()
            self._waveforms.pop(source, None)
            self._force(source, wanted)

    def follow(self, source: int, waveform: Waveform) -> None:
        """Let a source that forces a voltage take it from a waveform from now on, until it is driven again."""
        with self.lock:
            self._integrate()
            self._waveforms[source] = waveform
            self._take_levels(self._since)

    def play(self, sources: list[int], volts: Array, widths: Array) -> tuple[Array, Array]:
        """Drive voltage sources that are on through pieces of constant voltage, faster than the clock can tell.

        sources: (k,); volts: (p, k) V; widths: (p,) s. Returns the currents out of them at the begin and at the end of
        each piece, (p, k) A. Bench time goes on by all widths; in real time the caller has to wait for it.
        """
        begin, end = np.zeros_like(volts), np.zeros_like(volts)
        with self.lock:
            self._integrate()
            live = np.asarray(volts.any(axis=1)) | bool(self._energised.difference(sources))
            for k in np.flatnonzero(live).tolist():  # in the others nothing flows and nothing moves
                if k and not live[k - 1]:
                    self._sources[sources, network.VALUE] = 0.0
                    self._count_pulse()  # one has ended
                self._sources[sources, network.VALUE] = volts[k]
                self._count_pulse()
                self._run_solver()
                begin[k] = self._currents[sources]
                if self._step(float(widths[k])):
                    self._run_solver()
                end[k] = self._currents[sources]
            if not self.real_time:
                self.wait(float(widths.sum()), time.sleep)
            self._since = self.clock.now
            self._rest(self._since)
            for source, value in zip(sources, volts[-1].tolist(), strict=True):
                on, current_mode, _, compliance = self._driven[source]
                self._force(source, (on, current_mode, value, compliance))
        return begin, end

    def insert_series(self, source: int, resistor: bool) -> None:
        with self.lock:
            self._integrate()
            self.wiring.insert_series(self._channels[source], resistor)
            self._rewire()

    def select(self, channel: int, connected: bool) -> None:
        """Join a source to its cable, or part it."""
        with self.lock:
            self._integrate()
            self.wiring.select(channel, connected)
            self._rewire()

    def operate(self, opening: Iterable[str], closing: Iterable[str]) -> None:
        """Operate relays, the opening ones first."""
        opening = [channel for channel in opening if self.wiring.is_closed(channel)]
        closing = [channel for channel in closing if not self.wiring.is_closed(channel)]
        opening, closing = self.faults.at_relays(opening, closing)
        if not opening and not closing:
            return
        with self.lock:
            self._integrate()
            self._note_hot([*opening, *closing])
            self.wiring.open(opening)
            self.wiring.close(closing)
            self._rewire()

    def solution(self) -> Solution:
        """Voltages and currents at the sources now."""
        with self.lock:
            self._integrate()
            return self._solve()

    def integrate(self) -> None:
        """Bring the devices up to the present."""
        with self.lock:
            self._integrate()

    def _force(self, source: int, wanted: tuple[bool, bool, float, float]) -> None:
        self._driven[source] = wanted
        self._sources[source] = wanted
        self._solution = None
        on, _, value, _ = wanted
        if on and value:
            self._energised.add(source)
        else:
            self._energised.discard(source)
        self._count_pulse()

    def _count_pulse(self) -> None:
        if self.faults.of_devices.any:
            forced = self._sources[:, network.ON] * np.abs(self._sources[:, network.VALUE])
            self.faults.of_devices.driven(self._network.devices, float(forced.max()))

    def _rewire(self) -> None:
        self._network = self.wiring.network()
        self._rest(self.clock.now)
        self._voltages = np.zeros(len(self._network.base))
        self._device_rows = np.array(self._network.devices, dtype=np.int64)
        self._solution = None

    def _solve(self) -> Solution:
        if self._solution is None:
            self._run_solver()
            voltages = self._voltages[: len(self._channels)].tolist()
            self._solution = Solution(voltages, self._currents.tolist(), self._limited.tolist())
        return self._solution

    def _take_levels(self, time: int) -> None:
        """The sources that follow a waveform are at its level of this time; one that has ended stays there."""
        for source, waveform in list(self._waveforms.items()):
            on, current_mode, value, compliance = self._driven[source]
            if (level := waveform.at(time)) != value:
                self._force(source, (on, current_mode, level, compliance))
            if waveform.after(time) is None:
                del self._waveforms[source]

    def _run_solver(self) -> None:
        net = self._network
        network.solve(
            net.base,
            net.terminals,
            self.die.conductances[self._device_rows],
            self._sources,
            self._voltages,
            self._currents,
            self._limited,
        )

    def _integrate(self) -> None:
        now = self.clock.now
        while self._waveforms and self._network.devices:
            joined = [each for source, each in self._waveforms.items() if self.wiring.is_joined(self._channels[source])]
            changes = [time for each in joined if (time := each.after(self._since)) is not None]
            if not changes or (change := min(changes)) > now:
                break
            self._hold(change)
            self._take_levels(change)
        self._hold(now)
        if self._waveforms:
            self._take_levels(now)

    def _hold(self, until: int) -> None:
        """Step the devices with the voltages that they have had since the last time."""
        elapsed = until - self._since
        self._since = until
        if elapsed <= 0 or not self._network.devices:
            return
        if self._energised:
            self._solve()
            if self._step(elapsed / 1e9):
                self._solution = None
        self._rest(until)

    def _rest(self, now: int) -> None:
        """What was written rests from now on; what was not has rested so far."""
        if not self.die.drifts:
            return
        for device in self._written:
            self.die.written(device, now)
        self._written.clear()
        for device in self._network.devices:
            if device not in self.faults.of_devices.broken and self.die.rest(device, now):
                self._solution = None

    def _step(self, seconds: float) -> bool:
        """Hold the voltages of the last solution on every connected device; whether anything moved."""
        volts = self._voltages.tolist()
        moved = False
        a1, a2, a3, a4 = self.die.across
        step = self.faults.of_devices.step if self.faults.of_devices.broken else self.die.step
        for device, (t1, t2, t3, t4) in zip(self._network.devices, self._network.terminals.tolist(), strict=True):
            across = a1 * volts[t1] + a2 * volts[t2] + a3 * volts[t3] + a4 * volts[t4]
            if step(device, across, seconds):
                moved = True
                self._written.add(device)
        return moved

    def _note_hot(self, channels: list[str]) -> None:
        self._solve()
        hot = [c for c in channels if any(abs(self._potential(end)) > HOT for end in self.wiring.ends(c))]
        if hot:
            self.hot_switchings += len(hot)
            log.warning("relay.hot", channels=hot, total=self.hot_switchings)

    def _potential(self, node: Node) -> float:
        index = self._network.nodes.get(node)
        return 0.0 if index is None else float(self._voltages[index])

"""Counts what happens on a virtual bench and says where a scripted fault falls. What each one means: see `faults`."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

import numpy as np
import structlog
from numpy.typing import NDArray

from rheostat_hal.bench import Bench
from rheostat_hal.virtual.die import Die
from rheostat_hal.virtual.faults import DeviceFault, Fault, LineFault, RefusedFault, RelayFault
from rheostat_hal.virtual.noise import Noise

log = structlog.get_logger()

ABOVE_READING = 1.5  # times the read voltage: what forces as much begins a write pulse
SHORT = 1.0  # S between all terminals
GARBAGE = b"\xff\x00~#}{\x07,;^"

Counted = TypeVar("Counted", bound=LineFault | RelayFault)


class Faults:
    """The faults of one bench. More may be added between two lines: they count from then on."""

    def __init__(self, bench: Bench, die: Die, noise: Noise, faults: Iterable[Fault] = ()) -> None:
        self.of_devices = DeviceFaults(bench, die, noise)
        self._lock = threading.Lock()
        self._lines: list[_Trigger[LineFault]] = []
        self._relays: list[_Trigger[RelayFault]] = []
        self._refused: list[RefusedFault] = []
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        with self._lock:
            match fault:
                case LineFault():
                    self._lines.append(_Trigger(fault, fault.line))
                case RelayFault():
                    self._relays.append(_Trigger(fault, fault.channel))
                case RefusedFault():
                    self._refused.append(fault)
                case DeviceFault():
                    self.of_devices.add(fault)

    def clear(self) -> None:
        """Nothing more goes wrong; a device that is broken stays so."""
        with self._lock:
            self._lines, self._relays, self._refused = [], [], []
            self.of_devices.clear()

    def at_line(self, instrument: str, line: str) -> LineFault | None:
        """What happens at this line of an instrument; it is counted."""
        if not self._lines:
            return None
        with self._lock:
            met = [each.fault for each in self._lines if each.fault.instrument == instrument and each.meets(line)]
        for fault in met:
            log.warning("fault.injected", what=fault.what, instrument=instrument, line=line)
        return met[0] if met else None

    def at_connection(self, instrument: str, number: int) -> float:
        """s for which an instrument accepts no further connection, once there have been so many."""
        with self._lock:
            met = [each for each in self._refused if each.instrument == instrument and each.after == number]
        for fault in met:
            log.warning("fault.injected", what=fault.what, instrument=instrument, down_s=fault.down)
        return max((fault.down for fault in met), default=0.0)

    def at_relays(self, opening: list[str], closing: list[str]) -> tuple[list[str], list[str]]:
        """Those that do operate, of the relays that are to open and to close."""
        if not self._relays:
            return opening, closing
        return self._operating("stays_closed", opening), self._operating("stays_open", closing)

    def _operating(self, what: str, channels: list[str]) -> list[str]:
        with self._lock:
            relays = [each for each in self._relays if each.fault.what == what]
            failing = {channel for channel in channels if any(each.meets(channel) for each in relays)}
        for channel in failing:
            log.warning("fault.injected", what=what, channel=channel)
        return [channel for channel in channels if channel not in failing]


class DeviceFaults:
    """Belongs to the world and its lock. `any`: there are some, so pulses count; `broken`: one has come true."""

    def __init__(self, bench: Bench, die: Die, noise: Noise) -> None:
        self.any = False
        self.broken: dict[int, DeviceFault] = {}
        self._die = die
        self._index = {device.name: index for index, device in enumerate(bench.devices)}
        self._write = ABOVE_READING * bench.limits.read_voltage
        self._noise = noise
        self._waiting: list[tuple[DeviceFault, int]] = []  # with the pulses still to come before
        self._clean: dict[int, NDArray[np.float64]] = {}  # conductances of a noisy device without its noise
        self._writing = False

    def add(self, fault: DeviceFault) -> None:
        self._waiting.append((fault, fault.pulse))
        self.any = True

    def clear(self) -> None:
        self._waiting = []
        self.any = False

    def driven(self, devices: Sequence[int], voltage: float) -> None:
        """`voltage`: the largest that is forced now, with these devices connected."""
        began = voltage >= self._write and not self._writing
        self._writing = voltage >= self._write
        if not began:
            return
        waiting, self._waiting = self._waiting, []
        for fault, left in waiting:
            device = self._index[fault.device]
            left -= device in devices
            if left > 0:
                self._waiting.append((fault, left))
            else:
                self._break(device, fault)

    def step(self, device: int, voltage: float, width: float) -> bool:
        """As `Die.step`, with what is broken."""
        fault = self.broken.get(device)
        if fault is None:
            return self._die.step(device, voltage, width)
        if fault.what != "noisy":
            return False
        conductances = self._die.conductances[device]
        conductances[:] = self._clean[device]
        self._die.step(device, voltage, width)
        self._clean[device] = conductances.copy()
        conductances *= max(0.0, 1.0 + fault.noise * self._noise.normal())
        return True

    def _break(self, device: int, fault: DeviceFault) -> None:
        log.warning("fault.injected", what=fault.what, device=fault.device, pulse=fault.pulse)
        self.broken[device] = fault
        self._clean[device] = self._die.conductances[device].copy()
        if fault.what == "opens":
            self._die.conductances[device] = 0.0
        elif fault.what == "shorts":
            self._die.conductances[device] = SHORT


def altered(answer: bytes, fault: LineFault) -> bytes:
    """What of an answer reaches the client; a late one is held back here."""
    if fault.what == "no_answer":
        return b""
    if fault.what == "half_answer":
        return answer[: len(answer) // 2]
    if fault.what == "garbage":
        return (fault.text.encode("latin-1") or GARBAGE) + b"\r\n"
    if fault.what == "late_answer":
        time.sleep(fault.delay)
    return answer


class _Trigger(Generic[Counted]):
    def __init__(self, fault: Counted, pattern: str) -> None:
        self.fault = fault
        self._pattern = re.compile(pattern)
        self._seen = 0

    def meets(self, text: str) -> bool:
        if self._pattern.search(text) is None:
            return False
        self._seen += 1
        return self.fault.after < self._seen <= self.fault.after + self.fault.count

"""A rig made of an analyser and a switch, wired as the bench file says.

One thread owns it; `abort` may come from any. The rules it keeps: no relay moves before 0 V is confirmed; every
error ends in the safe state and a latch; the safe state is read back, and when it cannot be, that is an error too.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import structlog

from rheostat_hal.bench import Bench
from rheostat_hal.bus import Bus, VisaBus
from rheostat_hal.bus_replay import RecordingBus
from rheostat_hal.drivers.b1500a import B1500A
from rheostat_hal.drivers.engine import Engine
from rheostat_hal.drivers.k3706a import K3706A
from rheostat_hal.drivers.spgu import SpguAnalyser
from rheostat_hal.errors import BusAborted, HalError, RefusedError, UnsafeError
from rheostat_hal.rig import Measure
from rheostat_hal.values import DeviceAddress, Event, InstrumentIdentity, Pulse

log = structlog.get_logger(__name__)


def open_rig(bench: Bench, record: Callable[[str], None] | None = None) -> BenchRig:
    """Open both instruments, check that they are those of the bench file, make safe, configure.

    record: is told every line of the dialogue with both (see `bus_replay`). Raises BusUnavailable (naming the
    resource), IdentityError, ...
    """
    with contextlib.ExitStack() as opened:
        analyser = analyser_bus(bench, record)
        opened.callback(_let_go, "analyser", analyser.close)
        switch = switch_bus(bench, record)
        opened.callback(_let_go, "switch", switch.close)
        rig = BenchRig(bench, analyser, switch, record)
        opened.callback(_let_go, "analyser", rig.analyser.close)  # a session of the WGFMU library outlives its bus
        rig.recover()
        opened.pop_all()
    return rig


def analyser_bus(bench: Bench, record: Callable[[str], None] | None = None) -> Bus:
    """Raises BusUnavailable."""
    # AB leaves the outputs where they are: DZ takes them to 0 V, without waiting for the thread that was stopped
    bus = VisaBus(
        bench.analyser.resource,
        library=_library(bench),
        terminator="\r\n",
        ready=1,
        abort_line="AB",
        safe_line="DZ",
        exclusive=bench.wgfmu is None,  # whose library opens the mainframe a second time
    )
    return bus if record is None else RecordingBus(bus, record, "analyser")


def switch_bus(bench: Bench, record: Callable[[str], None] | None = None) -> Bus:
    """Raises BusUnavailable."""
    bus = VisaBus(bench.switch.resource, library=_library(bench), terminator="\n", ready=16)
    return bus if record is None else RecordingBus(bus, record, "switch")


def _library(bench: Bench) -> str:
    return bench.virtual.backend if bench.virtual else bench.visa_library


class BenchRig:
    """Implements `rheostat_hal.rig.Rig` on two buses. Use `recover` first; `open_rig` does.

    record: is told what is said past the buses: the calls of Keysight's WGFMU library, as comments.
    """

    def __init__(self, bench: Bench, analyser: Bus, switch: Bus, record: Callable[[str], None] | None = None) -> None:
        self.bench = bench
        self.analyser = engine_of(bench, analyser, record)
        self.switch = K3706A(switch, bench.switch)
        self._devices = {device.name: device for device in bench.devices}
        self._identities: tuple[InstrumentIdentity, ...] = ()
        self._routed: str | None = None
        self._latched: HalError | None = None
        self._aborted = threading.Event()
        self._securing = threading.Lock()  # held while the way to the safe state begins, or an abort is sent
        self._safe_underway = False

    @property
    def devices(self) -> tuple[DeviceAddress, ...]:
        return self.bench.devices

    @property
    def identities(self) -> tuple[InstrumentIdentity, ...]:
        return self._identities

    @property
    def routed(self) -> str | None:
        """The device connected now."""
        return self._routed

    @property
    def latched(self) -> HalError | None:
        return self._latched

    def route(self, device: str) -> float:
        if device not in self._devices:
            near = difflib.get_close_matches(device, self._devices, 3)
            raise RefusedError(f"no device {device!r}" + (f"; near it: {', '.join(near)}" if near else ""))
        with self._guarded("route"):
            self._routed = None
            self.analyser.ready()
            self.switch.route(self._channels(device))
            self._routed = device
        return 2 * self.switch.relay_time  # one opening, one closing

    def read(self, readings: int = 1) -> Event:
        return self._event(None, readings)

    def apply(self, pulse: Pulse, readings: int = 1) -> Event:
        return self._event(pulse, readings)

    def train(self, pulses: Sequence[Pulse], cycles: int = 1, measure: Measure = "states") -> list[Event]:
        if not pulses or cycles < 1:
            raise RefusedError(f"a train of {len(pulses)} write pulses, {cycles} times")
        with self._guarded("train"):
            self._check_routed()
            return self._confirmed(self.analyser.train(pulses, cycles, measure))

    def risk(self, pulse: Pulse) -> str | None:
        """The named risk of a write pulse that the hardware cannot time (longer than 2 s), or None."""
        return self.analyser.risk(pulse)

    def make_safe(self) -> None:
        with self._guarded("make_safe", latch_applies=False, secure=False):
            self._secure()

    def abort(self) -> None:
        self._aborted.set()
        with self._securing:
            if self._safe_underway:  # already doing what an abort is for
                return
            for name, abort in (("analyser", self.analyser.abort), ("switch", self.switch.bus.abort)):
                try:
                    abort()
                except HalError as error:
                    log.error("rig.abort_failed", instrument=name, error=str(error))

    def recover(self) -> None:
        with self._guarded("recover", latch_applies=False):
            self._aborted.clear()
            analyser, errors = self.analyser.resynchronise()
            for name, reports in ((analyser.name, errors), ("switch", self.switch.resynchronise())):
                for number, text in reports:
                    log.warning("rig.old_error", instrument=name, number=number, text=text)
            modules = self.analyser.discover()
            switch = self.switch.identify()
            self._secure()
            self.analyser.configure()
            self._identities = (
                dataclasses.replace(analyser, modules=modules),
                switch,
            )
            self._latched = None

    def close(self) -> None:
        try:
            self.make_safe()
        finally:
            _let_go("analyser", self.analyser.close)
            _let_go("switch", self.switch.bus.close)

    def _event(self, pulse: Pulse | None, readings: int) -> Event:
        if readings < (pulse is None):
            raise RefusedError(f"{readings} readings")
        with self._guarded("event"):
            self._check_routed()
            (event,) = self._confirmed([self.analyser.event(pulse, readings)])
            return event

    def _confirmed(self, events: list[Event]) -> list[Event]:
        """No device is called open before its relays are known to be closed. Raises SwitchError."""
        if self._routed is not None and any(math.inf in event.resistances for event in events):
            self.switch.confirm(self._channels(self._routed))
        return events

    def _check_routed(self) -> None:
        if self._routed is None:
            raise RefusedError("no device is routed")

    def _channels(self, device: str) -> tuple[str, ...]:
        return tuple(channel for _, channel in self._devices[device].channels)

    @contextlib.contextmanager
    def _guarded(self, what: str, *, latch_applies: bool = True, secure: bool = True) -> Iterator[None]:
        """Latch and make safe on every HalError within, RefusedError excepted."""
        if latch_applies and self._latched is not None:
            raise self._latched.with_traceback(None)
        try:
            if latch_applies and self._aborted.is_set():
                raise BusAborted("aborted between two lines")
            yield
        except RefusedError:
            raise
        except HalError as error:
            self._latched = self._latched or error
            log.error("rig.latched", during=what, code=error.code, error=str(error), device=self._routed)
            if secure:
                try:
                    self._secure()
                except HalError as unsafe:
                    log.error("rig.not_safe", code=unsafe.code, error=str(unsafe))
                    error.add_note(f"the safe state could not be reached: {unsafe}")
            raise

    def _secure(self) -> None:
        """Outputs to 0 V, confirmed; then relays open, read back; then outputs off. What is in the way of that is
        cleared away once. Raises UnsafeError, naming why; or what had been in the way: then the rig is safe."""
        with self._securing:
            self._safe_underway = True
            disturbed = self._latched is not None or self._aborted.is_set()
        self._routed = None
        try:
            self._reach_safe_state(resynchronise=disturbed)
        except UnsafeError as error:
            if disturbed:
                raise
            log.warning("rig.safe_state_again", error=str(error))
            self._reach_safe_state(resynchronise=True)
            raise (error.__cause__ or error) from None
        finally:
            self._safe_underway = False
        if self._aborted.is_set() and self._latched is None:
            self._latched = BusAborted("aborted while idle")

    def _reach_safe_state(self, *, resynchronise: bool) -> None:
        try:
            if resynchronise:
                self.analyser.resynchronise()
            self.analyser.zero()
        except HalError as error:
            raise UnsafeError(f"0 V is not confirmed, the relays were left as they are: {error}") from error
        try:
            if resynchronise:
                self.switch.resynchronise()
            self.switch.open_all()
            self.analyser.off()
        except HalError as error:
            raise UnsafeError(f"outputs are at 0 V, but {error}") from error


def engine_of(bench: Bench, bus: Bus, record: Callable[[str], None] | None = None) -> Engine:
    """The driver of what writes on this bench, over the analyser's bus."""
    if bench.spgu is not None:
        return SpguAnalyser(bus, bench.analyser, bench.spgu, bench.limits)
    if bench.wgfmu is None:
        return B1500A(bus, bench.analyser, bench.limits)
    # only a bench that has one waits for its driver; only a virtual one knows the stand-in
    from rheostat_hal.drivers.wgfmu import analyser, library

    handle: Any
    if bench.wgfmu.library.startswith("tcp:"):
        from rheostat_hal.virtual.wgfmu.standin import StandIn

        handle = StandIn(bench.wgfmu.library)
    else:
        handle = library.load(bench.wgfmu.library)
    return analyser.WgfmuAnalyser(bus, bench.wgfmu, bench.limits, handle, bench.analyser.timeout, record)


def _let_go(what: str, close: Callable[[], None]) -> None:
    try:
        close()
    except HalError as error:
        log.warning("bus.close_failed", what=what, error=str(error))

"""The order of the checks, and those of the instruments themselves."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Iterator, Sequence

from rheostat_hal.bench import Bench
from rheostat_hal.bench_rig import BenchRig, analyser_bus, switch_bus
from rheostat_hal.bus import Bus
from rheostat_hal.doctor.check import Check, tried
from rheostat_hal.doctor.devices import DeviceChecks
from rheostat_hal.doctor.relays import chain, relays
from rheostat_hal.drivers.k3706a import K3706A
from rheostat_hal.drivers.probe import CALIBRATION, self_calibration
from rheostat_hal.errors import BusAborted
from rheostat_hal.values import DeviceAddress, InstrumentIdentity

Look = Callable[[], Check | str]


class Doctor:
    """Looks over one bench. `abort` may come from any thread; everything else belongs to one.

    record: is told every line of the dialogue (see `bus_replay`).
    """

    def __init__(self, bench: Bench, record: Callable[[str], None] | None = None) -> None:
        self._bench = bench
        self._record = record
        self._rig: BenchRig | None = None
        self._known = False  # the instruments are those of the bench file: they may be told something
        self._stopped = False

    def abort(self) -> None:
        """Stops what runs: `examine` makes the bench safe and raises BusAborted."""
        self._stopped = True
        if self._rig is not None:
            self._rig.abort()

    def examine(self, devices: Sequence[DeviceAddress]) -> Generator[Check, None, None]:
        """The checks, one after another, each when it has been made. Leaves the bench safe and let go, however it ends.

        Checks that need what has failed before are left out. Raises BusAborted after an abort, and HalError when the
        bench cannot be made safe.
        """
        opened: list[Bus] = []
        try:
            yield self._limits()
            yield self._looked("analyser", lambda: self._reached(analyser_bus, opened))
            yield self._looked("switch", lambda: self._reached(switch_bus, opened))
            if len(opened) == 2:
                yield self._looked("source", lambda: self._assembled(*opened))
            if self._rig is not None:
                yield from self._instruments(self._rig, devices)
        finally:
            if self._rig is not None and self._known:
                self._rig.close()
            elif self._rig is not None:
                self._rig.analyser.close()
                self._rig.switch.bus.close()
            else:
                for bus in opened:
                    bus.close()

    def _instruments(self, rig: BenchRig, devices: Sequence[DeviceAddress]) -> Iterator[Check]:
        looks: tuple[tuple[str, Look], ...] = (
            ("analyser identity", lambda: _identified(*rig.analyser.resynchronise())),
            ("modules", lambda: _in_slots(rig.analyser.discover())),
            ("switch identity", lambda: _switch_identified(rig.switch)),
            ("cards", lambda: _in_slots(rig.switch.cards())),
        )
        failed = False
        for name, look in looks:
            check = self._looked(name, look)
            yield check
            failed = failed or check.status == "fail"
        if not failed:
            self._known = True
            yield from self._wiring(rig, devices)

    def _wiring(self, rig: BenchRig, devices: Sequence[DeviceAddress]) -> Iterator[Check]:
        """Each check begins with the outputs at 0 V and leaves them there."""
        found = yield from self._on(rig, "safe state", lambda: _made_safe(rig))
        if found.status == "fail":
            return
        yield from self._on(rig, "self-test", lambda: _self_test(rig))
        found = yield from self._on(rig, "relays", lambda: relays(rig, devices))
        moving = [device for device in devices if device.name not in found.values.get("failed", ())]
        yield from self._on(rig, "chain", lambda: chain(rig, moving))
        checks = DeviceChecks(rig)
        for device in moving:
            yield from self._on(rig, f"device {device.name}", functools.partial(checks.device, device))
        yield checks.noise()
        yield from self._on(rig, "safe state", lambda: _made_safe(rig))

    def _on(self, rig: BenchRig, name: str, look: Look) -> Generator[Check, None, Check]:
        """A check that moves something. An error in it does not end the examination, unless the rig stays latched."""
        check = self._looked(name, look)
        yield check
        if check.error is not None:
            rig.recover()
        return check

    def _looked(self, name: str, look: Look) -> Check:
        if self._stopped:  # also when it came at a moment that knows no abort, as in a device clear
            raise BusAborted("the examination was stopped")
        return tried(name, look)

    def _limits(self) -> Check:
        limits = self._bench.limits
        text = (
            f"write pulses up to {limits.max_voltage:g} V, {limits.max_width:g} s, {limits.compliance:g} A, "
            f"{limits.max_energy:g} J, {limits.max_pulses_per_device} a device and job; reads at "
            f"{limits.read_voltage:g} V"
        )
        if limits.host_timed:
            return Check("limits", "warn", f"{text}; host_timed: long steps are not timed by the hardware")
        return Check("limits", "ok", text)

    def _reached(self, open_bus: Callable[..., Bus], opened: list[Bus]) -> str:
        opened.append(open_bus(self._bench, self._record))
        return f"answers at {opened[-1].resource}"

    def _assembled(self, analyser: Bus, switch: Bus) -> str:
        """With what writes: Keysight's library is loaded where it is a WGFMU."""
        bench = self._bench
        self._rig = BenchRig(bench, analyser, switch, self._record)
        if bench.wgfmu is not None:
            return f"B1530A through {bench.wgfmu.library}"
        return "B1525A, read by SMUs" if bench.spgu is not None else "SMUs"


def _identified(identity: InstrumentIdentity, errors: Sequence[tuple[int, str]]) -> Check:
    text = f"{identity.vendor} {identity.model}, serial {identity.serial}, firmware {identity.firmware}"
    values = {"model": identity.model, "serial": identity.serial, "firmware": identity.firmware}
    old = "; ".join(f"{number} {what}" for number, what in errors)
    name = f"{identity.name} identity"
    return Check(name, "warn", f"{text}; old errors: {old}", values) if old else Check(name, "ok", text, values)


def _switch_identified(switch: K3706A) -> Check:
    errors = switch.resynchronise()
    return _identified(switch.who(), errors)


def _in_slots(modules: Sequence[tuple[int, str]]) -> str:
    return ", ".join(f"slot {slot} {model}" for slot, model in modules)


def _made_safe(rig: BenchRig) -> str:
    rig.recover()
    return "outputs at 0 V and off, relays open, all read back"


def _self_test(rig: BenchRig) -> Check:
    """Self-calibration: the relays are open and the outputs off, so that nothing is connected."""
    failed = self_calibration(rig.analyser.bus)
    rig.recover()  # it leaves settings that are not ours
    if failed:
        where = ", ".join(f"slot {slot}" if slot else "the mainframe" for slot in sorted(failed))
        return Check("self-test", "fail", f"*CAL? has failed for {where}", {"failed_slots": sorted(failed)})
    return Check("self-test", "ok", f"*CAL? passed (takes about {CALIBRATION:g} s on an instrument)")

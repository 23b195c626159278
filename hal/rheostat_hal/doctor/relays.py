"""Whether relays move, and how the rows of the cards are joined."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from rheostat_hal.bench_rig import BenchRig
from rheostat_hal.doctor.check import Check, explained
from rheostat_hal.drivers.k3706a import K3706A
from rheostat_hal.errors import BusAborted, HalError
from rheostat_hal.values import DeviceAddress

TRIALS = 3  # devices of a card that may be open before its rows count as not joined


def relays(rig: BenchRig, devices: Sequence[DeviceAddress]) -> Check:
    """Every relay of the devices closes, reads back, opens and reads back, with the outputs off.

    `failed` in the values: name of a device -> why.
    """
    failed: dict[str, str] = {}
    moved: set[str] = set()
    for device in devices:
        channels = tuple(channel for _, channel in device.channels)
        moved |= set(rig.switch.relays(channels))
        try:
            rig.switch.route(channels)
        except BusAborted:
            raise
        except HalError as error:
            failed[device.name] = explained(error)
            rig.switch.resynchronise()
    rig.switch.open_all()
    if failed:
        text = "; ".join(f"{name}: {why}" for name, why in failed.items())
        return Check("relays", "fail", text, {"failed": failed})
    return Check("relays", "ok", f"{len(moved)} relays of {len(devices)} device(s) close, open and read back")


def chain(rig: BenchRig, devices: Sequence[DeviceAddress]) -> Check:
    """Whether rows are joined across cards as the bench file says.

    A device on another card than the first, where the sources enter, is seen without its backplane relays if the rows
    are joined outside, and is not seen without them and seen with them if they are joined over the backplane.
    """
    said = rig.bench.switch.chain
    slots = sorted(slot for slot, _ in rig.bench.switch.cards)
    if len(slots) == 1:
        return Check("chain", "ok", "one card: nothing to prove")
    far: dict[int, list[DeviceAddress]] = {}
    for device in devices:
        for slot in {int(channel[0]) for _, channel in device.channels} - {slots[0]}:
            far.setdefault(slot, []).append(device)
    if not far:
        return Check("chain", "warn", f"{said}, but not proven: these devices are all in slot {slots[0]}")
    outside = {slot: _first_seen(rig, there, "external") for slot, there in sorted(far.items())}
    if said == "external" and all(outside.values()):
        return Check("chain", "ok", f"external: {_places(outside)} seen with the backplane relays open")
    behind = {slot: _first_seen(rig, there, "backplane") for slot, there in sorted(far.items())}
    dark = [slot for slot in far if not outside[slot] and not behind[slot]]
    if dark:
        where = ", ".join(f"slot {slot}" for slot in sorted(dark))
        return Check("chain", "fail", f"{said}: no device in {where} is seen, with its backplane relays or without")
    if said == "external":
        hidden = {slot: behind[slot] for slot in far if not outside[slot]}
        return Check("chain", "fail", f"the file says external, but {_places(hidden)} seen only over the backplane")
    if any(outside.values()):
        return Check(
            "chain", "fail", f"the file says backplane, but {_places(outside)} seen without: rows are joined outside"
        )
    return Check("chain", "ok", f"backplane: {_places(behind)} seen over it, and not without")


def _first_seen(rig: BenchRig, devices: Sequence[DeviceAddress], chain: str) -> str | None:
    """The first device through which current flows with the rows joined this way."""
    switch = K3706A(rig.switch.bus, dataclasses.replace(rig.bench.switch, chain=chain))
    for device in devices[:TRIALS]:
        rig.analyser.ready()
        switch.route(tuple(channel for _, channel in device.channels))
        if all(map(math.isfinite, rig.analyser.event(None, 1).resistances)):
            return device.name
    return None


def _places(seen: dict[int, str | None]) -> str:
    return ", ".join(f"{name} in slot {slot}" for slot, name in seen.items() if name)

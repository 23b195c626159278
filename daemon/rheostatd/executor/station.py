"""What the executor works with once everything is open: the rig, its bench, the ledger and the ways in and out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rheostat import wire
from rheostat_hal.bench import Bench, Window
from rheostat_hal.rig import Rig
from rheostatd.errors import UnknownDevice, possible
from rheostatd.executor.control import Control
from rheostatd.executor.estop import Guard
from rheostatd.executor.latch import Latch
from rheostatd.executor.leases import Ledger
from rheostatd.executor.limits import Envelope
from rheostatd.journal.pulses import Known, PulseRecord

READ_TIME = {"smu": 0.05, "spgu": 0.01, "wgfmu": 50e-6}  # s, before a reading has been measured


@dataclass
class Station:
    """`read_time`: s of rig time of one reading, as last measured; `tables`: newest first."""

    bench: Bench
    rig: Rig
    ledger: Ledger
    control: Control
    guard: Guard
    tables: list[wire.TableInfo] = field(default_factory=list)
    read_time: float = 0.0
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        self.read_time = self.read_time or READ_TIME[self.bench.source]
        self.latch = Latch(self.rig, self.guard, self.control)
        self.envelope = Envelope(self.bench.limits, self.bench.topology)
        self.windows: dict[str, Window] = dict(self.bench.windows)
        self.schemes = dict(self.bench.schemes)
        self.addresses = {device.name: device for device in self.bench.devices}
        self._loaded: dict[str, wire.FeedforwardTable] = {}

    def window(self, device: str) -> Window:
        """The window of a device's kind. Raises UnknownDevice."""
        address = self.addresses.get(device)
        if address is None:
            raise UnknownDevice(f"no device {device!r} on this bench: {possible(device, self.addresses)}")
        return self.windows[address.kind]

    def device(self, name: str) -> wire.Device:
        """A device as the record knows it now."""
        address = self.addresses[name]
        window = self.windows[address.kind]
        known = self.ledger.devices.get(name, Known())
        return wire.Device(
            name=name,
            kind=address.kind,
            channels=dict(address.channels),
            window=(window.lrs, window.hrs),
            levels=window.levels,
            resistance=known.resistance,
            read_at=known.read_at,
            pulses=known.pulses,
            suspect=known.suspect,
        )

    def table(self, version: str) -> wire.FeedforwardTable:
        """Raises UnknownTable, JournalError."""
        if version not in self._loaded:
            self._loaded[version] = self.ledger.ask(PulseRecord.table, version)
        return self._loaded[version]

    def add_table(self, table: wire.FeedforwardTable) -> None:
        """Stores a new table; durable when this returns."""
        self.ledger.ask(PulseRecord.save_table, table)
        self._loaded[table.info.version] = table
        self.tables.insert(0, table.info)

"""The B1530A modules of the virtual bench: channels, and the sequencers that run them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from rheostat_hal.virtual.wgfmu import ammeter, playback
from rheostat_hal.virtual.wgfmu.faults import COMMUNICATION, FIRMWARE, Fault
from rheostat_hal.virtual.wgfmu.playback import Pieces, Waveform
from rheostat_hal.virtual.wgfmu.state import Settings
from rheostat_hal.virtual.world import World

log = structlog.get_logger()

LIMIT = 0.01  # A, what an output gives at most
COMMAND_TIME = 1e-3  # s of bench time for a command that reaches the hardware; assumed
CURRENT = 4001
COMPLETED, RUNNING, ABORTED, ILLEGAL, IDLE = 10000, 10002, 10004, 10005, 10006

Results = tuple[NDArray[np.float64], NDArray[np.float64]]


class Channel:
    """One output: whether it is connected, what it forces, its settings (see state.Settings)."""

    def __init__(self, number: int, index: int, world: World) -> None:
        self.number = number
        self.index = index
        self._world = world
        self.reset()

    def reset(self) -> None:
        self.on = False
        self.settings: dict[str, Any] = asdict(Settings())
        self.force(0.0)

    def force(self, volts: float) -> None:
        self.volts = volts
        self._drive()

    def switch(self, on: bool) -> None:
        self.on = on
        self._drive()

    def _drive(self) -> None:
        self._world.drive(self.index, self.on, False, self.volts, LIMIT)


class Modules:
    """All B1530A channels of a mainframe. `pending`: how many errors wait in the mainframe's FLEX queue; `address`: its
    VISA resource. Methods may be called from any thread."""

    def __init__(
        self, world: World, channels: tuple[int, ...], address: str, seed: int, pending: Callable[[], int]
    ) -> None:
        self.world = world
        self.channels = {number: Channel(number, world.index[number], world) for number in channels}
        self._address = address
        self._pending = pending
        self._generator = np.random.default_rng([seed & 0xFFFFFFFF, 5, world.die.time])
        self._lock = threading.Lock()
        self._player: threading.Thread | None = None
        self._stop = threading.Event()
        self._settle()

    def _settle(self) -> None:
        self.status = IDLE
        self.elapsed = self.total = 0.0
        self._results: dict[int, Results] = {}

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """One request of the stand-in. Raises Fault."""
        with self._lock:
            done = getattr(self, f"_do_{request['do']}")(request)
        return done or {}

    # ---- what is asked ---------------------------------------------------------------------------------------------

    def _do_open(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if request["address"] != self._address:
            raise Fault(COMMUNICATION, f"{request['address']}: no B1500A answers there")
        if self._pending():
            raise Fault(FIRMWARE, "the instrument's error queue is not empty: ERRX? tells what happened")
        return {"channels": list(self.channels)}

    def _do_initialize(self, request: Mapping[str, Any]) -> None:
        self._halt()
        for channel in self.channels.values():
            channel.reset()
        self._settle()
        self._spend()

    def _do_connect(self, request: Mapping[str, Any]) -> None:
        self.channels[request["channel"]].switch(request["on"])
        self._spend()

    def _do_update(self, request: Mapping[str, Any]) -> None:
        self._halt()
        self._prepare(request)
        self._spend()

    def _do_execute(self, request: Mapping[str, Any]) -> None:
        self._halt()
        waveforms = self._prepare(request)
        self._settle()
        self.status = RUNNING
        self._stop.clear()
        pieces = Pieces.of(list(waveforms.values()))
        self.total = float(pieces.widths.sum())
        self._player = threading.Thread(target=self._run, args=(waveforms, pieces), name="wgfmu", daemon=True)
        self._player.start()

    def _do_abort(self, request: Mapping[str, Any]) -> None:
        """All sequencers stop, also when one channel is named: the channels of a run share its time base."""
        if self._halt():
            self.status = ABORTED

    def _do_status(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"status": self.status, "elapsed": self.elapsed, "total": self.total}

    def _do_size(self, request: Mapping[str, Any]) -> dict[str, Any]:
        size = len(self._results.get(request["channel"], ((), ()))[0])
        return {"measured": size, "total": size}

    def _do_values(self, request: Mapping[str, Any]) -> dict[str, Any]:
        times, values = self._results.get(request["channel"], (np.zeros(0), np.zeros(0)))
        part = slice(request["offset"], request["offset"] + request["size"])
        return {"times": times[part], "values": values[part]}

    def _do_force(self, request: Mapping[str, Any]) -> None:
        channel = self._in_dc(request)
        channel.force(request["volts"])
        self._spend()

    def _do_measure(self, request: Mapping[str, Any]) -> dict[str, Any]:
        channel = self._in_dc(request)
        duration = request["count"] * request["interval"] * ammeter.SAMPLE
        self.world.wait(COMMAND_TIME + duration, time.sleep)
        solution = self.world.solution()
        settings = channel.settings
        if settings["measure_mode"] == CURRENT:
            true, scale = solution.currents[channel.index], ammeter.CURRENT[settings["current_range"]]
        else:
            true, scale = solution.voltages[channel.index], ammeter.VOLTAGE[settings["voltage_range"]]
        value, full, noise, count = (np.array([float(n)]) for n in (true, scale.full, scale.noise, request["count"]))
        return {"value": float(ammeter.convert(value, full, noise, count, self._generator)[0])}

    # ---- sequencers ------------------------------------------------------------------------------------------------

    def _prepare(self, request: Mapping[str, Any]) -> dict[int, Waveform]:
        """Take over the settings, go to the first voltages."""
        waveforms = {}
        for key, settings in request["settings"].items():
            self.channels[int(key)].settings = settings
        for key, sequence in request["sequences"].items():
            waveform = waveforms[int(key)] = Waveform.of(sequence, request["patterns"])
            self.channels[int(key)].force(float(waveform.volts[0]))
        return waveforms

    def _run(self, waveforms: dict[int, Waveform], pieces: Pieces) -> None:
        """The player's thread."""
        try:
            self._play(waveforms, pieces)
        except Exception:  # a bug of ours must not look like a train that takes long
            log.exception("wgfmu.player_failed")
            self.status = ILLEGAL

    def _play(self, waveforms: dict[int, Waveform], pieces: Pieces) -> None:
        """Pieces onto the world, then what was measured. Stops between two chunks."""
        running = [self.channels[number] for number in waveforms if self.channels[number].on]
        columns = [k for k, number in enumerate(waveforms) if self.channels[number].on]
        begin, end = np.zeros_like(pieces.volts), np.zeros_like(pieces.volts)
        started = time.monotonic()
        for part in pieces.chunks():
            if self._stop.is_set():
                return
            volts, widths = pieces.volts[part][:, columns], pieces.widths[part]
            if running:
                begin[part, columns], end[part, columns] = self.world.play([c.index for c in running], volts, widths)
            for channel, last in zip(running, volts[-1].tolist(), strict=True):
                channel.volts = last
            self.elapsed += float(widths.sum())
            if self.world.real_time and self._stop.wait(max(0.0, started + self.elapsed - time.monotonic())):
                return
        for k, (number, waveform) in enumerate(waveforms.items()):
            settings = self.channels[number].settings
            if settings["enabled"] and len(waveform.measure):
                current = settings["measure_mode"] == CURRENT
                signal = (begin[:, k], end[:, k]) if current else (pieces.volts[:, k], pieces.volts[:, k])
                code = settings["current_range" if current else "voltage_range"]
                times, values = playback.results(waveform, pieces.widths, *signal, code, current, self._generator)
                self._results[number] = times + settings["measure_delay"], values
        self.status = COMPLETED

    def _halt(self) -> bool:
        """Stop the player, outputs stay where they are; whether one ran."""
        player, self._player = self._player, None
        running = player is not None and player.is_alive()
        self._stop.set()
        if player is not None:
            player.join()
        return running and self.status == RUNNING

    def _in_dc(self, request: Mapping[str, Any]) -> Channel:
        self._halt()
        channel = self.channels[request["channel"]]
        channel.settings = request["settings"][str(channel.number)]
        return channel

    def _spend(self) -> None:
        self.world.wait(COMMAND_TIME, time.sleep)

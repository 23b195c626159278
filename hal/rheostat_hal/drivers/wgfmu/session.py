"""The channels of one rig through the WGFMU library: a session, 0 V, and a train as one sequence and one execute.

All methods but `abort` belong to one thread. The library is never waited for in one long call: `waitUntilCompleted`
would let no abort pass, so the status is asked every few milliseconds until the data are there.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time

import numpy as np
from numpy.typing import NDArray

from rheostat_hal.drivers.wgfmu.library import (
    CURRENT_RANGES,
    VOLTAGE_RANGE_5V,
    Data,
    Library,
    Measure,
    Mode,
    Running,
)
from rheostat_hal.drivers.wgfmu.waveform import TICK, Train
from rheostat_hal.errors import BusAborted, BusError, BusTimeout, IdentityError, UnsafeError, WgfmuError

SLICE = 0.005  # s, the longest between two questions for the status
ZERO = 0.01  # V, what counts as 0 V: far above a channel's offset and noise, far below what moves a device
DC_SAMPLES = 2000  # 10 us: noise of 1.4 mV in 20 ns (User's Guide, table 4-23) becomes 0.06 mV
RANGE_CHANGE = 20_000  # ticks, 200 us: a change of range settles within 150 us (User's Guide)
LIBRARY_TIMEOUT = 10.0  # s; the library's own default is 100 s
PATIENCE = 1.0  # s that an abort waits for a call under way; those of the bus take milliseconds
NOT_RUNNING = -13
LOOP_RANGE = 1e-2  # A
OPEN_LOOP = 1e-3  # of that range


class WgfmuSession:
    """`channels`: line ("row", "column", "others") -> channel; `force_range`: code of the output range."""

    def __init__(self, library: Library, channels: dict[str, int], force_range: int, timeout: float) -> None:
        self._library = library
        self._channels = channels
        self._force_range = force_range
        self._timeout = timeout
        self._open = False
        self._aborted = threading.Event()

    @property
    def is_open(self) -> bool:
        return self._open

    def open(self, address: str) -> None:
        """Open a session with the mainframe at a VISA address, forget an abort, reset the channels.

        Errors pending in the mainframe make the library refuse (-6): they have to be drained first. Raises
        WgfmuError, BusError, IdentityError when one of the channels does not exist.
        """
        self._aborted.clear()
        if self._open:
            self.close()
        self._library.call("openSession", address.encode())
        self._open = True
        self._library.call("setTimeout", LIBRARY_TIMEOUT)
        present = self._library.channels()
        for line, channel in self._channels.items():
            if channel not in present:
                raise IdentityError("wgfmu", 0, f"{line} is channel {channel}; there are {present or 'none'}")

    def initialise(self) -> None:
        """Every WGFMU channel as at power on: disconnected."""
        self._call("initialize")

    def close(self) -> None:
        """End the session, if there is one; the channels stay as they are."""
        if self._open:
            self._open = False
            with contextlib.suppress(BusError, WgfmuError):  # a lost connection cannot be closed either
                self._library.call("closeSession")

    # ---- outputs ---------------------------------------------------------------------------------------------------

    def zero(self) -> None:
        """Stop what plays, every channel to 0 V, confirmed by measuring. Raises UnsafeError when one is not."""
        self._stop()
        self._direct_zero()
        for channel in self._channels.values():
            self._call("setMeasureMode", channel, Measure.VOLTAGE)
            self._call("setMeasureVoltageRange", channel, VOLTAGE_RANGE_5V)
            voltage = self._library.dc_value(channel, DC_SAMPLES)
            if not abs(voltage) < ZERO:
                raise UnsafeError(f"WGFMU channel {channel} is at {voltage:g} V after it was told 0 V")

    def loop(self, forcing: str, measuring: str, voltage: float) -> float:
        """Resistance from one channel to another, ohm, at +-`voltage` V in DC mode: offsets cancel. inf when nothing
        conducts. Leaves the channels at 0 V."""
        source, meter = self._channels[forcing], self._channels[measuring]
        self._stop()
        self._direct_zero()
        self._call("setMeasureMode", meter, Measure.CURRENT)
        self._call("setMeasureCurrentRange", meter, CURRENT_RANGES[LOOP_RANGE])
        currents = []
        for volts in (voltage, -voltage, 0.0):
            self._call("dcforceVoltage", source, volts)
            currents.append(self._library.dc_value(meter, DC_SAMPLES))
        difference = abs(currents[0] - currents[1])
        return 2 * voltage / difference if difference > OPEN_LOOP * LOOP_RANGE else math.inf

    def connect(self) -> None:
        for channel in self._channels.values():
            self._call("connect", channel)

    def disconnect(self) -> None:
        """Every channel off. That it is so, only the library's return code says: it has no function that asks."""
        for channel in self._channels.values():
            self._call("disconnect", channel)

    def abort(self) -> None:
        """From any thread: stop the sequencers, then 0 V, for an abort leaves the output where it is.

        Raises BusTimeout when a call of another thread does not come back: the library takes one at a time.
        """
        self._aborted.set()
        if not self._open:
            return
        if not self._library.using.acquire(timeout=PATIENCE):
            raise BusTimeout("wgfmu: the library is busy and could not be told to stop")
        try:
            self._stop()
            self._direct_zero()
        finally:
            self._library.using.release()

    def _stop(self) -> None:
        try:
            self._library.call("abort")
        except WgfmuError as error:
            if error.number != NOT_RUNNING:
                raise

    def _direct_zero(self) -> None:
        for channel in self._channels.values():
            self._library.call("setOperationMode", channel, Mode.DC)
            self._library.call("setForceVoltageRange", channel, self._force_range)
            self._library.call("dcforceVoltage", channel, 0.0)

    # ---- trains ----------------------------------------------------------------------------------------------------

    def play(self, train: Train, cycles: int, current_range: float) -> NDArray[np.float64]:
        """Play a train `cycles` times: patterns built once, one sequence, one execute. The column's results in A,
        (cycles, train.data). The outputs are left at 0 V, connected. Raises BusAborted, BusTimeout, WgfmuError.
        """
        self._build(train, cycles)
        for line, channel in self._channels.items():
            self._call("setOperationMode", channel, Mode.FAST_IV)
            self._call("setForceVoltageRange", channel, self._force_range)
            self._call("setMeasureEnabled", channel, 7001 if line == "column" else 7000)
        column = self._channels["column"]
        self._call("setMeasureMode", column, Measure.CURRENT)
        self._call("setMeasureCurrentRange", column, CURRENT_RANGES[current_range])
        self._call("update")  # the range and 0 V, before anything moves
        self._call("execute")
        self._wait()
        _, values = self._library.values(column)
        if len(values) != cycles * train.data:
            raise BusError(f"wgfmu: {len(values)} results of {cycles * train.data}")
        return values.reshape(cycles, train.data)

    def _build(self, train: Train, cycles: int) -> None:
        library = self._library
        self._call("clear")
        self._call("createPattern", b"rest", 0.0)
        self._call("addVector", b"rest", RANGE_CHANGE * TICK, 0.0)
        lines = {"row": train.row, "column": ((train.ticks, 0.0),), "others": train.others}
        for line, channel in self._channels.items():
            name = line.encode()
            self._call("createPattern", name, 0.0)
            library.add_vectors(name, [n * TICK for n, _ in lines[line]], [volts for _, volts in lines[line]])
            if line == "column":
                for number, window in enumerate(train.windows):
                    kind = Data.RAW if window.raw else Data.AVERAGED
                    times = (window.begin * TICK, window.points, window.interval * TICK, window.average * TICK)
                    self._call("setMeasureEvent", name, b"event %d" % number, *times, kind)
            self._call("addSequence", channel, b"rest", 1.0)
            self._call("addSequence", channel, name, float(cycles))

    def _wait(self) -> None:
        """Until the results can be read; BusTimeout when the sequencers make no progress."""
        deadline, reached, pause = 0.0, -1.0, 0.0
        while True:
            if self._aborted.is_set():
                raise BusAborted("wgfmu: aborted")
            status, elapsed, total = self._library.status()
            if status is Running.COMPLETED:
                break
            if status in (Running.ABORTED, Running.ABORT_COMPLETED):
                raise BusAborted("wgfmu: aborted")
            if status is Running.RUNNING_ILLEGAL:
                raise WgfmuError("wgfmu", 0, "the sequencer runs in a state it should not be in")
            if elapsed > reached:
                deadline, reached = time.monotonic() + self._timeout, elapsed
            elif time.monotonic() > deadline:
                raise BusTimeout(f"wgfmu: {elapsed:.3g} s of {total:.3g} s have been played, and it does not go on")
            pause = min(SLICE, 1.5 * pause + 2e-4)  # one pulse takes tens of microseconds
            self._aborted.wait(pause)
        self._call("waitUntilCompleted")  # returns at once: the library's own word that the results can be read

    def _call(self, name: str, *arguments: object) -> None:
        """As Library.call, but not after an abort: what was on its way to play must not begin."""
        with self._library.using:
            if self._aborted.is_set():
                raise BusAborted("wgfmu: aborted")
            self._library.call(name, *arguments)

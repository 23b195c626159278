"""What a bus, an instrument or a bench file does wrong. What a *device* does is never an exception: it is an outcome.

    HalError
    ├── BenchError            bench.config           the bench file is wrong, or does not fit what is connected
    ├── BusError              bus.failed             the connection broke
    │   ├── BusUnavailable    bus.unavailable        nothing answers at the resource
    │   ├── BusTimeout        bus.timeout            an answer did not come in time
    │   ├── BusAborted        bus.aborted            another thread aborted the operation (emergency stop)
    │   └── ReplyError        bus.reply              an answer came that is not one of those possible here
    ├── InstrumentError       instrument.error       an error of the instrument's own: `number` and `text`
    │   ├── IdentityError     instrument.identity    not the instrument, modules or cards of the bench file
    │   └── WgfmuError        instrument.wgfmu       an error that the WGFMU library reports, with its summary
    ├── SwitchError           switch.readback        the closed relays read back are not those that were asked for
    ├── UnsafeError           rig.unsafe             0 V or open relays could not be confirmed
    └── RefusedError          rig.refused            asked for what the bench does not allow; nothing was sent, no latch

Every class has a stable `code`, which travels to the client.
"""

from __future__ import annotations


class HalError(Exception):
    """Root of the tree. `code` is stable; the message is for people."""

    code = "hal.failed"


class BenchError(HalError):
    """The bench file is wrong or does not fit what is connected. The message names file, table and key."""

    code = "bench.config"


class BusError(HalError):
    code = "bus.failed"


class BusUnavailable(BusError):  # noqa: N818
    code = "bus.unavailable"


class BusTimeout(BusError):  # noqa: N818
    code = "bus.timeout"


class BusAborted(BusError):  # noqa: N818
    code = "bus.aborted"


class ReplyError(BusError):
    code = "bus.reply"


class InstrumentError(HalError):
    """An error from the instrument's own queue: `instrument`: its name in the bench."""

    code = "instrument.error"

    def __init__(self, instrument: str, number: int, text: str) -> None:
        super().__init__(f"{instrument}: {number} {text}")
        self.instrument = instrument
        self.number = number
        self.text = text


class IdentityError(InstrumentError):
    code = "instrument.identity"


class WgfmuError(InstrumentError):
    """An error code of the WGFMU library (-1 to -15, without -5, which is a BusError) and what its summary says."""

    code = "instrument.wgfmu"


class SwitchError(HalError):
    code = "switch.readback"


class UnsafeError(HalError):
    code = "rig.unsafe"


class RefusedError(HalError):
    """The rig was asked for something outside its bench file: it sent nothing, and is not latched."""

    code = "rig.refused"

"""The latch: after a fault or an emergency stop everything is refused until somebody has recovered the rig."""

from __future__ import annotations

import structlog

from rheostat_hal.errors import HalError, UnsafeError
from rheostat_hal.rig import Rig
from rheostatd import messages
from rheostatd.errors import RigLatched
from rheostatd.executor.control import Control
from rheostatd.executor.estop import Guard

log = structlog.get_logger()


class Latch:
    """`reason`: why the rig is latched, None when it is not. Belongs to the run's thread."""

    def __init__(self, rig: Rig, guard: Guard, control: Control) -> None:
        self.reason: str | None = None
        self._rig = rig
        self._guard = guard
        self._control = control

    def check(self) -> None:
        """Raises RigLatched."""
        if self.reason is not None:
            raise RigLatched(f"the rig is latched: {self.reason}; look at it, then recover it")

    def secure(self, fault: HalError | None = None) -> bool:
        """0 V, relays open, both read back; latches after a fault, after an emergency stop, or when that failed.

        Whoever waits for an emergency stop gets the answer. Gives whether the rig is safe."""
        unconfirmed, stops, reason = "", self._guard.stops, self._guard.reason
        try:
            self._rig.make_safe()
        except UnsafeError as error:
            unconfirmed = str(error)
            log.error("rig.not_safe", code=error.code, error=unconfirmed)
        except HalError as error:  # it is safe, but something was in the way
            fault = fault or error
        if reason is not None:
            self._close("rig.estop", f"emergency stop: {reason}", unconfirmed)
        elif fault is not None:
            self._close(fault.code, str(fault), unconfirmed)
        elif unconfirmed:
            self._close("rig.unsafe", unconfirmed, "")
        if self._guard.tripped:
            self._guard.safe(unconfirmed, stops)
        return not unconfirmed

    def recover(self) -> str | None:
        """Checks the rig and opens the latch. Gives why it did not succeed."""
        try:
            self._rig.recover()
        except HalError as error:
            unconfirmed = "; ".join(getattr(error, "__notes__", ()))
            self._close(error.code, f"recovery failed: {error}", unconfirmed)
            return f"{error} (NOT SAFE: {unconfirmed})" if unconfirmed else str(error)
        log.info("rig.recovered", was=self.reason)
        self.reason = None
        return None

    def _close(self, code: str, reason: str, unconfirmed: str) -> None:
        text = f"{reason} (NOT SAFE: {unconfirmed})" if unconfirmed else reason
        log.error("rig.latched", code=code, reason=text)
        self.reason = text
        self._control.send(messages.Latched(code, text))

"""What a check says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from rheostat_hal.errors import BusAborted, HalError, SwitchError

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """What was found of one thing. `values`: what is behind the text, for programs; names end in their unit.

    `error`: the code of the error that ended the check, if one did.
    """

    name: str
    status: Status
    text: str
    values: dict[str, Any] = field(default_factory=dict)
    error: str | None = None


def tried(name: str, look: Callable[[], Check | str]) -> Check:
    """The check (a text: all is well), or the failure that an error makes of it. Raises BusAborted."""
    try:
        found = look()
    except BusAborted:
        raise
    except HalError as error:
        return Check(name, "fail", explained(error), error=error.code)
    return Check(name, "ok", found) if isinstance(found, str) else found


def explained(error: HalError) -> str:
    # backplane relays are S91r; on a card with an open interlock they stay where they are
    interlock = isinstance(error, SwitchError) and any(f"{slot}91" in str(error) for slot in range(1, 7))
    hint = " (is the interlock of the card closed?)" if interlock else ""
    said = " ".join(str(error).split())  # libraries explain themselves in several lines
    return "; ".join([f"{said}{hint}", *getattr(error, "__notes__", [])])

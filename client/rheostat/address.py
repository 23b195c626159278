"""Where the daemon is: the address a client uses, and the file in which a running daemon says where it listens."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rheostat.errors import InputError

DEFAULT_PORT = 7431
DEFAULT = f"tcp://127.0.0.1:{DEFAULT_PORT}"
VARIABLE = "RHEOSTAT_ADDRESS"
HOW_TO_START = "start one with `rheostatd` (without --config it runs the virtual bench)"


@dataclass(frozen=True)
class Address:
    """`endpoint`: what ZeroMQ connects to; `source`: who said so, for messages."""

    endpoint: str
    source: str


def resolve(address: str | None, environment: Mapping[str, str] = os.environ) -> Address:
    """The argument, else $RHEOSTAT_ADDRESS, else the default. A bare host or host:port is completed."""
    if address is not None:
        return Address(complete(address), "as asked for")
    if VARIABLE in environment:
        return Address(complete(environment[VARIABLE]), f"from ${VARIABLE}")
    return Address(DEFAULT, f"the default; ${VARIABLE} is not set")


def complete(address: str) -> str:
    """ "rig" -> "tcp://rig:7431". Raises InputError for what cannot be one."""
    text = address.strip()
    if not text:
        raise InputError("the address of the daemon is empty; write tcp://HOST:PORT")
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "tcp", text
    if scheme != "tcp":
        if scheme not in ("ipc", "inproc"):
            raise InputError(f"address {address!r}: write tcp://HOST:PORT")
        return text
    host, colon, port = rest.rpartition(":")
    if not colon:
        host, port = rest, str(DEFAULT_PORT)
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise InputError(f"address {address!r}: write tcp://HOST:PORT, the port from 1 to 65535")
    return f"tcp://{host}:{port}"


def data_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The data folder of a daemon started without --data: $RHEOSTAT_HOME, else in $XDG_DATA_HOME, on
    Windows in %LOCALAPPDATA%, else in ~/.local/share."""
    if home := environment.get("RHEOSTAT_HOME"):
        return Path(home)
    base = environment.get("XDG_DATA_HOME") or environment.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".local" / "share") / "rheostat"


def running(endpoint: str, environment: Mapping[str, str] = os.environ) -> dict[str, Any] | None:
    """What the daemon at `endpoint` wrote about itself (address, events, estop, pid), if it runs on this machine."""
    try:
        said = json.loads((data_folder(environment) / "daemon.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return said if isinstance(said, dict) and said.get("address") == endpoint else None

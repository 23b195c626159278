"""What the daemon is told: the [daemon] table of the bench file, the environment and the command line, in rising order.

[daemon]
data = "~/.local/share/rheostat"  # journal, arrays, tables; or $RHEOSTAT_HOME, or the system's place for data
bind = "127.0.0.1"                # anything else only with allow_remote = true: the protocol has no passwords
allow_remote = false
port = 7431                       # requests; 0: any free one
events_port = 0                   # published events; 0: any free one
log_level = "info"                # debug, info, warning, error
event_ring = 20000                # events kept for those who have missed some
queue_limit = 1000                # jobs waiting at a time
min_free_mb = 64                  # less room than this on the disk: no new jobs
restarts = 3                      # executor crashes in a row before the daemon gives up on it
"""

from __future__ import annotations

import ipaddress
import json
import os
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from rheostat_hal import platform
from rheostatd.errors import ConfigError, possible
from rheostatd.log import LEVELS

DAEMON_FILE = "daemon.json"


@dataclass(frozen=True, slots=True)
class Settings:
    """The [daemon] table, checked. `data` is made absolute by `load`."""

    data: str = ""
    bind: str = "127.0.0.1"
    allow_remote: bool = False
    port: int = 7431
    events_port: int = 0
    log_level: str = "info"
    event_ring: int = 20000
    queue_limit: int = 1000
    min_free_mb: int = 64
    restarts: int = 3

    @property
    def folder(self) -> Path:
        return Path(self.data)


_RANGES = {
    "port": (0, 65535),
    "events_port": (0, 65535),
    "event_ring": (1, 10_000_000),
    "queue_limit": (1, 1_000_000),
    "min_free_mb": (0, 1_000_000),
    "restarts": (0, 100),
}


def load(bench: Path | None, **given: Any) -> Settings:
    """The settings of a bench file (None: the defaults), with what the command line gave (None: not given) on top.

    Raises ConfigError, which names file and key. The rest of the file is `rheostat_hal.bench`'s to check.
    """
    table: dict[str, Any] = {}
    if bench is not None:
        document = _read(bench)
        table = document.get("daemon", {})
        if not isinstance(table, dict):
            raise ConfigError(f"{bench}: [daemon] must be a table")
        _checked(table, str(bench))
    table = {**table, **{key: value for key, value in given.items() if value is not None}}
    where = "the command line" if bench is None else f"{bench} and the command line"
    settings = _checked(table, where)
    return replace(settings, data=str(_data_folder(settings.data)))


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error


def _checked(table: dict[str, Any], where: str) -> Settings:
    plain = Settings()
    kinds = {field.name: type(getattr(plain, field.name)) for field in fields(Settings)}
    for key, value in table.items():
        kind = kinds.get(key)
        if kind is None:
            raise ConfigError(f"{where}: [daemon] has no key {key!r}; {possible(key, kinds, most=20)}")
        if type(value) is not kind:
            raise ConfigError(f"{where}: [daemon] {key} must be of type {kind.__name__}, not {value!r}")
        if key in _RANGES and not _RANGES[key][0] <= value <= _RANGES[key][1]:
            raise ConfigError(f"{where}: [daemon] {key} = {value} must lie from {_RANGES[key][0]} to {_RANGES[key][1]}")
    settings = Settings(**table)
    if settings.log_level not in LEVELS:
        raise ConfigError(f"{where}: [daemon] log_level {settings.log_level!r}; {possible(settings.log_level, LEVELS)}")
    try:
        loopback = ipaddress.ip_address(settings.bind).is_loopback
    except ValueError:
        raise ConfigError(f"{where}: [daemon] bind must be an IP address, not {settings.bind!r}") from None
    if not loopback and not settings.allow_remote:
        raise ConfigError(
            f"{where}: [daemon] bind = {settings.bind!r} lets other machines in, who are not asked for a password; "
            "say allow_remote = true if that is what you want"
        )
    return settings


def _data_folder(given: str) -> Path:
    """Absolute. The command line and the table come before $RHEOSTAT_HOME, and that before the system's place."""
    if given:
        return Path(given).expanduser().absolute()
    home = os.environ.get("RHEOSTAT_HOME")
    if home:
        return Path(home).expanduser().absolute()
    return platform.data_home().expanduser().absolute() / "rheostat"


def write_daemon_file(folder: Path, content: dict[str, Any]) -> Path:
    """<data>/daemon.json tells clients on this machine where the daemon answers; replaced in one step."""
    path = folder / DAEMON_FILE
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    platform.replace(fresh, path)
    return path

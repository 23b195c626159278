"""Everything in which operating systems differ, each with what is done where a system lacks it.

Nothing here asks for the system's name: each function looks whether what it needs is there (POSIX), and else does what
Windows offers. Imports little: `rheostatd` needs this before anything else, to catch its signals.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

try:
    _fcntl: Any = importlib.import_module("fcntl")
    _msvcrt: Any = None
except ImportError:
    _fcntl, _msvcrt = None, importlib.import_module("msvcrt")

# what asks a process to end; Windows has SIGBREAK for Ctrl-Break, and when its console is closed
END_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name))
_REGION = 1 << 20  # Windows locks bytes: one far behind the text of a lock file, which stays readable
_PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4)  # s until a file is tried once more that somebody has open

# ---- processes -------------------------------------------------------------------------------------------------------


def apart(inherited: tuple[int, ...] = ()) -> dict[str, Any]:
    """Options of subprocess.Popen for a child out of reach of the terminal's Ctrl-C, which keeps `inherited` open.

    Windows: in a console of its own, without a window. Descriptors cannot be handed on there.
    """
    if hasattr(os, "setsid"):
        return {"start_new_session": True, "pass_fds": inherited}
    import subprocess

    return {"creationflags": getattr(subprocess, "CREATE_NO_WINDOW", 0)}


def alive(pid: int) -> bool:
    """Whether a process of this number exists. Windows: assumed, since asking (os.kill) would end it there."""
    if not hasattr(os, "getpgid"):
        return True
    try:
        os.getpgid(pid)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


# ---- locks -----------------------------------------------------------------------------------------------------------


def open_lock_file(path: Path) -> int:
    """A descriptor of the file, which is made when it is missing."""
    flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        return os.open(path, flags)  # without O_CREAT first: Linux refuses it for another user's in a shared folder
    except FileNotFoundError:
        return os.open(path, flags | os.O_CREAT, 0o666)


def lock(descriptor: int) -> bool:
    """Take the lock of an open file without waiting; False when another holds it.

    The system frees it when every process that has the descriptor has ended or closed it."""
    try:
        if _fcntl is not None:
            _fcntl.flock(descriptor, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
        else:
            os.lseek(descriptor, _REGION, os.SEEK_SET)
            _msvcrt.locking(descriptor, _msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    return True


def is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one at `path`. Windows: it is, since open files cannot be removed."""
    if _fcntl is None:
        return True
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def close_and_remove(descriptor: int, path: Path) -> None:
    """A file that is locked: removed before its lock goes. Windows: after, unless somebody has opened it meanwhile."""
    with contextlib.suppress(PermissionError):  # POSIX: another user's file in a shared folder
        if _fcntl is not None:
            path.unlink(missing_ok=True)
    os.close(descriptor)
    with contextlib.suppress(PermissionError):
        if _fcntl is None:
            path.unlink(missing_ok=True)


def shared_folder(name: str) -> Path:
    """A folder where all users of this machine meet: in %PROGRAMDATA% where there is one, else where temporary files
    are kept. Windows: a file in it is its maker's alone."""
    import tempfile

    folder = Path(os.environ.get("PROGRAMDATA") or tempfile.gettempdir()) / name
    if not folder.exists():
        folder.mkdir(exist_ok=True)
        folder.chmod(0o1777)  # as the folder above it
    return folder


def share(descriptor: int) -> None:
    """Let every user open a file that this user has made in a shared folder."""
    fchmod, getuid = getattr(os, "fchmod", None), getattr(os, "getuid", None)
    if fchmod is not None and getuid is not None and os.fstat(descriptor).st_uid == getuid():
        fchmod(descriptor, 0o666)


# ---- files -----------------------------------------------------------------------------------------------------------


def sync_folder(folder: Path) -> None:
    """Make new names in a folder durable. Windows cannot open a folder, and keeps names in a journal of its own."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace(fresh: str | Path, path: Path) -> None:
    """os.replace. Windows refuses while somebody has the old file open, for example to read it: then a little later."""
    _as_soon_as_closed(lambda: os.replace(fresh, path))


def remove(path: Path) -> None:
    """Remove a file if it is there; on Windows as `replace`."""
    _as_soon_as_closed(lambda: path.unlink(missing_ok=True))


def _as_soon_as_closed(change: Callable[[], None]) -> None:
    for pause in _PAUSES if _fcntl is None else ():
        try:
            return change()
        except PermissionError:
            time.sleep(pause)
    return change()


def data_home(environment: Mapping[str, str] = os.environ) -> Path:
    """Where programs keep their users' data: $XDG_DATA_HOME, else %LOCALAPPDATA%, else ~/.local/share."""
    base = environment.get("XDG_DATA_HOME") or environment.get("LOCALAPPDATA")
    return Path(base) if base else Path.home() / ".local" / "share"


def cache_home(environment: Mapping[str, str] = os.environ) -> Path:
    """Where programs keep what they can make again: $XDG_CACHE_HOME, else %LOCALAPPDATA%, else ~/.cache."""
    base = environment.get("XDG_CACHE_HOME") or environment.get("LOCALAPPDATA")
    return Path(base) if base else Path.home() / ".cache"

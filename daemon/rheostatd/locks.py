"""Who holds a data folder, or an instrument: a lock of the operating system that dies with its process.

The lock file also says who holds it (pid and address), for the message of whoever comes second. On POSIX the
descriptor can be handed to the executor, so that the lock outlives a service that was killed until the executor has
made the rig safe. Everything that differs between systems is in this module.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rheostatd.errors import Locked

POSIX = os.name == "posix"
_REGION = 1 << 20  # Windows locks bytes: one far behind the text, which stays readable


class Lock:
    """Held from the moment it is made until `release` (or the end of every process that has the descriptor)."""

    def __init__(self, path: Path, what: str) -> None:
        """Raises Locked, with what the holder wrote about itself."""
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            while True:
                self.descriptor = _open(path)
                if not _take(self.descriptor):
                    holder = _holder(self.descriptor)
                    os.close(self.descriptor)
                    raise Locked(f"{what} is held by {_described(holder)}")
                if _is_at(self.descriptor, path):
                    break
                os.close(self.descriptor)  # its holder has just removed it: lock the file that is there now
        except OSError as error:
            raise Locked(f"{what} cannot be locked: {error}") from error
        self.describe()

    def describe(self, **more: Any) -> None:
        """Writes who holds the lock: the pid, and for example the address that answers. Held it is also without."""
        text = json.dumps({"pid": os.getpid(), **more}).encode()
        os.ftruncate(self.descriptor, 0)
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        with contextlib.suppress(OSError):  # the disk is full, which the journal will say better
            os.write(self.descriptor, text)

    def release(self) -> None:
        """Lets it go and removes the file, where a file that is open can be removed."""
        os.ftruncate(self.descriptor, 0)
        if POSIX:
            self.path.unlink(missing_ok=True)
        os.close(self.descriptor)


def lock_folder(folder: Path) -> Lock:
    return Lock(folder / "daemon.lock", f"the data folder {folder}")


def lock_instrument(resource: str) -> Lock:
    """One lock a VISA resource and machine, whatever the data folder and user."""
    key = resource.strip().upper()
    name = re.sub(r"[^A-Z0-9]+", "-", key).strip("-")[:40] + "-" + hashlib.sha256(key.encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / "rheostat-instruments"
    if not folder.exists():
        folder.mkdir(exist_ok=True)
        folder.chmod(0o1777)  # other users' daemons meet here, like in the folder above it
    lock = Lock(folder / f"{name}.lock", f"the instrument {resource}")
    if POSIX and os.fstat(lock.descriptor).st_uid == os.getuid():
        os.fchmod(lock.descriptor, 0o666)
    return lock


def child_options(locks: tuple[Lock, ...] = ()) -> dict[str, Any]:
    """Options for subprocess.Popen: out of reach of the terminal's Ctrl-C (the service tells its children itself),
    and on POSIX with the locks, which are then held until the child has ended too."""
    if POSIX:
        return {"start_new_session": True, "pass_fds": tuple(lock.descriptor for lock in locks)}
    return {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}


def alive(pid: int) -> bool:
    """Whether a process of this number exists. Windows: assumed."""
    if not POSIX:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _open(path: Path) -> int:
    flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
    try:
        return os.open(
            path, flags
        )  # first without O_CREAT: Linux refuses it for another user's file in a shared folder
    except FileNotFoundError:
        return os.open(path, flags | os.O_CREAT, 0o666)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _take(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, _REGION, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _holder(descriptor: int) -> dict[str, Any]:
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        told = json.loads(os.read(descriptor, 4096) or b"{}")
    except ValueError:  # caught between truncating and writing
        return {}
    return told if isinstance(told, dict) else {}


def _described(holder: dict[str, Any]) -> str:
    pid = holder.get("pid")
    if not isinstance(pid, int):
        return "another process that has just started"
    if not alive(pid):
        return f"what pid {pid} left behind: it has died and its executor still makes the rig safe; try again soon"
    address = holder.get("address")
    return f"the daemon with pid {pid}" + (f" at {address}" if address else "")

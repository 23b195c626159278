"""Who holds a data folder, or an instrument: a lock of the operating system that dies with its process.

The lock file also says who holds it (pid and address), for the message of whoever comes second. On POSIX the
descriptor can be handed to the executor, so that the lock outlives a service that was killed until the executor has
made the rig safe.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from rheostat_hal import platform
from rheostatd.errors import Locked


class Lock:
    """Held from the moment it is made until `release` (or the end of every process that has the descriptor)."""

    def __init__(self, path: Path, what: str) -> None:
        """Raises Locked, with what the holder wrote about itself."""
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            while True:
                self.descriptor = platform.open_lock_file(path)
                if not platform.lock(self.descriptor):
                    holder = _holder(self.descriptor)
                    os.close(self.descriptor)
                    raise Locked(f"{what} is held by {_described(holder)}")
                if platform.is_at(self.descriptor, path):
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
        """Lets it go and removes the file."""
        os.ftruncate(self.descriptor, 0)
        platform.close_and_remove(self.descriptor, self.path)


def lock_folder(folder: Path) -> Lock:
    return Lock(folder / "daemon.lock", f"the data folder {folder}")


def lock_instrument(resource: str) -> Lock:
    """One lock a VISA resource and machine, whatever the data folder and user."""
    key = resource.strip().upper()
    name = re.sub(r"[^A-Z0-9]+", "-", key).strip("-")[:40] + "-" + hashlib.sha256(key.encode()).hexdigest()[:12]
    lock = Lock(platform.shared_folder("rheostat-instruments") / f"{name}.lock", f"the instrument {resource}")
    platform.share(lock.descriptor)
    return lock


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
    if not platform.alive(pid):
        return f"what pid {pid} left behind: it has died and its executor still makes the rig safe; try again soon"
    address = holder.get("address")
    return f"the daemon with pid {pid}" + (f" at {address}" if address else "")

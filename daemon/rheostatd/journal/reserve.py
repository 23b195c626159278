"""Room kept back on the disk, so that the end of a running job can still be recorded when everything else is full."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from rheostatd.errors import JournalFull

SIZE = 4 << 20  # bytes


class Reserve:
    """A file of zeros in the data folder, given up when the disk is full, made again when there is room."""

    def __init__(self, folder: Path, min_free: int, size: int = SIZE) -> None:
        """`min_free`: bytes that must be free for a new job to be taken."""
        self._folder = folder
        self._path = folder / "reserve"
        self._min_free = min_free
        self._size = size

    def check(self) -> None:
        """Raises JournalFull when there is too little room for a new job."""
        free = shutil.disk_usage(self._folder).free
        if free < self._min_free:
            raise JournalFull(
                f"{free / 1e6:.0f} MB are free on the disk of {self._folder}, new jobs need {self._min_free / 1e6:.0f} "
                "MB ([daemon] min_free_mb): make room there"
            )

    def keep(self) -> bool:
        """Makes the file if it is missing and there is room for it; whether it is there."""
        if self._path.exists():
            return True
        fresh = self._path.with_suffix(".new")
        try:
            with fresh.open("wb") as file:
                for _ in range(0, self._size, 1 << 16):
                    file.write(bytes(1 << 16))
                file.flush()
                os.fsync(file.fileno())
            os.replace(fresh, self._path)
        except OSError:
            fresh.unlink(missing_ok=True)
            return False
        return True

    def give_up(self) -> bool:
        """Frees the room; whether there was any."""
        if not self._path.exists():
            return False
        self._path.unlink()
        return True

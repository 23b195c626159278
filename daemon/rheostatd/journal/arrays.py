"""Arrays as files named by their content: written once, checked at every read, never changed.

A file is one line of description (dtype and shape) and then the raw bytes; its name is the SHA-256 of all of it.
Writing is durable: temporary file, fsync, rename, fsync of the folder.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from pathlib import Path

import numpy as np

from rheostat import wire
from rheostat_hal import platform
from rheostatd.errors import JournalCorrupt, JournalError, JournalFull

_NEW = ".new-"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG} if hasattr(errno, "EDQUOT") else {errno.ENOSPC})


class ArrayFiles:
    """The folder of arrays. Arrays have a dtype of `wire.DTYPES` and any shape."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalError(f"{folder} cannot be made: {error}") from error

    def write(self, array: wire.Array) -> str:
        """Stores one array, if it is not there yet, and gives its hash. Errors as `write_all`."""
        return self.write_all({"": array})[""]

    def write_all(self, arrays: wire.Arrays) -> dict[str, str]:
        """Stores named arrays; name -> hash. All are durable afterwards. Raises JournalFull or JournalError."""
        try:
            hashes = {name: self._write(array) for name, array in arrays.items()}
            if arrays:
                platform.sync_folder(self.folder)
        except OSError as error:
            if error.errno in _FULL:
                raise JournalFull(f"no room for an array in {self.folder}: {error.strerror}") from error
            raise JournalError(f"an array cannot be written to {self.folder}: {error}") from error
        return hashes

    def read(self, name: str) -> wire.Array:
        """The array stored under a hash, read-only. Raises JournalCorrupt when it is gone or changed."""
        path = self._path(name)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise JournalCorrupt(f"array {name} cannot be read: {error}") from error
        if hashlib.sha256(content).hexdigest() != name:
            raise JournalCorrupt(f"array {path} does not match its hash: the file was changed or damaged")
        head, _, raw = content.partition(b"\n")
        described = json.loads(head)
        array = np.frombuffer(raw, dtype=described["dtype"]).reshape(described["shape"])
        array.flags.writeable = False
        return array

    def read_all(self, hashes: dict[str, str]) -> wire.Arrays:
        return {name: self.read(digest) for name, digest in hashes.items()}

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.array"

    def _write(self, array: wire.Array) -> str:
        flat = np.ascontiguousarray(array)
        if flat.dtype.str not in wire.DTYPES:
            raise JournalError(f"arrays of dtype {flat.dtype.str} cannot be stored")
        head = json.dumps({"dtype": flat.dtype.str, "shape": list(array.shape)}).encode() + b"\n"
        raw = flat.reshape(-1).view(np.uint8).data.cast("B")
        digest = hashlib.sha256(head)
        digest.update(raw)
        name = digest.hexdigest()
        path = self._path(name)
        if not path.exists():
            self._write_file(path, head, raw)
        return name

    def _write_file(self, path: Path, head: bytes, raw: memoryview) -> None:
        descriptor, temporary = tempfile.mkstemp(dir=self.folder, prefix=_NEW)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(head)
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            platform.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def tidy(self) -> None:
        """Removes what a crash left half written. For the process that starts first, alone with the folder."""
        for path in self.folder.glob(f"{_NEW}*"):
            path.unlink(missing_ok=True)

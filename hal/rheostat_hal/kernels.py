"""Where compiled kernels are kept: one folder for one state of all their sources.

numba looks only at a kernel's own file when it decides whether a cached one still holds: after an edit of a function
that the kernel calls in another file, the old machine code would run on. So the cache's folder is named by a hash of
every file that holds kernels, and of the versions that compile them. Without a folder that can be written, numba
refuses to import a cached kernel at all: then a temporary one serves.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

from rheostat_hal import platform

SOURCES = (("rheostat_hal", "models"), ("rheostat_hal", "virtual"), ("rheostatd", "schemes"))
_FORGOTTEN_AFTER = 30 * 86400.0  # s, a folder that nobody has used for so long goes


@cache
def keep() -> Path:
    """Point numba at the folder of these sources and return it. Called before any kernel is defined."""
    folder = _base() / fingerprint()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
        _tidy(folder)
        if not os.access(folder, os.W_OK):
            raise PermissionError(f"{folder} cannot be written")
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="rheostat-kernels-"))
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    if "numba" in sys.modules:  # it has read its environment already
        sys.modules["numba"].config.CACHE_DIR = str(folder)
    return folder


def fingerprint() -> str:
    """Hash of the sources of all kernels and of numba's and Python's versions."""
    digest = hashlib.sha256(f"{importlib.metadata.version('numba')} {sys.version}".encode())
    for package, room in SOURCES:
        spec = importlib.util.find_spec(package)  # the daemon need not be installed where only the bench is used
        for root in (spec.submodule_search_locations or ()) if spec else ():
            for path in sorted(Path(root, room).glob("**/*.py")):
                digest.update(f"{package}/{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _base() -> Path:
    return platform.cache_home() / "rheostat" / "kernels"


def _tidy(current: Path) -> None:
    for folder in current.parent.iterdir():
        if folder != current and time.time() - folder.stat().st_mtime > _FORGOTTEN_AFTER:
            shutil.rmtree(folder, ignore_errors=True)

"""Loads the compiled schemes (or compiles them, the first time) before the first job needs them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

import numba

from rheostatd.schemes.policy import Scheme


def warm_behind(schemes: Iterable[Scheme], ending: Callable[[], bool]) -> None:
    """Readies the schemes in a thread of their own; between two of them it ends early when the process does."""

    def ready() -> None:
        for scheme in schemes:
            if ending():
                return
            warm(scheme)

    threading.Thread(target=ready, name="warm").start()


def warm(scheme: Scheme) -> None:
    """Readies a scheme's kernels for the types that `drive` calls them with, without running any."""
    vector, number, count = numba.float64[::1], numba.float64, numba.int64
    signatures = (
        (scheme.begin, (vector, vector, number)),
        (scheme.step, (vector, vector, vector, number, number, count)),
        (scheme.estimate, (vector,)),
    )
    for kernel, signature in signatures:
        compile_for = getattr(kernel, "compile", None)  # a plain Python function needs nothing
        if compile_for is not None:
            compile_for(signature)

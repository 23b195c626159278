"""SIGINT and SIGTERM from the first moment on: noted while the daemon is being put together, told to it afterwards."""

from __future__ import annotations

import signal
from collections.abc import Callable


class EndSignals:
    """Catches both from its construction on. Nothing is interrupted: `asked` is the first that came, `told` is called
    with every one from then on (between two steps of the main thread)."""

    def __init__(self) -> None:
        self.asked: int | None = None
        self._told: Callable[[int], None] = lambda number: None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._caught)

    def tell(self, told: Callable[[int], None]) -> None:
        """Also of the one that has come already."""
        self._told = told
        if self.asked is not None:
            told(self.asked)

    def _caught(self, number: int, frame: object) -> None:
        if self.asked is None:
            self.asked = number
        self._told(number)

"""The signals that end the daemon, from the first moment on: noted while it is being put together, told afterwards."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

from rheostat_hal import platform


class EndSignals:
    """Catches them from its construction on. Nothing is interrupted: `asked` is the first that came, `told` is called
    with the name of every one from then on (between two steps of the main thread)."""

    def __init__(self) -> None:
        self.asked: str | None = None
        self._told: Callable[[str], None] = lambda why: None
        for number in platform.END_SIGNALS:
            signal.signal(number, lambda number, _: self._ask(signal.Signals(number).name))

    def tell(self, told: Callable[[str], None]) -> None:
        """Also of the one that has come already."""
        self._told = told
        if self.asked is not None:
            told(self.asked)

    def over(self) -> None:
        """The way down is done: one that comes while the interpreter ends must not change the exit status."""
        for number in platform.END_SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def until_eof(self) -> None:
        """Who started this process ends it by closing its standard input, and decides what a Ctrl-C in their common
        terminal means. `told` is then called from another thread."""
        signal.signal(signal.SIGINT, lambda number, frame: None)
        if self.asked == signal.SIGINT.name:
            self.asked = None
        threading.Thread(target=self._watch, name="stdin", daemon=True).start()

    def _watch(self) -> None:
        while os.read(0, 4096):  # not sys.stdin: its lock would still be held when the interpreter ends
            pass
        self._ask("end of standard input")

    def _ask(self, why: str) -> None:
        self.asked = self.asked or why
        self._told(why)

"""The error queue of a TSP instrument.

-285 and -286 are the codes of TSP for syntax and run-time errors. The numbers of channel errors are in the right
range (11xx) but chosen here: no public source gives them.
"""

from __future__ import annotations

from collections import deque

SYNTAX, RUNTIME = -285, -286
CHANNEL_LIST, FORBIDDEN, GROUP, PARAMETER = 1105, 1106, 1107, 1115
SEVERITY = 20  # recoverable
_LENGTH = 100


class SwitchRefusal(Exception):  # noqa: N818
    """A command the switch refuses: nothing has changed; `code` goes to the queue."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class ErrorQueue:
    """Silent on the wire: a client asks."""

    def __init__(self) -> None:
        self._entries: deque[tuple[int, str]] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, code: int, text: str) -> None:
        if len(self._entries) < _LENGTH:
            self._entries.append((code, text))

    def next(self) -> tuple[int, str, int, int]:
        """Code, message, severity, node; the entry is gone afterwards."""
        if not self._entries:
            return 0, "Queue Is Empty", 0, 0
        code, text = self._entries.popleft()
        return code, text, SEVERITY, 1

    def clear(self) -> None:
        self._entries.clear()

"""The library's error codes, as the stand-in uses them."""

from __future__ import annotations

PARAMETER, STRING, CONTEXT, UNSUPPORTED, COMMUNICATION, FIRMWARE, LIBRARY, UNIDENTIFIED = range(-1, -9, -1)
CHANNEL, PATTERN, EVENT, EXISTS, NOT_RUNNING, NOT_READY, OUT_OF_DATE = range(-9, -16, -1)


class Fault(Exception):  # noqa: N818
    """A function refuses: its return code, and a line for the error summary."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

"""Error codes and texts of the B1500A, and its queue.

100, 122, 153 and 200 have the texts of public drivers and of an instrument; the other texts, and the codes marked with
an asterisk below, are recollections. So is the rule that an error stops the rest of its line, a query at its end
included; what had been carried out before it stays.
"""

from __future__ import annotations

from collections import deque

TEXTS = {
    0: "No Error.",
    100: "Undefined GPIB command.",
    102: "Incorrect numeric data syntax.",
    103: "Incorrect terminator position.",
    120: "Incorrect parameter value.",
    121: "Channel number must be 1 to 10.",
    122: "Number of channels must be corrected.",
    123: "Compliance must be set correctly.",
    124: "Incorrect range value for this channel.",
    126: "Pulse base and peak must be same polarity.",
    130: "Start and stop must be same polarity.",
    150: "Command input buffer is full.",
    153: "No module for the specified channel.",
    160: "Incorrect ST execution.",  # *
    161: "Incorrect END execution.",  # *
    162: "Incorrect command for program memory.",  # *
    200: "Output channel not enabled.",
    201: "Compliance must be set.",
    202: "Interlock circuit must be closed.",
    204: "Enable channel before MM command execution.",  # *
    205: "Channel must be in 0 V by DZ before RZ.",
    210: "Measurement mode must be set before XE.",  # *
    211: "Source must be set before XE.",  # *
}
_LENGTH = 30


class FlexError(Exception):
    """A command the instrument refuses: `code`, and the slot it is about (0: none). `text`: instead of the code's."""

    def __init__(self, code: int, slot: int = 0, text: str = "") -> None:
        super().__init__(code, slot)
        self.code = code
        self.slot = slot
        self._text = text

    def __str__(self) -> str:
        text = self._text or TEXTS[self.code]
        return f"{text}; SLOT{self.slot}" if self.slot else text


class ErrorQueue:
    """Up to 30 errors, oldest first; further ones are lost."""

    def __init__(self) -> None:
        self._entries: deque[FlexError] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, error: FlexError) -> None:
        if len(self._entries) < _LENGTH:
            self._entries.append(error)

    def pop(self, *, text: bool) -> str:
        """ERRX?: the oldest entry."""
        entry = self._entries.popleft() if self._entries else FlexError(0)
        return f'{entry.code:+d},"{entry}"' if text else f"{entry.code:+d}"

    def take_codes(self, count: int) -> str:
        """ERR?: the oldest codes; the queue is empty afterwards."""
        codes = [entry.code for entry in self._entries][:count]
        self._entries.clear()
        return ",".join(str(code) for code in codes + [0] * (count - len(codes)))

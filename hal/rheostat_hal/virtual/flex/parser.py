"""The grammar of a FLEX line, as tolerant as clients need it.

A line holds commands separated by `;`. A command is a mnemonic (letters, perhaps `*` before and `?` after), an optional
blank, and numbers separated by commas with optional blanks: `FMT 1, 0`, `WV1, 1, 0`, `DV 1,5,1e-3`. Which mnemonics
there are, and what their numbers mean, is not looked at here.
"""

from __future__ import annotations

import re
from functools import lru_cache

from rheostat_hal.virtual.flex.errors import FlexError

LONGEST_LINE = 256  # characters, with the terminator
_COMMAND = re.compile(r"(\*?[A-Za-z]+\??)\s*(.*)", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")

Command = tuple[str, tuple[float, ...]]


def split(line: str) -> list[str]:
    """The commands of a line. FlexError 150 when it is too long for the input buffer (CR LF counts)."""
    if len(line) + 2 > LONGEST_LINE:
        raise FlexError(150)
    return [text for part in line.split(";") if (text := part.strip())]


@lru_cache(maxsize=8192)
def parse(text: str) -> Command:
    """Mnemonic in capitals and its numbers. FlexError 100 (no mnemonic) or 102 (not a number)."""
    match = _COMMAND.fullmatch(text)
    if match is None:
        raise FlexError(100)
    arguments = match[2].strip()
    if not arguments:
        return match[1].upper(), ()
    numbers = []
    for part in arguments.split(","):
        number = part.strip()
        if not _NUMBER.fullmatch(number):
            raise FlexError(102)
        numbers.append(float(number))
    return match[1].upper(), tuple(numbers)


def is_abort(line: str) -> bool:
    """AB, alone in its line."""
    return line.strip().upper() == "AB"

"""Measurement data as text: the FMT formats, and the numbers of *LRN? replies.

Layouts from public drivers (QCoDeS, PyMeasure) and manual pages: FMT 1/5 status, channel, type and 12 characters;
11/15 the same with 13; 2 and 12/22 without header; 21/25 a three-digit status. Of the number layouts the instrument may
choose, `sd.dddddEsdd` is used throughout: it keeps six digits.
"""

from __future__ import annotations

from dataclasses import dataclass

OVER_RANGE = 199.999e99

# status bits as in FMT21
ADC_OVER, UNSETTLED, OTHER_COMPLIANCE, COMPLIANCE, NOT_FOUND, STOPPED, INVALID, LAST = 1, 2, 4, 8, 16, 32, 64, 128
SATURATED = 256  # a letter of its own, with UNSETTLED one digit
ABNORMAL = ADC_OVER | UNSETTLED | OTHER_COMPLIANCE | COMPLIANCE | SATURATED  # what automatic abort looks for
# the severest first; the order is that of the E5270's guide, whose data have the same letters
_LETTERS = (
    (SATURATED, "F"),
    (UNSETTLED, "X"),
    (ADC_OVER | INVALID, "V"),
    (COMPLIANCE, "C"),
    (OTHER_COMPLIANCE, "T"),
    (STOPPED, "S"),
    (NOT_FOUND, "G"),
)


@dataclass(frozen=True, slots=True)
class Datum:
    """One item: `kind` V, I, T (time) or X (index); `channel` 1..10, 0 for extraneous data; `status`: the sum of the
    bits above; `source`: what was forced, not what was measured."""

    kind: str
    channel: int
    value: float
    status: int = 0
    source: bool = False

    def void(self) -> Datum:
        """What stands in its place after a measurement has stopped."""
        return Datum(self.kind, self.channel, OVER_RANGE, INVALID)


@dataclass(frozen=True, slots=True)
class Format:
    """FMT n: `header` "letter", "digits" or "" and how many characters a number has."""

    header: str
    digits: int
    separator: str = "\r\n"


FORMATS = {
    1: Format("letter", 12),
    2: Format("", 12),
    5: Format("letter", 12, ","),
    11: Format("letter", 13),
    12: Format("", 13),
    15: Format("letter", 13, ","),
    21: Format("digits", 13),
    22: Format("", 13),
    25: Format("digits", 13, ","),
}


def reply(data: list[Datum], layout: Format) -> str:
    """One block of data, with its terminator."""
    return ",".join([_item(datum, layout) for datum in data]) + layout.separator


def _item(datum: Datum, layout: Format) -> str:
    if abs(datum.value) >= OVER_RANGE:
        number = f"{'-' if datum.value < 0 else '+'}199.999{'0' * (layout.digits - 12)}E+99"
    else:
        value = datum.value if abs(datum.value) >= 1e-99 else 0.0  # two digits of exponent
        number = f"{value:+.{layout.digits - 7}E}"
    if not layout.header:
        return number
    channel = chr(64 + datum.channel) if datum.channel else "Z"
    if layout.header == "digits":
        kind = "z" if datum.status & INVALID else datum.kind.lower() if datum.source else datum.kind
        digits = (datum.status | UNSETTLED) & ~SATURATED if datum.status & SATURATED else datum.status
        return f"{digits:03d}{channel}{kind}{number}"
    if datum.source:
        return f"{'E' if datum.status & LAST else 'W'}{channel}{datum.kind}{number}"
    letter = "N"
    if datum.status & ~LAST:
        letter = next((name for bit, name in _LETTERS if datum.status & bit), "N")
    return f"{letter}{channel}{datum.kind}{number}"


def number(value: float) -> str:
    """A number of a *LRN? reply: `+5.0E-01`, as many digits as it takes."""
    mantissa, exponent = f"{value:+.11E}".split("E")
    mantissa = mantissa.rstrip("0")
    return f"{mantissa}0E{exponent}" if mantissa.endswith(".") else f"{mantissa}E{exponent}"


def plain(value: float) -> str:
    """A small number as it was sent: `0`, `0.002`, `1000`."""
    return f"{value:.10g}"

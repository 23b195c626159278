"""The program memory: ST n, commands that are kept and not carried out, END; DO and RU run what was kept.

Which commands cannot be kept, and the codes 160 to 162, are recollections. LST? is left out: its answer
is not known.
"""

from __future__ import annotations

from rheostat_hal.virtual.flex import parser
from rheostat_hal.virtual.flex.analyser import Analyser, Numbers, command, whole
from rheostat_hal.virtual.flex.errors import FlexError

MOST = 2000  # programs


@command("ST", 1)
def store(unit: Analyser, numbers: Numbers) -> None:
    unit.storing = whole(numbers[0], 1, MOST)
    unit.programs[unit.storing] = []


@command("END")
def end(unit: Analyser, _: Numbers) -> None:
    """Without ST: the END of a program is not carried out."""
    raise FlexError(161)


@command("SCR", 0, 1)
def scratch(unit: Analyser, numbers: Numbers) -> None:
    if numbers:
        unit.programs.pop(whole(numbers[0], 1, MOST), None)
    else:
        unit.programs.clear()


@command("DO", 1, 8)
def run_named(unit: Analyser, numbers: Numbers) -> None:
    for number in numbers:
        _run(unit, whole(number, 1, MOST))


@command("RU", 2)
def run_range(unit: Analyser, numbers: Numbers) -> None:
    first, last = (whole(number, 1, MOST) for number in numbers)
    if first > last:
        raise FlexError(120)
    for number in sorted(unit.programs):
        if first <= number <= last:
            _run(unit, number)


def _run(unit: Analyser, number: int) -> None:
    for text in unit.programs.get(number, ()):
        unit.carry_out(*parser.parse(text))

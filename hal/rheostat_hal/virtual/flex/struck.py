"""What a scripted fault does inside the analyser."""

from __future__ import annotations

import dataclasses
import math

from rheostat_hal.virtual.faults import LineFault
from rheostat_hal.virtual.flex.data import ADC_OVER, COMPLIANCE, OVER_RANGE, SATURATED, UNSETTLED, Datum
from rheostat_hal.virtual.flex.errors import TEXTS, ErrorQueue, FlexError

MARKS = {"compliance": COMPLIANCE, "overflow": ADC_OVER, "unsettled": UNSETTLED, "saturated": SATURATED}


def before_line(fault: LineFault, errors: ErrorQueue) -> None:
    """Raises FlexError when the line is refused."""
    if fault.what == "error":
        errors.add(FlexError(fault.number, text=fault.text or TEXTS.get(fault.number, "Scripted error.")))
    elif fault.what == "interlock_open":
        raise FlexError(202)


def distorted(items: list[Datum], fault: LineFault) -> list[Datum]:
    """The data of a line, as a fault lets them come out of the converter."""
    if fault.what not in MARKS:
        return items
    return [_distorted(item, fault) if fault.channel in (0, item.channel) else item for item in items]


def _distorted(item: Datum, fault: LineFault) -> Datum:
    if item.kind not in ("I", "V") or item.source:
        return item
    value = math.copysign(OVER_RANGE, item.value) if fault.what == "overflow" else item.value
    return dataclasses.replace(item, value=value, status=item.status | MARKS[fault.what])

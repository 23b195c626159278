"""What a scripted fault does inside the analyser."""

from __future__ import annotations

import dataclasses
import math

from rheostat_hal.virtual.faults import LineFault
from rheostat_hal.virtual.flex.data import ADC_OVER, COMPLIANCE, OVER_RANGE, Datum
from rheostat_hal.virtual.flex.errors import TEXTS, ErrorQueue, FlexError


def before_line(fault: LineFault, errors: ErrorQueue) -> None:
    """Raises FlexError when the line is refused."""
    if fault.what == "error":
        errors.add(FlexError(fault.number, text=fault.text or TEXTS.get(fault.number, "Scripted error.")))
    elif fault.what == "interlock_open":
        raise FlexError(202)


def distorted(items: list[Datum], fault: LineFault) -> list[Datum]:
    """The data of a line, as a fault lets them come out of the converter."""
    if fault.what not in ("compliance", "overflow"):
        return items
    return [_distorted(item, fault) if fault.channel in (0, item.channel) else item for item in items]


def _distorted(item: Datum, fault: LineFault) -> Datum:
    if item.kind not in ("I", "V") or item.source:
        return item
    if fault.what == "compliance":
        return dataclasses.replace(item, status=item.status | COMPLIANCE)
    return dataclasses.replace(item, value=math.copysign(OVER_RANGE, item.value), status=item.status | ADC_OVER)

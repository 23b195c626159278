"""Looks a bench over, from its resources to the contacts of every device, and never goes above the read voltage.

It cannot see that two devices of one kind have been exchanged as a whole: they look alike.
"""

from __future__ import annotations

from rheostat_hal.doctor.check import Check
from rheostat_hal.doctor.examination import Doctor

__all__ = ["Check", "Doctor"]

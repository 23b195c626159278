"""Pure functions on measured curves: dR maps from pulse trains, the choice of Vw, sweeps, segmentation into levels.

Resistances in ohm, voltages in V and positive for both directions; `direction` is 1 for potentiation (resistance
falls) and -1 for depression. Imports nothing of ours but the wire's table.
"""

from __future__ import annotations

from rheostat.curves.choice import Choice, choices, choose_voltage, fine_voltages, predict
from rheostat.curves.maps import DrMap, Train, dr_map
from rheostat.curves.sweeps import Segmentation, Sweep, predicted_sweep, segment

__all__ = [
    "Choice",
    "DrMap",
    "Segmentation",
    "Sweep",
    "Train",
    "choices",
    "choose_voltage",
    "dr_map",
    "fine_voltages",
    "predict",
    "predicted_sweep",
    "segment",
]

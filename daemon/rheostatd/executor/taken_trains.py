"""The trains that an unfinished calibration has measured, from the record, for the one that goes on with it.

A stage of a calibration is its noise (0), a train with its initialisation, or the gain of another device. The trains
take hours; noise and gains are measured again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from rheostat import wire
from rheostat.curves import Train
from rheostat.wire import Outcome
from rheostatd.executor.calibration import trains_of
from rheostatd.executor.station import Station
from rheostatd.journal.pulses import PulseRecord


def taken_trains(station: Station, spec: wire.Calibrate, job_ids: Iterable[str]) -> Mapping[int, Train]:
    """Stage -> train, of the complete ones of earlier calibrations of the same spec. Raises JournalError."""
    wanted = dict(enumerate(trains_of(spec), start=1))
    taken: dict[int, Train] = {}
    for job_id in job_ids:
        outcomes = station.ledger.ask(PulseRecord.outcomes, job_id)
        events = station.ledger.ask(PulseRecord.events, job_id, spec.device)
        complete = outcomes["target"][outcomes["outcome"] == Outcome.VERIFIED].tolist()
        for stage in wanted.keys() & (set(complete) - taken.keys()):
            mine = events[events["target"] == stage]
            resistance = mine["resistance"]
            begins = int(np.flatnonzero(np.isnan(mine["voltage"]))[-1])  # the reading that ends the initialisation
            stroke = float(abs(resistance[begins] - resistance[0]))
            taken[stage] = Train(*wanted[stage], np.array(resistance[begins:]), stroke=stroke)
    return taken

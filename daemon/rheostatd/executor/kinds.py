"""The kinds of staged jobs, by their specs."""

from __future__ import annotations

from typing import TypeGuard

from rheostat import wire
from rheostatd.executor.identical_pulses import IdenticalPulses
from rheostatd.executor.iv_loops import IvLoops
from rheostatd.executor.staged import StagedKind
from rheostatd.executor.staircase import Staircase

StagedSpec = wire.IvLoops | wire.IdenticalPulses | wire.Staircase


def is_staged(spec: wire.Spec) -> TypeGuard[StagedSpec]:
    return isinstance(spec, StagedSpec)


def staged(spec: StagedSpec) -> StagedKind:
    """What a job of this spec consists of; not yet checked against a rig."""
    match spec:
        case wire.IvLoops():
            return IvLoops(spec)
        case wire.IdenticalPulses():
            return IdenticalPulses(spec)
        case wire.Staircase():
            return Staircase(spec)

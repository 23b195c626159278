"""Programs analog memristors to the resistances you ask for, and proves how close each one came.

    import rheostat
    rig = rheostat.connect()
    job = rig.program([800.0, 790.5], devices=["A1", "A2"], tolerance=0.137)
    print(job.result().achieved)

Names load on first use, so that importing one part (the wire, say) does not bring the rest along.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rheostat.characterisation.programme import characterise
    from rheostat.characterisation.record import Characterisation
    from rheostat.client import Job, Rig, connect
    from rheostat.errors import RheostatError
    from rheostat.results import ProgramResult, Result
    from rheostat.weights.mapping import Mapping
    from rheostat.weights.transfer import transfer
    from rheostat.wire import JobState, Outcome

__version__ = "0.3.0"

_HOMES = {
    "connect": "rheostat.client",
    "Rig": "rheostat.client",
    "Job": "rheostat.client",
    "Result": "rheostat.results",
    "ProgramResult": "rheostat.results",
    "RheostatError": "rheostat.errors",
    "JobState": "rheostat.wire",
    "Outcome": "rheostat.wire",
    "characterise": "rheostat.characterisation.programme",
    "Characterisation": "rheostat.characterisation.record",
    "transfer": "rheostat.weights.transfer",
    "Mapping": "rheostat.weights.mapping",
}

_PARTS = {name: f"rheostat.{name}" for name in ("aio", "client", "errors", "export", "units", "wire")}
_PARTS["analog"] = "rheostat.weights.analog"

__all__ = [
    "Characterisation",
    "Job",
    "JobState",
    "Mapping",
    "Outcome",
    "ProgramResult",
    "Result",
    "RheostatError",
    "Rig",
    "characterise",
    "connect",
    "transfer",
]


def __getattr__(name: str) -> Any:
    if name in _PARTS:
        return importlib.import_module(_PARTS[name])
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'rheostat' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_PARTS})

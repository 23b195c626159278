"""What happened, numbered without gaps: published as it happens, and kept a while for those who missed some.

A listener that wants to know everything subscribes first, then asks for the state (whose `sequence` is that of the
newest event it includes), and drops what it then receives with a lower number: snapshot, then deltas.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from rheostat import wire

REPLAY_BYTES = 512 * 1024  # of events in one reply: well below the header's limit


class Events:
    """`send(topic, header)` publishes; `clock`: unix time; `keep`: how many events can be replayed."""

    def __init__(self, send: Callable[[bytes, bytes], None], clock: Callable[[], float], keep: int) -> None:
        self._send = send
        self._clock = clock
        self._kept: deque[tuple[wire.Event, int]] = deque(maxlen=keep)
        self.sequence = 0

    def publish(self, name: str, job_id: str | None = None, **data: Any) -> None:
        self.sequence += 1
        event = wire.Event(sequence=self.sequence, time=self._clock(), name=name, job_id=job_id, data=_plain(data))
        packed = wire.pack_event(event)
        self._kept.append((event, len(packed)))
        self._send(name.encode(), packed)

    def replay(self, after: int) -> wire.Events:
        """The oldest kept events after a number, as many as fit one reply: whoever wants more asks again."""
        first = self._kept[0][0].sequence if self._kept else self.sequence + 1
        found: list[wire.Event] = []
        size = 0
        for event, length in itertools.islice(self._kept, max(0, after + 1 - first), None):
            size += length
            if size > REPLAY_BYTES and found:
                break
            found.append(event)
        return wire.Events(events=tuple(found), complete=after + 1 >= first)


def _plain(data: dict[str, Any]) -> dict[str, Any]:
    """Without infinities and NaN, which other languages' decoders stumble over: None instead."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in data.items()
    }


def job_data(job: wire.Job) -> dict[str, Any]:
    """The keys of job events."""
    data: dict[str, Any] = {
        "kind": job.kind,
        "state": job.state.value,
        "total": job.total,
        "done": job.done,
        "pulses": job.pulses,
        "reads": job.reads,
        "energy_j": job.energy,
        "rig_time_s": job.rig_time,
        "outcomes": job.outcomes,
    }
    if job.due is not None:
        data["due_s"] = job.due
    if job.error_code is not None:
        data |= {"error_code": job.error_code, "error": job.error}
    return msgspec.to_builtins(data)  # type: ignore[no-any-return]

"""Relays, rows, columns, SMUs and devices as conductors: which nodes there are and what joins them.

A column of a card carries the device terminals the bench file puts there, whatever row the file closes it to: a wrong
relay leads to a wrong row, as on the bench. Rows of different cards are one conductor each with an external chain; with
the backplane, row r of a card reaches line r through its relay S91r. The sources are cabled to the rows of the first
card. A two-terminal device lies between two columns; to the solver its row is both T1 and T2, its column T3 and T4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rheostat_hal.bench import Bench
from rheostat_hal.errors import BenchError
from rheostat_hal.virtual.noise import Noise

ROWS, COLUMNS = 6, 16  # the 3730
CARDS = ("3730",)
CONTACT = 0.5  # ohm, a relay with its leads and connectors
CONTACT_SPREAD = 0.05  # ohm rms from relay to relay, for good
CONTACT_SCATTER = 0.03  # ohm rms from closure to closure of one relay
CONTACT_LEAST = 0.05  # ohm
LEAKAGE = 1e-11  # S from each conductor to ground: 1 pA at 0.1 V
SENSED_OUTPUT = 1e-3  # ohm, residual of the output of an SMU, and of a WGFMU channel (assumed: its RSU senses)
SPGU_OUTPUT = 50.0  # ohm
SERIES_RESISTOR = 1e6  # ohm, SSR

Node = tuple[str, int, int]


def channels_of(slot: int) -> tuple[str, ...]:
    """All relay channels of a matrix card: SRCC, then the backplane relays S91r."""
    matrix = tuple(f"{slot}{row}{column:02d}" for row in range(1, ROWS + 1) for column in range(1, COLUMNS + 1))
    return matrix + tuple(f"{slot}91{row}" for row in range(1, ROWS + 1))


@dataclass(frozen=True, slots=True)
class Network:
    """What the solver needs, and the devices that are connected: base (n, n+1) S, terminals (d, 4) nodes."""

    base: NDArray[np.float64]
    terminals: NDArray[np.int64]
    devices: tuple[int, ...]
    nodes: dict[Node, int]


class Wiring:
    """The closed relays and their contact resistances, and the network they make."""

    def __init__(self, bench: Bench, sources: Mapping[int, float], noise: Noise) -> None:
        """`sources`: channel -> resistance of its output, ohm, in the order of the sources."""
        for slot, model in bench.switch.cards:
            if model not in CARDS:
                raise BenchError(f"switch.cards: the virtual bench has no card {model!r} (slot {slot}); it has 3730")
        self.slots = tuple(sorted(slot for slot, _ in bench.switch.cards))
        self.cards = dict(bench.switch.cards)
        self.external = bench.switch.chain == "external"
        self._noise = noise
        self._relays = frozenset(channel for slot in self.slots for channel in channels_of(slot))
        self._own: dict[str, float] = {}
        self._closed: dict[str, float] = {}
        self._outputs = dict(sources)
        self._series = dict(sources)
        self._cables = dict(bench.cables)
        self._parted: set[int] = set()
        terminals = ("row", "row", "column", "column") if bench.lines else ("T1", "T2", "T3", "T4")
        self._devices = [
            tuple(self._column(dict(device.channels)[terminal]) for terminal in terminals) for device in bench.devices
        ]

    @property
    def closed(self) -> tuple[str, ...]:
        return tuple(self._closed)

    def is_closed(self, channel: str) -> bool:
        return channel in self._closed

    def has(self, channel: str) -> bool:
        return channel in self._relays

    def contact(self, channel: str) -> float:
        """Resistance of a closed relay in this closure, ohm."""
        return self._closed[channel]

    def close(self, channels: Iterable[str]) -> None:
        """Close relays. One that was closed already keeps its contact; a new closure draws its own."""
        for channel in channels:
            if channel in self._closed:
                continue
            if channel not in self._own:
                self._own[channel] = CONTACT + CONTACT_SPREAD * self._noise.normal()
            drawn = self._own[channel] + CONTACT_SCATTER * self._noise.normal()
            self._closed[channel] = max(CONTACT_LEAST, drawn)

    def open(self, channels: Iterable[str]) -> None:
        for channel in channels:
            self._closed.pop(channel, None)

    def insert_series(self, channel: int, resistor: bool) -> None:
        """Switch an SMU's 1 Mohm series resistor in or out."""
        self._series[channel] = SERIES_RESISTOR if resistor else self._outputs[channel]

    def select(self, channel: int, connected: bool) -> None:
        """Join a source to its cable, or part it (as a selector does)."""
        if connected:
            self._parted.discard(channel)
        else:
            self._parted.add(channel)

    def is_joined(self, channel: int) -> bool:
        """Whether a source's cable goes to a row, and nothing parts them."""
        return channel in self._cables and channel not in self._parted

    def ends(self, channel: str) -> tuple[Node, Node]:
        """The two conductors a relay joins."""
        slot, row = int(channel[0]), int(channel[1])
        if row == 9:
            line = int(channel[3])
            return self._row(slot, line), ("line", 0, line)
        return self._row(slot, row), self._column(channel)

    def network(self) -> Network:
        nodes: dict[Node, int] = {("source", channel, 0): k for k, channel in enumerate(self._series)}
        joints: list[tuple[int, int, float]] = []

        def node(key: Node) -> int:
            return nodes.setdefault(key, len(nodes))

        for source, ohm in self._series.items():
            if self.is_joined(source):
                row = self._cables[source]
                joints.append((nodes[("source", source, 0)], node(self._row(self.slots[0], row)), 1.0 / ohm))
        for channel, ohm in self._closed.items():
            one, other = self.ends(channel)
            joints.append((node(one), node(other), 1.0 / ohm))
        connected = [k for k, terminals in enumerate(self._devices) if any(t in nodes for t in terminals)]
        terminals = [[node(terminal) for terminal in self._devices[k]] for k in connected]
        base = np.zeros((len(nodes), len(nodes) + 1))
        base[:, -1] = LEAKAGE
        for a, b, siemens in joints:
            if a != b:
                base[a, b] += siemens
                base[b, a] += siemens
        return Network(base, np.array(terminals, dtype=np.int64).reshape(-1, 4), tuple(connected), nodes)

    def _row(self, slot: int, row: int) -> Node:
        return ("row", 0 if self.external else slot, row)

    @staticmethod
    def _column(channel: str) -> Node:
        return ("column", int(channel[0]), int(channel[2:]))

"""A whole virtual bench: one world, the two instruments on it, each behind a socket."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import structlog

from rheostat_hal.bench import Bench
from rheostat_hal.errors import BenchError
from rheostat_hal.virtual.die import Die
from rheostat_hal.virtual.faults import Fault
from rheostat_hal.virtual.flex.analyser import Analyser
from rheostat_hal.virtual.flex.modules import EMPTY, MODELS, SMU_MODEL, SMUS, SPGU_MODEL, WGFMU_MODEL
from rheostat_hal.virtual.flex.server import HOLD, FlexServer
from rheostat_hal.virtual.tsp.instrument import Multiplexer
from rheostat_hal.virtual.tsp.server import TspServer
from rheostat_hal.virtual.wgfmu.module import Modules
from rheostat_hal.virtual.wgfmu.server import WgfmuServer
from rheostat_hal.virtual.wiring import SENSED_OUTPUT, SPGU_OUTPUT
from rheostat_hal.virtual.world import World

log = structlog.get_logger()

DEFAULT_MODEL, DEFAULT_SEED = "tio2x-4t", 1
SLOTS = 10


class VirtualInstruments:
    """Serves from construction until `close`, which keeps the state of the die.

    `modules`: model of each slot from slot 1 on, "0" for an empty one; None for what the bench needs. Cables to
    channels that they lack hang loose. `state`: file to take the die's state from and to keep it in. `hold`: s that XE
    data wait for a query (see flex.server). `faults`: what is to go wrong; more may be added to the attribute of that
    name. Raises BenchError for what cannot be.
    """

    def __init__(
        self,
        bench: Bench,
        *,
        seed: int | None = None,
        real_time: bool = False,
        state: Path | None = None,
        modules: Sequence[str] | None = None,
        flex_port: int = 0,
        tsp_port: int = 0,
        wgfmu_port: int = 0,
        hold: float = HOLD,
        faults: Iterable[Fault] = (),
    ) -> None:
        virtual = bench.virtual
        if seed is None:
            seed = virtual.seed if virtual else DEFAULT_SEED
        slots = modules_for(bench) if modules is None else (*modules, *[EMPTY] * (SLOTS - len(modules)))
        if len(slots) != SLOTS or any(model not in (EMPTY, *MODELS) for model in slots):
            raise BenchError(f"the virtual analyser has {SLOTS} slots, each 0 or {', '.join(MODELS)}: {modules}")
        sources = sources_of(slots)
        missing = [channel for channel, _ in bench.cables if channel not in sources]
        if missing:
            log.warning("cables.loose", channels=missing, modules=slots)
        model = virtual.model if virtual else DEFAULT_MODEL
        self.die = Die(model, seed, len(bench.devices), virtual.spread if virtual else None)
        self._state = state
        if state is not None and state.exists() and not self.die.load(state):
            log.warning("die.other", state=str(state), reason="another seed, model or number of devices: a new die")
        self.world = World(bench, sources, self.die, seed=seed, real_time=real_time, faults=faults)
        self.faults = self.world.faults
        self.analyser = Analyser(self.world, slots, selector_of(bench))
        self.multiplexer = Multiplexer(self.world, bench.switch)
        self.flex = FlexServer(self.analyser, flex_port, hold=hold, faults=self.faults)
        self.tsp = TspServer(self.multiplexer, tsp_port, faults=self.faults)
        self.wgfmu: WgfmuServer | None = None
        if WGFMU_MODEL in slots:
            channels = tuple(c for c in sources if c > SLOTS and slots[c // 100 - 1] == WGFMU_MODEL)
            errors = self.analyser.errors
            self.modules = Modules(self.world, channels, self.flex.resource, seed, lambda: len(errors))
            self.wgfmu = WgfmuServer(self.modules, wgfmu_port)

    @property
    def resources(self) -> dict[str, str]:
        """Where each instrument answers."""
        resources = {"analyser": self.flex.resource, "switch": self.tsp.resource}
        return resources | ({"wgfmu": self.wgfmu.place} if self.wgfmu else {})

    def close(self) -> None:
        self.flex.close()
        self.tsp.close()
        if self.wgfmu is not None:
            self.wgfmu.close()
        if self._state is not None:
            with self.world.lock:
                self.world.integrate()
                try:
                    self.die.save(self._state, self.world.clock.now)
                except OSError as error:  # the state kept before is whole
                    log.error("die.not_saved", state=str(self._state), reason=error.strerror)


def modules_for(bench: Bench) -> tuple[str, ...]:
    """The modules that a bench's cables need, slot by slot: HRSMUs, and the module of its fast source."""
    fast = SPGU_MODEL if bench.spgu else WGFMU_MODEL
    needed = {channel if channel <= SLOTS else channel // 100: channel for channel, _ in bench.cables}
    return tuple(
        EMPTY if slot not in needed else fast if needed[slot] > SLOTS else SMU_MODEL for slot in range(1, SLOTS + 1)
    )


def selector_of(bench: Bench) -> dict[int, tuple[int, int]]:
    """Port of the selector -> the SMU and the channel of the pulse generator that it joins to their row."""
    if bench.spgu is None:
        return {}
    return {bench.spgu.selector_port: (dict(bench.analyser.smus)["row"], bench.spgu.channel)}


def sources_of(slots: Sequence[str]) -> dict[int, float]:
    """channel -> resistance of its output, ohm: the SMUs by slot, then the two channels of each fast module."""
    sources = {slot: SENSED_OUTPUT for slot, model in enumerate(slots, 1) if model in SMUS}
    for slot, model in enumerate(slots, 1):
        if model in (WGFMU_MODEL, SPGU_MODEL):
            output = SENSED_OUTPUT if model == WGFMU_MODEL else SPGU_OUTPUT
            sources |= {slot * 100 + 1: output, slot * 100 + 2: output}
    return sources

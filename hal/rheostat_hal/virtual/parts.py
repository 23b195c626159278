"""A whole virtual bench: one world, the two instruments on it, each behind a socket."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import structlog

from rheostat_hal.bench import Bench
from rheostat_hal.errors import BenchError
from rheostat_hal.virtual.die import Die
from rheostat_hal.virtual.flex.analyser import SMU_MODELS, Analyser
from rheostat_hal.virtual.flex.server import HOLD, FlexServer
from rheostat_hal.virtual.tsp.instrument import Multiplexer
from rheostat_hal.virtual.tsp.server import TspServer
from rheostat_hal.virtual.world import World

log = structlog.get_logger()

DEFAULT_MODEL, DEFAULT_SEED = "tio2x-4t", 1
DEFAULT_MODULES = ("B1517A",) * 4
SLOTS = 10


class VirtualInstruments:
    """Serves from construction until `close`, which keeps the state of the die.

    `modules`: model of each slot from slot 1 on, "0" for an empty one. `state`: file to take the die's state from and
    to keep it in. `hold`: s that XE data wait for a query (see flex.server). Raises BenchError for what cannot be.
    """

    def __init__(
        self,
        bench: Bench,
        *,
        seed: int | None = None,
        real_time: bool = False,
        state: Path | None = None,
        modules: Sequence[str] = DEFAULT_MODULES,
        flex_port: int = 0,
        tsp_port: int = 0,
        hold: float = HOLD,
    ) -> None:
        virtual = bench.virtual
        if seed is None:
            seed = virtual.seed if virtual else DEFAULT_SEED
        slots = (*modules, *["0"] * (SLOTS - len(modules)))
        unknown = [model for model in slots if model not in ("0", *SMU_MODELS)]
        if unknown or len(slots) != SLOTS:
            raise BenchError(f"the virtual analyser has {SLOTS} slots, each 0 or {', '.join(SMU_MODELS)}: {modules}")
        smus = tuple(slot for slot, model in enumerate(slots, 1) if model != "0")
        for terminal, smu in bench.analyser.smus:
            if smu not in smus:
                raise BenchError(f"analyser.smus.{terminal}: there is no SMU in slot {smu} of the virtual analyser")
        self.die = Die(virtual.model if virtual else DEFAULT_MODEL, seed, len(bench.devices))
        self._state = state
        if state is not None and state.exists() and not self.die.load(state):
            log.warning("die.other", state=str(state), reason="another seed, model or number of devices: a new die")
        self.world = World(bench, smus, self.die, seed=seed, real_time=real_time)
        self.analyser = Analyser(self.world, slots)
        self.multiplexer = Multiplexer(self.world, bench.switch)
        self.flex = FlexServer(self.analyser, flex_port, hold=hold)
        self.tsp = TspServer(self.multiplexer, tsp_port)

    def close(self) -> None:
        self.flex.close()
        self.tsp.close()
        if self._state is not None:
            with self.world.lock:
                self.world.integrate()
                try:
                    self.die.save(self._state, self.world.clock.now)
                except OSError as error:  # the state kept before is whole
                    log.error("die.not_saved", state=str(self._state), reason=error.strerror)

"""The die on the bench: parameters, states and generators of its devices, and the file they are kept in."""

from __future__ import annotations

import math
import os
import tempfile
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from rheostat_hal import platform
from rheostat_hal.errors import BenchError
from rheostat_hal.models import hfs2, rng, tio2x

REST_STEP = 1_000_000  # ns of rest that are worth a change: less is a millionth of a state

MODELS: dict[str, ModuleType] = {"tio2x-4t": tio2x, "hfs2-2t": hfs2}


class Die:
    """Devices 0..n-1 in the order of the bench file, all of one model. `across`: weights of the voltages at a device's
    terminals T1..T4 in the voltage that moves it; `spread`: see `rheostat_hal.bench.Virtual`.

    A written state relaxes as its model says. Nobody waits for that: whoever looks at a device lets it rest up to the
    present first. `rested`: s since the last write that its state shows, inf before the first; `since`: when that was,
    ns on the bench's clock.

    state: (n, STATE_SIZE), rngs: (n, 2) uint64, conductances: (n, 6) S, kept up to date by `step`.
    """

    def __init__(self, model: str, seed: int, count: int, spread: float | None = None) -> None:
        if model not in MODELS:
            raise BenchError(f"virtual.model: no model is called {model!r}; there are {', '.join(sorted(MODELS))}")
        self.model = model
        self.seed = seed
        self.time = 0  # ns on the bench's clock when the state was kept
        self._physics = MODELS[model]
        self.across: tuple[float, float, float, float] = self._physics.ACROSS
        self.params: NDArray[np.float64] = self._physics.params_of_die(seed, count, spread)
        self.state: NDArray[np.float64] = self._physics.pristine_states(self.params, seed)
        self.rngs: NDArray[np.uint64] = np.array([rng.seed(seed, d) for d in range(count)], dtype=np.uint64)
        self.conductances = np.zeros((count, 6))
        self.rested = [math.inf] * count
        self.since = [0] * count
        self.drifts = bool(self.params[:, self._physics.DRIFT].any())
        for device in range(count):
            self._refresh(device)
            self.step(device, 0.0, 0.0)  # moves nothing; has the kernel compiled before anything is measured

    def step(self, device: int, voltage: float, width: float) -> bool:
        """Hold `voltage` (V) for `width` (s) on the device; whether anything moved."""
        before = self.state[device].tobytes()
        self._physics.step(self.state[device], self.params[device], voltage, width, self.rngs[device])
        if self.state[device].tobytes() == before:
            return False
        self._refresh(device)
        return True

    def written(self, device: int, now: int) -> None:
        """A write has just ended."""
        self.rested[device], self.since[device] = 0.0, now

    def rest(self, device: int, now: int) -> bool:
        """Let a device rest until `now` (ns); whether that changed anything."""
        passed = now - self.since[device]
        if not self.drifts or passed < REST_STEP:
            return False
        before = self.rested[device]
        self.rested[device], self.since[device] = before + passed / 1e9, now
        if math.isinf(before):
            return False
        self._physics.rest(self.state[device], self.params[device], before, self.rested[device])
        self._refresh(device)
        return True

    def resistance(self, device: int) -> float:
        """The true resistance, ohm, as no instrument sees it: for tests and reports."""
        return float(self._physics.resistance(self.state[device], self.params[device]))

    def _refresh(self, device: int) -> None:
        self._physics.conductances(self.state[device], self.params[device], self.conductances[device])

    def save(self, path: Path, now: int) -> None:
        """Write the state: whole or not at all."""
        for device in range(len(self.state)):
            self.rest(device, now)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez(
                    file,
                    model=np.array(self.model),
                    seed=np.array(self.seed),
                    params=self.params,
                    state=self.state,
                    rngs=self.rngs,
                    rested=np.array(self.rested),
                    time=np.array(now),
                )
                file.flush()
                os.fsync(file.fileno())
            platform.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def load(self, path: Path) -> bool:
        """Take up a kept state. False when there is none, or it belongs to another seed, model or die."""
        try:
            with np.load(path, allow_pickle=False) as kept:
                same = (
                    str(kept["model"]) == self.model
                    and int(kept["seed"]) == self.seed
                    and np.array_equal(kept["params"], self.params)
                    and kept["state"].shape == self.state.shape
                    and "rested" in kept
                )
                if not same:
                    return False
                self.state[:] = kept["state"]
                self.rngs[:] = kept["rngs"]
                self.time = int(kept["time"])
                self.rested = kept["rested"].tolist()
                self.since = [self.time] * len(self.rested)
        except FileNotFoundError:
            return False
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise BenchError(f"the state file {path} cannot be read: {error}") from error
        for device in range(len(self.state)):
            self._refresh(device)
        return True

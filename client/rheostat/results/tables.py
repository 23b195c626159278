"""What jobs gave on feedforward tables: calibrate and check_table."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rheostat.results.base import DIRECTIONS, Array, Result


@dataclass(frozen=True, repr=False)
class CalibrateResult(Result):
    """`arrays` are those of the feedforward table: see rheostat.wire.FeedforwardTable; `rig.table()` fetches it."""

    @property
    def voltages(self) -> Array:
        """(a,) V."""
        return self.arrays["voltages"]

    @property
    def resistances(self) -> Array:
        """(m,) ohm."""
        return self.arrays["resistances"]

    @property
    def potentiation(self) -> Array:
        """Fall of resistance by one write pulse, (a, m) ohm."""
        return self.arrays["potentiation"]

    @property
    def depression(self) -> Array:
        """Rise of resistance by one write pulse, (a, m) ohm."""
        return self.arrays["depression"]

    @property
    def potentiation_error(self) -> Array:
        """Standard error of `potentiation`, (a, m) ohm; nan where it is not known."""
        return self._error("potentiation")

    @property
    def depression_error(self) -> Array:
        """Standard error of `depression`, (a, m) ohm; nan where it is not known."""
        return self._error("depression")

    def _error(self, name: str) -> Array:
        known = self.arrays.get(f"{name}_error")
        return np.full(self.arrays[name].shape, math.nan) if known is None else known

    def headline(self) -> str:
        return (
            f"feedforward table of {super().headline()}, {len(self.voltages)} voltages x {len(self.resistances)} "
            f"resistances, {self.resistances[0]:.1f} to {self.resistances[-1]:.1f} ohm"
        )


@dataclass(frozen=True, repr=False)
class CheckTableResult(Result):
    """Arrays of two in the middle or at the end have potentiation before depression."""

    @property
    def predicted(self) -> Array:
        """Step of each write pulse by the table, (devices, 2, k) ohm, >= 0; nan where there was none."""
        return self.arrays["predicted"]

    @property
    def measured(self) -> Array:
        """Step of each write pulse, (devices, 2, k) ohm, positive along its direction; nan where there was none."""
        return self.arrays["measured"]

    @property
    def gain(self) -> Array:
        """Travel over the table's prediction, (devices, 2)."""
        return self.arrays["gain"]

    @property
    def uncertainty(self) -> Array:
        """Standard error of `gain`, (devices, 2)."""
        return self.arrays["gain_error"]

    @property
    def expected(self) -> Array:
        """The gains that the table holds, (devices, 2)."""
        return self.arrays["expected"]

    @property
    def fits(self) -> npt.NDArray[np.bool_]:
        """(devices,): True where the table fits within what the errors allow."""
        return np.asarray(self.arrays["fits"] == 1)

    @property
    def checked(self) -> npt.NDArray[np.bool_]:
        """(devices,): True where the check came to an end."""
        return np.asarray(np.isfinite(self.gain).all(axis=1))

    @property
    def table(self) -> str | None:
        """Version of the table, if the provenance tells."""
        told = self.provenance.get("table")
        return None if told is None else str(told)

    def overview(self) -> dict[str, Array]:
        count = len(self.devices)
        return {
            "device": np.repeat(np.array(self.devices), 2),
            "direction": np.tile(np.array(DIRECTIONS), count),
            "gain": self.gain.reshape(-1),
            "gain_error": self.uncertainty.reshape(-1),
            "expected": self.expected.reshape(-1),
            "fits": np.repeat(self.verdicts(), 2),
        }

    def verdicts(self) -> Array:
        """(devices,) in a word: "yes", "no", or "unknown" where the check did not come to an end."""
        return np.where(self.fits, "yes", np.where(self.checked, "no", "unknown"))

    def headline(self) -> str:
        words = {"yes": "fits", "no": "does not fit", "unknown": "was not checked on"}
        named: dict[str, list[str]] = {}
        for name, verdict in zip(self.devices, self.verdicts().tolist(), strict=True):
            named.setdefault(verdict, []).append(name)
        told = [f"{words[verdict]} {', '.join(names)}" for verdict, names in named.items()]
        return f"table {self.table or 'asked for'} {'; it '.join(told)}"

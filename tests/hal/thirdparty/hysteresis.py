"""What a device's current does as its voltage goes up and down: the fingerprint of a memristor."""

from __future__ import annotations

from collections.abc import Sequence

Loop = tuple[Sequence[float], Sequence[float]]


def assert_pinched(loops: Sequence[Loop]) -> None:
    """Two double sweeps, one to positive and one to negative voltages, each [volts, amperes].

    The current is 0 at 0 V; positive voltages lower the resistance, so that the way back carries more current than the
    way there; negative ones raise it, and the way back carries less.
    """
    assert len(loops) == 2
    for (volts, currents), sign in zip(loops, (1.0, -1.0), strict=True):
        half = len(volts) // 2
        there, back = currents[:half], currents[half:][::-1]
        assert list(volts[:half]) == list(volts[half:][::-1])
        assert sign * volts[half - 1] > 0.0
        for end in (there[0], back[0]):
            assert abs(end) < 1e-4 * abs(there[-1])
        opened = [sign * (abs(b) - abs(a)) / abs(a) for a, b in zip(there[1:], back[1:], strict=True)]
        assert all(share > 0.0 for share in opened)
        assert max(opened) > 0.03

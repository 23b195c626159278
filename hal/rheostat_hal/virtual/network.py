"""Node voltages and source currents of the closed relays, by star-mesh elimination.

Every unknown node is removed by the star-mesh transform, which only adds and divides positive conductances: a pA of
leakage beside half an ohm of contact loses no digits, as it would in a matrix factorisation.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

# columns of `sources`
ON, CURRENT_MODE, VALUE, COMPLIANCE = 0, 1, 2, 3


@njit(cache=True)
def _pass(
    base: NDArray[np.float64],
    terminals: NDArray[np.int64],
    device_g: NDArray[np.float64],
    sources: NDArray[np.float64],
    kinds: NDArray[np.int64],
    levels: NDArray[np.float64],
    v: NDArray[np.float64],
    i: NDArray[np.float64],
) -> None:
    """One solution with each source a fixed voltage (kind 1), a fixed current (2) or nothing (0)."""
    n = base.shape[0]
    m = sources.shape[0]
    g = base.copy()
    ends = ((0, 1), (1, 2), (2, 3), (3, 0), (0, 2), (1, 3))
    for d in range(terminals.shape[0]):
        for b in range(6):
            p = terminals[d, ends[b][0]]
            q = terminals[d, ends[b][1]]
            if p != q:
                g[p, q] += device_g[d, b]
                g[q, p] += device_g[d, b]
    inject = np.zeros(n)
    total = np.zeros(n)
    left = np.ones(n, np.bool_)
    for k in range(m):
        if kinds[k] == 2:
            inject[k] = levels[k]
    for k in range(n - 1, -1, -1):
        if k < m and kinds[k] == 1:
            continue
        left[k] = False
        s = g[k, n]
        for j in range(n):
            if left[j]:
                s += g[k, j]
        total[k] = s
        if s <= 0.0:
            continue
        for a in range(n):
            if not left[a] or g[k, a] == 0.0:
                continue
            share = g[k, a] / s
            inject[a] += inject[k] * share
            g[a, n] += g[k, n] * share
            for b in range(n):
                if left[b] and b != a:
                    g[a, b] += share * g[k, b]
        # row k keeps its values at elimination, for the way back; columns of eliminated nodes are skipped by `left`
    for k in range(m):
        if kinds[k] == 1:
            v[k] = levels[k]
    for k in range(n):  # the way back: the reverse of the order of elimination
        if left[k]:
            continue
        if total[k] <= 0.0:
            v[k] = 0.0
            continue
        acc = inject[k]
        for j in range(n):
            if (left[j] or j < k) and j != k:
                acc += g[k, j] * v[j]
        v[k] = acc / total[k]
    for k in range(m):
        if kinds[k] == 1:
            acc = g[k, n] * v[k] - inject[k]
            for j in range(n):
                if left[j] and j != k:
                    acc += g[k, j] * (v[k] - v[j])
            i[k] = acc
        else:
            i[k] = levels[k] if kinds[k] == 2 else 0.0


@njit(cache=True)
def solve(
    base: NDArray[np.float64],
    terminals: NDArray[np.int64],
    device_g: NDArray[np.float64],
    sources: NDArray[np.float64],
    v: NDArray[np.float64],
    i: NDArray[np.float64],
    limited: NDArray[np.int64],
) -> None:
    """Solve the network, compliance included; results in `v`, `i`, `limited`.

    base: (n, n + 1) S: conductances between nodes, the last column to ground; the first m nodes are the sources.
    terminals: (d, 4): nodes of each device's T1..T4. device_g: (d, 6) S: G12 G23 G34 G41 G13 G24.
    sources: (m, 4): on, current mode, value (V or A), compliance (A or V); off means high impedance.
    v: (n,) V. i: (m,) A, out of the source. limited: (m,): 1 where the source is in compliance.
    """
    m = sources.shape[0]
    kinds = np.zeros(m, np.int64)
    levels = np.zeros(m)
    released = np.zeros(m, np.bool_)
    for k in range(m):
        limited[k] = 0
        if sources[k, ON] > 0.0:
            kinds[k] = 2 if sources[k, CURRENT_MODE] > 0.0 else 1
            levels[k] = sources[k, VALUE]
    for _ in range(3 * m + 1):
        _pass(base, terminals, device_g, sources, kinds, levels, v, i)
        worst = 1.0 + 1e-9
        pick = -1
        for k in range(m):
            if kinds[k] == 0 or limited[k] == 1:
                continue
            x = abs(i[k]) if kinds[k] == 1 else abs(v[k])
            limit = sources[k, COMPLIANCE]
            excess = x / limit if limit > 0.0 else (2.0 if x > 0.0 else 0.0)
            if excess > worst:
                worst = excess
                pick = k
        if pick >= 0:
            k = pick
            limited[k] = 1
            sign = 1.0 if (i[k] if kinds[k] == 1 else v[k]) > 0.0 else -1.0
            levels[k] = sign * sources[k, COMPLIANCE]
            kinds[k] = 3 - kinds[k]
            continue
        back = -1
        for k in range(m):  # a source that was limited only because of another one comes back, once
            if limited[k] == 1 and not released[k]:
                reached = v[k] if kinds[k] == 2 else i[k]
                if (sources[k, VALUE] - reached) * levels[k] < -1e-15:
                    back = k
        if back < 0:
            return
        released[back] = True
        limited[back] = 0
        kinds[back] = 3 - kinds[back]
        levels[back] = sources[back, VALUE]

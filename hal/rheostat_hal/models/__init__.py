"""Memristor physics, compiled: step(state, params, voltage, width, rng); nothing else. Never reads a clock."""

from rheostat_hal.kernels import keep

keep()

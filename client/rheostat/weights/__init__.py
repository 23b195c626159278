"""Weights: their mapping to resistances, their placement on devices, and their way into an analog network."""

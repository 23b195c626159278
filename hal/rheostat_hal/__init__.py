"""Owns the instruments; knows nothing of jobs, networks or weights."""

"""Owns time, order and safety: the service answers people, the executor alone opens the instruments."""

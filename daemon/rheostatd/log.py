"""Logs: an event name and keys, on stderr; for people on a terminal, one JSON object a line anywhere else.

Both processes of the daemon configure themselves the same way: the service hands level and form to the executor in
the environment (RHEOSTAT_LOG_LEVEL, RHEOSTAT_LOG_FORM).
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Any, TextIO

LEVELS = ("debug", "info", "warning", "error")
LEVEL_VARIABLE = "RHEOSTAT_LOG_LEVEL"
FORM_VARIABLE = "RHEOSTAT_LOG_FORM"  # "json" or "console"


class _Stream:
    """A text stream whose reader may go away: a log line must never stop what makes the rig safe."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost = 0  # lines nobody could read

    def write(self, text: str) -> None:
        try:
            self._stream.write(text)
        except (OSError, ValueError):
            self.lost += 1

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self.lost += 1


def configure(level: str | None = None, json: bool | None = None) -> None:
    """Applies to all of this process. None: what the environment says, else info, and JSON unless on a terminal."""
    import structlog

    level = level or os.environ.get(LEVEL_VARIABLE, "info")
    if json is None:
        form = os.environ.get(FORM_VARIABLE)
        json = form == "json" if form else not sys.stderr.isatty()
    os.environ[LEVEL_VARIABLE] = level
    os.environ[FORM_VARIABLE] = "json" if json else "console"
    render: list[Any] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
        if json
        else [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=_Stream(sys.stderr)),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )

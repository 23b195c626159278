"""A daemon of one's own: `rheostatd` as a child process on the virtual bench, for the demo and for trying things."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from rheostat.errors import DaemonUnavailable, MissingExtra

DAEMON_FILE = "daemon.json"


class LocalDaemon:
    """`rheostatd` with a data folder of its own on a free port; a context manager that stops it in the end.

    It ends with this process, however that ends, and not by the terminal's Ctrl-C: whoever started it decides when it
    stops. `was_ready`: whether `ready` has seen it ready. Its output goes to <data>/rheostatd.log. `variables` come on
    top of this process's environment. Raises MissingExtra when the daemon is not installed.
    """

    def __init__(self, data: Path, config: Path | None = None, variables: Mapping[str, str] | None = None) -> None:
        if importlib.util.find_spec("rheostatd") is None:
            raise MissingExtra("there is no rheostatd here: pip install 'rheostat[rig]'")
        data.mkdir(parents=True, exist_ok=True)
        (data / DAEMON_FILE).unlink(missing_ok=True)
        self.data = data
        self.was_ready = False
        self.log = data / "rheostatd.log"
        command = [sys.executable, "-m", "rheostatd", "--data", str(data), "--port", "0", "--until-eof"]
        if config is not None:
            command += ["--config", str(config)]
        with self.log.open("w") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(variables or {})},
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def ready(self, timeout: float = 60.0, waiting: Callable[[], None] | None = None) -> str:
        """Its address, as soon as the rig is open. `waiting()` is called in between.

        Raises DaemonUnavailable with the end of its log when it ends before, or is not ready after `timeout` s.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, json.JSONDecodeError, KeyError):
                address = str(json.loads((self.data / DAEMON_FILE).read_text())["address"])
                self.was_ready = True
                return address
            if self._process.poll() is not None:
                raise DaemonUnavailable(f"rheostatd ended with status {self._process.returncode}:\n{self.tail()}")
            if waiting is not None:
                waiting()
            time.sleep(0.02)
        raise DaemonUnavailable(f"rheostatd was not ready after {timeout:g} s:\n{self.tail()}")

    def stop(self, patience: float = 15.0) -> bool:
        """Stop it as it likes to be stopped: job cancelled, rig made safe. Returns whether it said that all went well.

        After `patience` s it is killed; then, as after a crash, nothing is known of the rig.
        """
        if not self.was_ready:  # only when it is up does it know how to stop
            with contextlib.suppress(DaemonUnavailable):
                self.ready(patience)
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        return self._process.returncode == 0

    def tail(self, lines: int = 15) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

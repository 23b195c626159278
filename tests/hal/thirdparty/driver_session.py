"""A public driver at work on a virtual instrument: both ends of the talk with it.

The driver runs unmodified in the environment that has it, as `driver_session.py DRIVER RESOURCE [SCRIPT]`. Each line on
its stdin is a Python sentence about `it`, the driver's instrument, in which the functions of the script may stand; each
answer is one JSON object with the sentence's value and the warnings it gave, or the error it raised.
"""

from __future__ import annotations

import ast
import json
import runpy
import subprocess
import sys
import traceback
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any

PYTHON = Path(__file__).resolve().parents[3] / ".venv-bench" / "bin" / "python"


class DriverError(Exception):
    """What the driver raised: its traceback, which ends in the type's name and its text."""


class DriverSession:
    """A driver in its own process. `session("it.x()")` gives the value as JSON has it; `warned`: the last warnings."""

    def __init__(self, driver: str, resource: str, *script: Path) -> None:
        if not PYTHON.exists():
            raise RuntimeError("the public drivers are not installed: run python3 deploy/setup_env.py --bench")
        command = [str(PYTHON), __file__, driver, resource, *map(str, script)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.warned: list[str] = []
        try:
            self._answer()  # connected
        except DriverError:
            self.close()
            raise

    def __call__(self, sentence: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(sentence) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        answer = json.loads(self._process.stdout.readline())
        self.warned = answer["warnings"]
        if answer["error"]:
            raise DriverError(answer["error"])
        return answer["value"]

    def close(self) -> None:
        self._process.communicate(timeout=10)

    def __enter__(self) -> DriverSession:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self.close()


def _keithley_3706a(resource: str) -> dict[str, Any]:
    from qcodes.instrument_drivers.Keithley import Keithley3706A

    return {"it": Keithley3706A("switch", resource, visalib="@py")}


def _keysight_b1500(resource: str) -> dict[str, Any]:
    from qcodes.instrument_drivers.Keysight.keysightb1500 import KeysightB1500

    return {"it": KeysightB1500("analyser", resource, visalib="@py")}


def _pymeasure_b1500(resource: str) -> dict[str, Any]:
    from pymeasure.instruments.agilent import AgilentB1500, agilentB1500

    return vars(agilentB1500) | {"it": AgilentB1500(resource, visa_library="@py", timeout=5000)}


DRIVERS = {"qcodes-3706a": _keithley_3706a, "qcodes-b1500": _keysight_b1500, "pymeasure-b1500": _pymeasure_b1500}


def main(driver: str, resource: str, script: str = "") -> None:
    answers, sys.stdout = sys.stdout, sys.stderr  # drivers print
    scope: dict[str, Any] = runpy.run_path(script) if script else {}

    def say(sentence: str | None) -> None:
        value, error = None, ""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            try:
                if sentence is None:
                    scope.update(DRIVERS[driver](resource))
                elif [type(part) for part in ast.parse(sentence).body] == [ast.Expr]:
                    value = eval(sentence, scope)
                else:
                    exec(sentence, scope)
            except Exception:  # noqa: BLE001 - told to the other end
                error = traceback.format_exc()
        told = [str(each.message) for each in caught if each.category is UserWarning]
        print(json.dumps({"value": value, "error": error, "warnings": told}, default=str), file=answers, flush=True)

    say(None)
    for line in sys.stdin:
        say(json.loads(line))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The 3706A: a Lua runtime with the instrument's tables, and the common commands (*IDN? and so on).

Every line is a chunk of its own in one environment that lasts. Scripts get Lua's pure libraries only: no io, os, debug,
package or loading of code, and nothing of Python. Errors are silent on the wire and go to the error queue.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import resources
from typing import Any, Protocol

from lupa.lua51 import LuaError, LuaRuntime

from rheostat_hal.bench import Switch as SwitchConfig
from rheostat_hal.virtual.faults import LineFault
from rheostat_hal.virtual.sockets import LineAborted
from rheostat_hal.virtual.tsp.errors import PARAMETER, RUNTIME, SYNTAX, ErrorQueue, SwitchRefusal
from rheostat_hal.virtual.tsp.switch import INTERNAL, Switch
from rheostat_hal.virtual.wiring import COLUMNS, ROWS
from rheostat_hal.virtual.world import World

MODEL, SERIAL, FIRMWARE = "3706A-SNFP", "04447336", "01.56a"
IDENTITY = f"KEITHLEY INSTRUMENTS INC.,MODEL {MODEL},{SERIAL},{FIRMWARE}"
CARD_NAMES = {"3730": "6x16 High Density Matrix"}
MEMORY = 64 << 20  # bytes a script may use


class Port(Protocol):
    """The way back to the client."""

    def emit(self, text: str) -> None: ...

    def flush(self) -> None: ...

    def sleep(self, seconds: float) -> None: ...

    def poll(self) -> None: ...


class _Aborted(Exception):  # noqa: N818
    """Unwinds the Lua stack; `Multiplexer.run` raises what really happened."""


def _no_attributes(_obj: object, _name: object, _setting: bool) -> object:
    raise AttributeError("not accessible")


class Multiplexer:
    """One line at a time: hold `lock` around `run`."""

    def __init__(self, world: World, config: SwitchConfig) -> None:
        self.lock = threading.Lock()
        self.errors = ErrorQueue()
        self.switch = Switch(world, self._wait)
        self._world = world
        self._cards = dict(config.cards)
        self._port: Port
        self._abort: LineAborted | None = None
        lua = LuaRuntime(
            encoding="latin-1",
            register_eval=False,
            register_builtins=False,
            unpack_returned_tuples=True,
            attribute_filter=_no_attributes,
            max_memory=MEMORY,
        )
        self._lua = lua
        self._boot()

    def _boot(self) -> None:
        prelude = resources.files(__package__).joinpath("prelude.lua").read_text("utf-8")
        self._run, self._modes = self._lua.execute(prelude, self._lua.table_from(self._functions()))

    def reboot(self) -> None:
        """As after a loss of power."""
        self.errors.clear()
        self.switch.power_on()
        self._boot()

    def run(self, line: str, port: Port, fault: LineFault | None = None) -> None:
        """Carry out one line. Raises LineAborted when it must stop. `fault`: scripted for it."""
        self._port = port
        self._abort = None
        if fault is not None and fault.what == "error":
            self.errors.add(fault.number, fault.text or "scripted error")
        elif fault is not None and fault.what == "interlock_open":
            self.switch.interlocks[fault.slot] = False
        before = len(self.errors)
        text = line.strip()
        if text.startswith("*"):
            self._common(text)
        else:
            try:
                kind, message = self._run(line) or (None, None)
            except (LuaError, MemoryError) as error:  # out of memory, beyond what pcall can catch
                kind, message = "runtime", str(error)
            if self._abort is not None:
                raise self._abort
            if kind is not None:
                name = "Syntax" if kind == "syntax" else "Runtime"
                self.errors.add(SYNTAX if kind == "syntax" else RUNTIME, f"TSP {name} error: {message}")
        prompts, show_errors = self._modes()
        failed = len(self.errors) > before
        if failed and show_errors:
            port.emit("\t".join(str(part) for part in self.errors.next()))
        if prompts:
            port.emit("TSP?" if failed else "TSP>")

    def _common(self, text: str) -> None:
        command = text.upper()
        if command == "*IDN?":
            self._port.emit(IDENTITY)
        elif command == "*OPC?":
            self._port.emit("1")
        elif command == "*STB?":
            self._port.emit(str(4 if len(self.errors) else 0))
        elif command == "*CLS":
            self.errors.clear()
        elif command == "*RST":
            self.switch.reset_all()
        elif command not in ("*OPC", "*TRG", "*WAI"):
            self.errors.add(SYNTAX, f"TSP Syntax error: {text[:40]}")

    def _wait(self, seconds: float) -> None:
        self._port.flush()
        self._world.wait(seconds, self._port.sleep)

    # what the prelude calls: strings, numbers, booleans and None only

    def _functions(self) -> dict[str, Any]:
        switch, safe = self.switch, self._safe
        return {
            "close": safe(switch.close),
            "open": safe(switch.open),
            "exclusiveclose": safe(switch.exclusive_close),
            "exclusiveslotclose": safe(switch.exclusive_slot_close),
            "reset": safe(switch.reset),
            "resetall": safe(switch.reset_all),
            "getclose": safe(switch.closed),
            "getstate": safe(switch.state),
            "getforbidden": safe(switch.forbidden),
            "setforbidden": safe(switch.forbid),
            "clearforbidden": safe(switch.allow),
            "getdelay": safe(switch.delays),
            "setdelay": safe(switch.delay),
            "getbackplane": safe(switch.backplane),
            "setbackplane": safe(switch.attach_backplane),
            "getrule": lambda: switch.rule,
            "setrule": safe(switch.connect_rule),
            "setpattern": safe(switch.keep_pattern),
            "getpattern": safe(switch.pattern),
            "deletepattern": safe(switch.drop_pattern),
            "snapshot": safe(switch.snapshot),
            "savesetup": safe(lambda name=None: switch.save_setup(INTERNAL if name is None else str(name))),
            "recallsetup": safe(lambda name=None: switch.recall_setup(str(name))),
            "nexterror": self.errors.next,
            "clearerrors": self.errors.clear,
            "errorcount": lambda: len(self.errors),
            "refuse": lambda name: self.errors.add(PARAMETER, f"value not possible for {name}"),
            "delay": safe(self._delay),
            "emit": lambda text: self._port.emit(text),
            "tick": safe(lambda: self._port.poll()),
            "aborted": lambda: self._abort is not None,
            "card": self._card,
            "interlock": lambda n: int(switch.interlocks[int(n)]) if int(n) in self._cards else None,
            "rows": lambda n: ROWS if int(n) in self._cards else None,
            "columns": lambda n: COLUMNS if int(n) in self._cards else None,
            "model": MODEL,
            "serial": SERIAL,
            "firmware": FIRMWARE,
        }

    def _safe(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """What the switch refuses goes to the queue and gives nil; an abort unwinds the script."""

        def call(*arguments: object) -> Any:
            if self._abort is not None:
                raise _Aborted
            try:
                return function(*arguments)
            except SwitchRefusal as refusal:
                self.errors.add(refusal.code, refusal.text)
            except TypeError:
                self.errors.add(PARAMETER, "parameters missing, or too many")
            except LineAborted as abort:
                self._abort = abort
                raise _Aborted from abort
            return None

        return call

    def _delay(self, seconds: object) -> None:
        if not isinstance(seconds, int | float) or not 0.0 <= seconds <= 100000.0:
            raise SwitchRefusal(PARAMETER, "delay is 0 to 100000 s")
        self._wait(float(seconds))

    def _card(self, slot: float) -> str:
        number = int(slot)
        model = self._cards.get(number)
        return f"{model},{CARD_NAMES[model]},01.40h,{4447330 + number}" if model else "Empty Slot"

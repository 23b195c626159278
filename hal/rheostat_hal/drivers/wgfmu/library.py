"""Keysight's WGFMU library (wgfmu.dll, C, 64-bit) as a table of its documented functions.

Source: the library's header `wgfmu.h` and the B1530A User's Guide. Every function returns 0 or a negative code. The
library is not known to allow two calls at once: a lock makes sure. It is Windows only; whatever offers the same
functions with the same arguments (the stand-in of the virtual bench, a proxy) serves as well.
"""

from __future__ import annotations

import ctypes
import enum
import struct
import threading
from collections.abc import Callable, Sequence
from ctypes import POINTER, c_char, c_char_p, c_double, c_int
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rheostat_hal.errors import BusError, BusUnavailable, HalError, WgfmuError

NAME = "wgfmu"
COMMUNICATION = -5
# by the names of the header
CODES = {
    -1: "PARAMETER_OUT_OF_RANGE_ERROR",
    -2: "ILLEGAL_STRING_ERROR",
    -3: "CONTEXT_ERROR",
    -4: "FUNCTION_NOT_SUPPORTED_ERROR",
    COMMUNICATION: "COMMUNICATION_ERROR",
    -6: "FW_ERROR",
    -7: "LIBRARY_ERROR",
    -8: "ERROR",
    -9: "CHANNEL_NOT_FOUND_ERROR",
    -10: "PATTERN_NOT_FOUND_ERROR",
    -11: "EVENT_NOT_FOUND_ERROR",
    -12: "PATTERN_ALREADY_EXISTS_ERROR",
    -13: "SEQUENCER_NOT_RUNNING_ERROR",
    -14: "RESULT_NOT_READY_ERROR",
    -15: "RESULT_OUT_OF_DATE",
}

_int_p, _double_p, _text_p = POINTER(c_int), POINTER(c_double), POINTER(c_char)
FUNCTIONS: dict[str, tuple[Any, ...]] = {
    # session
    "openSession": (c_char_p,),
    "closeSession": (),
    "initialize": (),
    "setTimeout": (c_double,),
    "doSelfTest": (_int_p, _text_p, _int_p),
    "doSelfCalibration": (_int_p, _text_p, _int_p),
    "getChannelIdSize": (_int_p,),
    "getChannelIds": (_int_p, _int_p),
    "getErrorSize": (_int_p,),
    "getError": (_text_p, _int_p),
    "getErrorSummarySize": (_int_p,),
    "getErrorSummary": (_text_p, _int_p),
    "treatWarningsAsErrors": (c_int,),
    "setWarningLevel": (c_int,),
    "openLogFile": (c_char_p,),
    "closeLogFile": (),
    # channels
    "setOperationMode": (c_int, c_int),
    "setForceVoltageRange": (c_int, c_int),
    "setMeasureMode": (c_int, c_int),
    "setMeasureVoltageRange": (c_int, c_int),
    "setMeasureCurrentRange": (c_int, c_int),
    "setForceDelay": (c_int, c_double),
    "setMeasureDelay": (c_int, c_double),
    "setMeasureEnabled": (c_int, c_int),
    "setTriggerOutMode": (c_int, c_int, c_int),
    "connect": (c_int,),
    "disconnect": (c_int,),
    # patterns, events, sequences
    "clear": (),
    "createPattern": (c_char_p, c_double),
    "addVector": (c_char_p, c_double, c_double),
    "addVectors": (c_char_p, _double_p, _double_p, c_int),
    "setVector": (c_char_p, c_double, c_double),
    "setVectors": (c_char_p, _double_p, _double_p, c_int),
    "createMergedPattern": (c_char_p, c_char_p, c_char_p, c_int),
    "createMultipliedPattern": (c_char_p, c_char_p, c_double, c_double),
    "createOffsetPattern": (c_char_p, c_char_p, c_double, c_double),
    "setMeasureEvent": (c_char_p, c_char_p, c_double, c_int, c_double, c_double, c_int),
    "setRangeEvent": (c_char_p, c_char_p, c_double, c_int),
    "setTriggerOutEvent": (c_char_p, c_char_p, c_double, c_double),
    "addSequence": (c_int, c_char_p, c_double),
    "addSequences": (c_int, POINTER(c_char_p), _double_p, c_int),
    "exportAscii": (c_char_p,),
    # run
    "update": (),
    "updateChannel": (c_int,),
    "execute": (),
    "abort": (),
    "abortChannel": (c_int,),
    "getStatus": (_int_p, _double_p, _double_p),
    "getChannelStatus": (c_int, _int_p, _double_p, _double_p),
    "waitUntilCompleted": (),
    # results
    "getMeasureValueSize": (c_int, _int_p, _int_p),
    "getMeasureValues": (c_int, c_int, _int_p, _double_p, _double_p),
    "getMeasureValue": (c_int, c_int, _double_p, _double_p),
    "isMeasureEventCompleted": (
        *(c_int, c_char_p, c_char_p, c_int, c_double, c_int),
        *(_int_p, _int_p, _int_p, _int_p),
    ),
    # DC
    "dcforceVoltage": (c_int, c_double),
    "dcmeasureValue": (c_int, _double_p),
    "dcmeasureAveragedValue": (c_int, c_int, c_int, _double_p),
}


class Mode(enum.IntEnum):
    DC = 2000
    FAST_IV = 2001
    PG = 2002  # 50 ohm in series: the voltage at the device depends on its current
    SMU = 2003


class Measure(enum.IntEnum):
    VOLTAGE = 4000
    CURRENT = 4001


class Data(enum.IntEnum):
    AVERAGED = 12000
    RAW = 12001


class Running(enum.IntEnum):
    COMPLETED = 10000  # and data can be read
    DONE = 10001  # data are still being transferred
    RUNNING = 10002
    ABORT_COMPLETED = 10003
    ABORTED = 10004
    RUNNING_ILLEGAL = 10005
    IDLE = 10006


CURRENT_RANGES = {1e-6: 6001, 1e-5: 6002, 1e-4: 6003, 1e-3: 6004, 1e-2: 6005}
FORCE_RANGES = {3.0: 3001, 5.0: 3002}  # V: those of both signs
VOLTAGE_RANGE_5V = 5001


def load(path: str) -> Any:
    """Keysight's library from a file. Raises BusUnavailable with one line that says what is wrong with it."""
    file = Path(path).expanduser()
    if not file.is_file():
        raise BusUnavailable(f"{path}: there is no such WGFMU library; Keysight's installation brings wgfmu.dll")
    bits = _bits(file)
    here = 8 * struct.calcsize("P")
    if bits is not None and bits != here:
        raise BusUnavailable(f"{path}: a {bits}-bit library, but this Python has {here} bits: name that of {here} bits")
    loader: Any = getattr(ctypes, "WinDLL", None)  # stdcall, as the header says; the same as cdecl in 64 bits
    if loader is None:
        if bits is not None:
            raise BusUnavailable(f"{path}: a Windows library, and this is not Windows")
        loader = ctypes.CDLL
    try:
        return loader(str(file))
    except OSError as error:
        raise BusUnavailable(f"{path}: cannot be loaded: {' '.join(str(error).split())}") from error


def _bits(file: Path) -> int | None:
    """32 or 64 from the header of a Windows library (PE format, machine field); None: it is none."""
    with file.open("rb") as opened:
        start = opened.read(64)
        if len(start) < 64 or start[:2] != b"MZ":
            return None
        opened.seek(struct.unpack_from("<I", start, 60)[0])
        head = opened.read(6)
    if len(head) < 6 or head[:4] != b"PE\0\0":
        return None
    return {0x14C: 32, 0x8664: 64, 0xAA64: 64}.get(struct.unpack_from("<H", head, 4)[0])


class Library:
    """The functions of `handle` (a loaded library or a stand-in) with their errors as exceptions.

    `call` takes the name without WGFMU_; `using` is held during a call, and may be held over several; `note` is told
    every call, as a comment of a dialogue. Raises WgfmuError, and BusError for -5; the constructor raises
    BusUnavailable when a function is missing.
    """

    def __init__(self, handle: Any, note: Callable[[str], None] | None = None) -> None:
        self._note = note
        self._noted = ""
        self._functions: dict[str, Any] = {}
        for name, arguments in FUNCTIONS.items():
            function = getattr(handle, f"WGFMU_{name}", None)
            if function is None:
                raise BusUnavailable(f"{handle}: is not the WGFMU library, it has no WGFMU_{name}")
            function.argtypes = arguments
            function.restype = c_int
            self._functions[name] = function
        self.using = threading.RLock()
        self._told = ""  # of the error summary, which grows until `clear`

    def call(self, name: str, *arguments: Any) -> None:
        with self.using:
            code = self._functions[name](*arguments)
            if self._note is not None:
                self._tell(self._note, name, arguments, code)
            if name == "clear":
                self._told = ""
            if code < 0:
                raise self._error(name, code)

    def channels(self) -> tuple[int, ...]:
        """The WGFMU channels of the mainframe."""
        size = c_int()
        self.call("getChannelIdSize", size)
        ids = (c_int * size.value)()
        self.call("getChannelIds", ids, size)
        return tuple(ids[: size.value])

    def add_vectors(self, pattern: bytes, times: Sequence[float], voltages: Sequence[float]) -> None:
        """Vectors of `times` s that end at `voltages` V."""
        n = len(times)
        self.call("addVectors", pattern, (c_double * n)(*times), (c_double * n)(*voltages), n)

    def status(self) -> tuple[Running, float, float]:
        """Status of all channels together, s since the start, s in all."""
        status, elapsed, total = c_int(), c_double(), c_double()
        self.call("getStatus", status, elapsed, total)
        return Running(status.value), elapsed.value, total.value

    def values(self, channel: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """All results of a channel: s, and A or V."""
        measured, total = c_int(), c_int()
        self.call("getMeasureValueSize", channel, measured, total)
        times, values = np.zeros(total.value), np.zeros(total.value)
        if total.value:
            size = c_int(total.value)
            room = c_double * total.value
            self.call("getMeasureValues", channel, 0, size, room.from_buffer(times.data), room.from_buffer(values.data))
            times, values = times[: size.value], values[: size.value]
        return times, values

    def dc_value(self, channel: int, samples: int) -> float:
        """The mean of `samples` samples, 5 ns apart, of a channel in DC mode: A or V."""
        value = c_double()
        self.call("dcmeasureAveragedValue", channel, samples, 1, value)
        return value.value

    def _tell(self, note: Callable[[str], None], name: str, arguments: tuple[Any, ...], code: int) -> None:
        """Numbers that the library gave back stand in the place of what points to them."""
        line = f"# {NAME} WGFMU_{name}({', '.join(map(_shown, arguments))}) {code}"
        if name != "getStatus" or not self._noted.startswith(f"# {NAME} WGFMU_getStatus"):  # asked every few ms
            note(line)
        self._noted = line

    def _error(self, name: str, code: int) -> HalError:
        summary = self._summary()
        news = " ".join(summary.removeprefix(self._told).split())
        self._told = summary
        text = f"WGFMU_{name}: {CODES.get(code, 'unknown code')}" + (f": {news}" if news else "")
        return BusError(f"{NAME}: {code} {text}") if code == COMMUNICATION else WgfmuError(NAME, code, text)

    def _summary(self) -> str:
        size = c_int()
        if self._functions["getErrorSummarySize"](size) < 0 or size.value <= 0:
            return ""
        text = ctypes.create_string_buffer(size.value + 1)
        if self._functions["getErrorSummary"](text, size) < 0:
            return ""
        return text.value.decode("ascii", "replace")


def _shown(argument: Any) -> str:
    if isinstance(argument, ctypes.Array):
        return f"[{', '.join(f'{value:.6g}' for value in argument)}]"
    return repr(getattr(argument, "value", argument))

"""The driver's end of the library: loading, wrong files, error codes as exceptions."""

from __future__ import annotations

import ctypes
import struct
import types
from ctypes import CFUNCTYPE, c_int, c_void_p

import pytest

from rheostat_hal.drivers.wgfmu.library import CODES, FUNCTIONS, Library, load
from rheostat_hal.errors import BusError, BusUnavailable, HalError, InstrumentError, WgfmuError


def windows_library(path, machine):
    """The beginning of a file in PE format for a kind of processor."""
    path.write_bytes(b"MZ".ljust(60, b"\0") + struct.pack("<I", 64) + b"PE\0\0" + struct.pack("<H", machine))
    return str(path)


def scripted(answers):
    """A library whose functions return 0, or the code `answers` has for them; the summary repeats all errors."""
    summary = []

    def function(name, arguments):
        def run(*given):
            if name == "getErrorSummarySize":
                given[0][0] = len("\n".join(summary))
            elif name == "getErrorSummary":
                for k, byte in enumerate("\n".join(summary).encode()):
                    given[0][k] = byte
            elif name == "clear":
                summary.clear()
            elif name in answers:
                summary.append(f"{name} went wrong")
                return answers[name]
            return 0

        return CFUNCTYPE(c_int, *arguments)(run)

    return types.SimpleNamespace(**{f"WGFMU_{name}": function(name, given) for name, given in FUNCTIONS.items()})


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: str(folder / "wgfmu.dll"), "there is no such WGFMU library"),
        (lambda folder: str(folder), "there is no such WGFMU library"),
        (lambda folder: windows_library(folder / "wgfmu.dll", 0x14C), "a 32-bit library, but this Python has 64 bits"),
        (lambda folder: windows_library(folder / "wgfmu.dll", 0x8664), "a Windows library, and this is not Windows"),
        (lambda folder: str((folder / "wgfmu.dll").write_text("text") and folder / "wgfmu.dll"), "cannot be loaded"),
    ],
)
def test_a_library_that_cannot_be_loaded_is_one_line_that_says_why(tmp_path, make, says):
    if hasattr(ctypes, "WinDLL") and "not Windows" in says:
        pytest.skip("this is Windows")
    with pytest.raises(BusUnavailable, match=says) as caught:
        load(make(tmp_path))
    assert "\n" not in str(caught.value)


def test_another_library_is_not_taken_for_it():
    with pytest.raises(BusUnavailable, match="it has no WGFMU_openSession"):
        Library(ctypes.CDLL(None))


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_is_an_exception_that_carries_it_with_the_summary(code):
    library = Library(scripted({"execute": code}))
    library.call("update")
    with pytest.raises(HalError, match=f"WGFMU_execute: {CODES[code]}: execute went wrong") as caught:
        library.call("execute")
    if code == -5:
        assert type(caught.value) is BusError
    else:
        assert isinstance(caught.value, WgfmuError)
        assert isinstance(caught.value, InstrumentError)
        assert (caught.value.number, caught.value.code) == (code, "instrument.wgfmu")


def test_an_error_tells_what_is_new_in_the_summary():
    library = Library(scripted({"execute": -3, "update": -1}))
    for name in ("execute", "update"):
        with pytest.raises(WgfmuError) as caught:
            library.call(name)
        assert caught.value.text.endswith(f": {name} went wrong")
        assert caught.value.text.count("went wrong") == 1
    library.call("clear")  # empties the summary, so that an old error is news again
    with pytest.raises(WgfmuError, match="execute went wrong"):
        library.call("execute")


def test_a_64_bit_pointer_survives_the_table():
    """A wrong or missing argument type would cut it to 32 bits."""
    seen = []
    handle = scripted({})
    entry = CFUNCTYPE(c_int, c_void_p)(lambda pointer: seen.append(pointer) or 0)
    handle.WGFMU_getChannelIdSize = entry
    library = Library(handle)
    size = c_int()
    library.call("getChannelIdSize", size)
    assert seen == [ctypes.addressof(size)]

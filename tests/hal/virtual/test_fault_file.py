"""The file of what is to go wrong: what it may say, and that a virtual bench started with it does it."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from rheostat_hal import bench
from rheostat_hal.errors import BenchError, BusUnavailable
from rheostat_hal.virtual import faults
from rheostat_hal.virtual.faults import DeviceFault, LineFault, RefusedFault, RelayFault
from rheostat_hal.virtual.launch import launch

BENCH = bench.load(None)


def load(folder: Path, text: str) -> tuple[faults.Fault, ...]:
    path = folder / "faults.toml"
    path.write_text(text)
    return faults.load(path, BENCH)


def test_the_example_of_the_documentation_is_a_file_of_faults(tmp_path: Path) -> None:
    assert faults.__doc__ is not None
    example = re.findall(r"^    (\[\[fault\]\].*?)\n\n", faults.__doc__, re.MULTILINE | re.DOTALL)
    assert load(tmp_path, "\n".join(example)) == (
        LineFault(what="no_answer", instrument="analyser", line="XE", after=3),
        LineFault(what="reset", instrument="switch", line="channel.close.*1109", down=2.0),
        DeviceFault(what="opens", device="A3", pulse=120),
    )


def test_every_kind_of_fault_has_its_keys(tmp_path: Path) -> None:
    lines = {
        "no_answer": "",
        "late_answer": "delay_s = 0.1",
        "half_answer": "count = 2",
        "garbage": "text = 'what?'",
        "error": "number = 305\ntext = 'Excess current in HPSMU.'",
        "drop": "down_s = 1.5",
        "reset": "connections_stay = true",
        "interlock_open": "after = 7",
    }
    text = "".join(f"[[fault]]\nwhat = '{what}'\ninstrument = 'analyser'\n{keys}\n" for what, keys in lines.items())
    text += "[[fault]]\nwhat = 'interlock_open'\ninstrument = 'switch'\nslot = 2\n"
    text += "".join(f"[[fault]]\nwhat = '{what}'\nchannel = 3\n" for what in faults.OF_THE_ANALYSER)
    text += "[[fault]]\nwhat = 'refused'\ninstrument = 'switch'\ndown_s = 2\nafter = 1\n"
    text += "".join(f"[[fault]]\nwhat = '{what}'\nchannel = '1303'\n" for what in faults.AT_RELAYS)
    text += "".join(f"[[fault]]\nwhat = '{what}'\ndevice = 'A1'\npulse = 3\n" for what in faults.OF_DEVICES)
    text += "noise_relative = 0.02\n"
    found = load(tmp_path, text)
    assert [fault.what for fault in found] == [
        *(*lines, "interlock_open", *faults.OF_THE_ANALYSER, "refused", *faults.AT_RELAYS, *faults.OF_DEVICES)
    ]
    assert {
        LineFault(what="late_answer", instrument="analyser", delay=0.1),
        LineFault(what="interlock_open", instrument="switch", slot=2),
        LineFault(what="compliance", instrument="analyser", channel=3),
        RefusedFault(instrument="switch", down=2.0, after=1),
        RelayFault(what="stays_open", channel="1303"),
        DeviceFault(what="noisy", device="A1", pulse=3, noise=0.02),
    } <= set(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "fault: is missing"),
        ("[[fault]]\nwhat = 'no_anser'", "'no_anser' is not one of .* did you mean 'no_answer'?"),
        ("[[fault]]\nwhat = 'no_answer'", r"\[fault no_answer\] instrument: is missing"),
        ("[[fault]]\nwhat = 'no_answer'\ninstrument = 'swich'", "did you mean 'switch'"),
        ("[[fault]]\nwhat = 'no_answer'\ninstrument = 'switch'\nlin = 'x'", "lin: is not a known key; did you mean"),
        ("[[fault]]\nwhat = 'no_answer'\ninstrument = 'switch'\ndelay_s = 1", "delay_s: is not a known key"),
        ("[[fault]]\nwhat = 'no_answer'\ninstrument = 'switch'\nline = '('", "is not a regular expression"),
        ("[[fault]]\nwhat = 'no_answer'\ninstrument = 'switch'\ncount = 0", "whole number from 1"),
        ("[[fault]]\nwhat = 'error'\ninstrument = 'switch'", "number: is missing"),
        ("[[fault]]\nwhat = 'overflow'\ninstrument = 'switch'", "happens to the analyser only"),
        ("[[fault]]\nwhat = 'interlock_open'\ninstrument = 'switch'", "slot: is missing"),
        ("[[fault]]\nwhat = 'stays_open'\nchannel = '9101'", "'9101' is not a relay of the bench's cards"),
        ("[[fault]]\nwhat = 'opens'\ndevice = 'A9'\npulse = 1", "'A9' is not a device of the bench"),
        ("[[fault]]\nwhat = 'opens'\ndevice = 'A1'\npulse = 0", "pulse: must be a whole number from 1"),
        ("[fault]\nwhat = 'opens'", r"must be one or more \[\[fault\]\] tables"),
        ("[[fault]\n", "is not TOML"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_file_is_named_with_table_and_key(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BenchError, match=said) as caught:
        load(tmp_path, text)
    assert str(tmp_path / "faults.toml") in str(caught.value)


def test_a_virtual_bench_that_is_started_with_faults_has_them(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text("[[fault]]\nwhat = 'garbage'\ninstrument = 'analyser'\nline = 'IDN'\nafter = 1\ntext = 'no'\n")
    with launch(None, faults=path) as virtual:
        port = int(virtual.analyser.split("::")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=5.0) as connection:
            said = connection.makefile()
            answers = []
            for _ in range(3):
                connection.sendall(b"*IDN?\r\n")
                answers.append(said.readline().strip()[:7])
    assert answers == ["Agilent", "no", "Agilent"]
    path.write_text("[[fault]]\nwhat = 'opens'\ndevice = 'Z1'\npulse = 1\n")
    with pytest.raises(BusUnavailable, match="'Z1' is not a device of the bench"):
        launch(None, faults=path)

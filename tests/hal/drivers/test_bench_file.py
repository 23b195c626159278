"""Bench files: the ones that ship load, and every mistake is named with file, table and key."""

# ruff: noqa: E501  (one row a mistake: what was right, what is wrong, what is said)
from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from rheostat_hal import bench
from rheostat_hal.errors import BenchError

EXAMPLES = sorted((Path(__file__).parents[3] / "deploy" / "benches").glob("*.toml"))
GOOD = resources.files("rheostat_hal").joinpath("embedded.toml").read_text("utf-8")


def test_the_embedded_bench_has_24_devices_on_six_cards() -> None:
    embedded = bench.load()
    assert embedded == bench.load("")
    names = [f"{card}{n}" for card in "ABCDEF" for n in range(1, 5)]
    assert [device.name for device in embedded.devices] == names
    assert dict(embedded.switch.cards) == dict.fromkeys(range(1, 7), "3730")
    assert len({channel for device in embedded.devices for _, channel in device.channels}) == 96
    assert embedded.virtual is not None
    assert embedded.limits.max_voltage == 7.0


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_load(path: Path) -> None:
    loaded = bench.load(path)
    assert len(loaded.devices) == {"smu": 24, "wgfmu": 14, "spgu": 4}[loaded.source]
    assert loaded.virtual is not None or loaded.analyser.resource == "GPIB0::17::INSTR"


def test_each_papers_rig_has_an_example_for_real_and_for_the_virtual_bench() -> None:
    assert {path.name for path in EXAMPLES} >= {
        f"{paper}-{kind}.toml" for paper in ("diao2025", "xhameni2025") for kind in ("rig", "virtual")
    }


def test_resources_of_a_virtual_bench_take_the_place_of_the_files() -> None:
    placed = bench.with_resources(bench.load(), "TCPIP0::127.0.0.1::1::SOCKET", None)
    assert placed.analyser.resource == "TCPIP0::127.0.0.1::1::SOCKET"
    assert placed.switch == bench.load().switch


def test_the_daemons_table_is_not_looked_at(tmp_path: Path) -> None:
    file = tmp_path / "bench.toml"
    file.write_text(GOOD + '\n[daemon]\nanything = ["goes"]\n')
    assert bench.load(file) == bench.load()


MISTAKES = {
    "an unknown key": ('chain = "external"', 'chian = "external"', r"\[switch\] chain: is missing; is it meant by 'chian'"),
    "an unknown extra key": ("max_energy_j = 2.0", "max_energy_j = 2.0\nmax_power_w = 1", r"\[limits\] max_power_w: is not"),
    "an unknown key near another": ("[limits]", "[limits]\nhost_time = true", r"\[limits\] host_time: .* mean 'host_timed'"),
    "an unknown table": ("[virtual]", "[extra]\na = 1\n[virtual]", r"toml: extra: is not a known key"),
    "a channel used twice": ('T1 = "1105"', 'T1 = "1101"', r"\[devices A2.channels\] T1: channel 1101 is used twice, also by A1 T1"),
    "a column outside the card": ('T4 = "6416"', 'T4 = "6417"', r"F4.channels\] T4: channel 6417: a 3730 has columns 1 to 16"),
    "a row of another terminal": ('T4 = "6416"', 'T4 = "6316"', r"row 3, but T4 is wired to row 4"),
    "two terminals on a column": ('T4 = "1404"', 'T4 = "1401"', r"A1.channels\] T4: channel 1401 is on the column of T1"),
    "a slot without a card": (', 6 = "3730"', "", r"channel 6101 is in slot 6, where \[switch\] has no card"),
    "not a channel": ('T1 = "1101"', 'T1 = "1A01"', r"'1A01' is not a matrix channel"),
    "no limits": ("[limits]", "[limit]", r"toml: limits: is missing; is it meant by 'limit'"),
    "a limit missing": ("compliance_a = 0.1\n", "", r"\[limits\] compliance_a: is missing"),
    "a negative limit": ("max_voltage_v = 7.0", "max_voltage_v = -7.0", r"max_voltage_v: must be a positive number, not -7"),
    "an infinite limit": ("max_energy_j = 2.0", "max_energy_j = inf", r"max_energy_j: must be a positive number, not inf"),
    "a limit that is text": ("max_energy_j = 2.0", 'max_energy_j = "2 J"', r"max_energy_j: must be a number, not '2 J'"),
    "a limit that is a flag": ("max_energy_j = 2.0", "max_energy_j = true", r"max_energy_j: must be a number, not True"),
    "beyond the interlock": ("max_voltage_v = 7.0", "max_voltage_v = 60.0", r"max_voltage_v: must be at most 42"),
    "reading above the limit": ("read_voltage_v = 0.1", "read_voltage_v = 8.0", r"read_voltage_v: 8 V is above max_voltage_v, 7 V"),
    "long pulses not allowed": ("max_width_s = 2.0", "max_width_s = 100.0", r"max_width_s: 100 s: .* need host_timed = true"),
    "no pulses": ("max_pulses_per_device = 100000", "max_pulses_per_device = 0", r"max_pulses_per_device: must be a whole number"),
    "a terminal without an SMU": ("T3 = 3, T4 = 4 }\n\n[switch]", "T3 = 3 }\n\n[switch]", r"\[analyser\] smus.T4: terminal T4"),
    "a terminal without a row": ("T3 = 3, T4 = 4 }\nchain", "T3 = 3 }\nchain", r"\[switch\] rows.T4: terminal T4 has no number"),
    "one SMU on two terminals": ("T3 = 3, T4 = 4 }\n\n", "T3 = 3, T4 = 3 }\n\n", r"\[analyser.smus\] T4: 3 is already that of T3"),
    "an unknown chain": ('chain = "external"', 'chain = "extrenal"', r"chain: 'extrenal' is not one of .* did you mean 'external'"),
    "an unknown converter": ('adc = "high-resolution"', 'adc = "fast"', r"\[analyser\] adc: 'fast' is not one of"),
    "an unknown card": ('1 = "3730"', '1 = "3721"', r"\[switch\] cards.1: '3721' is not a matrix card"),
    "an unknown slot": ('1 = "3730"', '7 = "3730"', r"\[switch\] cards.7: is not a slot"),
    "a range that is none": ("read_range_a = 1e-3", "read_range_a = 2e-3", r"read_range_a: 0.002 A is not a range"),
    "a range inside the window": ("read_range_a = 1e-3", "read_range_a = 1e-4", r"read_range_a: 0.0001 A cannot hold the 0.000135"),
    "too many averages": ("averaging = 11", "averaging = 500", r"averaging: must be a whole number from 1 to 127"),
    "two devices of one name": ('name = "A2"', 'name = "A1"', r"\[devices A1\] name: 'A1' is the name of two devices"),
    "a name nobody can type": ('name = "A2"', 'name = "A 2"', r"\[devices A 2\] name: 'A 2'"),
    "a kind without a window": ("[windows.tio2x-4t]", "[windows.tio2x]", r"kind: 'tio2x-4t' has no window.*did you mean 'tio2x'"),
    "a window upside down": ("lrs_ohm = 740.0", "lrs_ohm = 940.0", r"\[windows.tio2x-4t\] lrs_ohm: 940 ohm is not below"),
    "no resources without a virtual bench": ("[virtual]", "[daemon]", r"\[analyser\] resource: is missing"),
    "not TOML": ("[limits]", "[limits", r"toml: is not TOML: .*line"),
}  # fmt: skip


CROSSBAR = (EXAMPLES[0].parent / "xhameni2025-virtual.toml").read_text("utf-8")
CROSSBAR_MISTAKES = {
    "lines without a fast source": ("[wgfmu]", "[daemon]", r"toml: lines: two-terminal devices need a fast source"),
    "a fast source without lines": ("[lines]", "[daemon]", r"toml: wgfmu: writes two-terminal devices: there is no table \[lines\]"),
    "two fast sources": ("[lines]", "[spgu]\nchannel = 101\n[lines]", r"toml: spgu: a bench writes with \[wgfmu\] or with \[spgu\]"),
    "no channel for the column": ("column = 202, ", "", r"\[wgfmu\] channels.column: terminal column has no number"),
    "a channel that no module has": ("row = 201", "row = 203", r"\[wgfmu.channels\] row: 203 is not a channel: slot \* 100"),
    "one channel twice": ("column = 202", "column = 201", r"\[wgfmu.channels\] column: 201 is already that of row"),
    "a row without a source": (", others = 301", "", r"\[switch.rows\] others: is not a known key"),
    "a line on the column of another": ('R2 = "102"', 'R2 = "101"', r"\[lines\] R2: column 101 is used twice, also by R1"),
    "a line beyond the card": ('R2 = "102"', 'R2 = "117"', r"\[lines\] R2: channel 117: a 3730 has columns 1 to 16"),
    "a line that is no column": ('R2 = "102"', 'R2 = "1202"', r"\[lines\] R2: '1202' is not a column of a card"),
    "a line that is not there": ('row = "R1"', 'row = "R9"', r"devices X11\] row: 'R9' is not one of 'R1'"),
    "a device on one line": ('column = "C1"', 'column = "R1"', r"devices X11\] column: 'R1' is its row, too"),
    "two devices at a crossing": ('column = "C2"', 'column = "C1"', r"devices X12\] column: another device lies where R1 and C1 cross"),
    "a range inside the window": ("read_range_a = 1e-3", "read_range_a = 1e-4", r"\[wgfmu\] read_range_a: 0.0001 A cannot hold"),
    "a range that a WGFMU lacks": ("write_range_a = 1e-2", "write_range_a = 1e-1", r"write_range_a: 0.1 A is not a range .*1e-06 to 0.01"),
    "a time between two steps": ("edge_s = 30e-9", "edge_s = 35e-9", r"\[wgfmu\] edge_s: 3.5e-08 s is not in steps of 10 ns"),
    "a gap shorter than its edges": ("gap_s = 20e-6", "gap_s = 50e-9", r"\[wgfmu\] gap_s: 5e-08 s is too short for edges of 3e-08 s"),
    "SMUs beside a WGFMU": ("[analyser]", "[analyser]\naveraging = 2", r"\[analyser\] averaging: is not a known key"),
    "a spread that is none": ("spread = 0.03", "spread = -0.1", r"\[virtual\] spread: must be a positive number"),
}  # fmt: skip


def test_devices_that_share_lines_need_a_source_that_holds_the_others(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(CROSSBAR.replace(", others = 301", "").replace(", others = 3 ", " "))
    with pytest.raises(BenchError, match=r"\[devices X11\] row: shares its lines with other devices"):
        bench.load(file)


def test_only_the_lines_of_its_own_crossbar_are_held_while_a_device_is_routed() -> None:
    devices = {
        device.name: dict(device.channels)
        for device in bench.load(EXAMPLES[0].parent / "xhameni2025-virtual.toml").devices
    }
    assert devices["S1"] == {"row": "1107", "column": "1208"}
    assert devices["X12"] == {
        "row": "1101", "column": "1205",
        "others R2": "1302", "others R3": "1303", "others C1": "1304", "others C3": "1306",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("right", "mistake"),
    [
        pytest.param(text, mistake, id=name)
        for text, mistakes in ((GOOD, MISTAKES), (CROSSBAR, CROSSBAR_MISTAKES))
        for name, mistake in mistakes.items()
    ],
)
def test_a_mistake_is_named_with_file_table_and_key(right: str, mistake: tuple[str, str, str], tmp_path: Path) -> None:
    good, bad, said = mistake
    assert good in right
    file = tmp_path / "mine.toml"
    file.write_text(right.replace(good, bad, 1))
    with pytest.raises(BenchError, match=said) as caught:
        bench.load(file)
    assert str(file) in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"nowhere\.toml: cannot be read"):
        bench.load(tmp_path / "nowhere.toml")

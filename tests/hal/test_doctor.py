"""The doctor on virtual benches: healthy ones, and ones that are not as the bench file says."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rheostat_hal import bench
from rheostat_hal.bench import Bench
from rheostat_hal.bus_replay import steps
from rheostat_hal.doctor import Check, Doctor
from rheostat_hal.doctor.check import tried
from rheostat_hal.errors import BusAborted, BusUnavailable
from rheostat_hal.values import DeviceAddress
from rheostat_hal.virtual.parts import VirtualInstruments
from tests.hal.virtual.spgu_bench import crossbar

BENCH = bench.load(None)
XHAMENI = Path(__file__).parents[2] / "deploy" / "benches" / "xhameni2025-virtual.toml"
CROSSBAR = bench.load(XHAMENI)
SOME = ("A1", "B2", "F4")
NOWHERE = "TCPIP0::127.0.0.1::9::SOCKET"
# every voltage that can be told to an output, and where it stands among the numbers of its command
VOLTAGES = {"DV": (2,), "DI": (3,), "TDV": (2,), "PV": (2, 3), "MCPNX": (4, 5), "MCPWS": (), "WV": (3, 4)}
HARMLESS = {"ERRX?", "UNT?", "*IDN?", "*RST", "*LRN?", "*CAL?", "CL", "CN", "DZ", "FMT", "AAD", "AIT", "CMM", "RI"}
HARMLESS |= {"MM", "TV", "TI"}

Examine = Callable[..., dict[str, Check]]


def having(chosen: Bench, **changes: Any) -> Bench:
    """The bench with other values: `switch__chain="backplane"`."""
    for key, value in changes.items():
        part, _, name = key.partition("__")
        inner = getattr(chosen, part)
        chosen = dataclasses.replace(chosen, **{part: dataclasses.replace(inner, **{name: value}) if name else value})
    return chosen


def wired(chosen: Bench, device: str, **channels: str) -> Bench:
    """The bench with other channels for terminals of one device."""

    def rewired(each: DeviceAddress) -> DeviceAddress:
        return dataclasses.replace(each, channels=tuple((t, channels.get(t, c)) for t, c in each.channels))

    devices = tuple(rewired(each) if each.name == device else each for each in chosen.devices)
    return dataclasses.replace(chosen, devices=devices)


@pytest.fixture
def examine() -> Iterator[Examine]:
    """examine(file, real=..., names=..., record=...): what the doctor finds when `file` says what the bench is, and
    `real` is what it is; by name, the last of each."""
    running: list[VirtualInstruments] = []

    def look(
        file: Bench = BENCH,
        *,
        real: Bench | VirtualInstruments | None = None,
        names: Iterable[str] = SOME,
        record: Callable[[str], None] | None = None,
        **options: Any,
    ) -> dict[str, Check]:
        instruments = real if isinstance(real, VirtualInstruments) else VirtualInstruments(real or file, **options)
        running.append(instruments)
        placed = bench.with_resources(file, **instruments.resources)
        if file.switch.resource == NOWHERE:
            placed = having(placed, switch__resource=NOWHERE)
        devices = [device for device in placed.devices if device.name in names]
        found = {check.name: check for check in Doctor(placed, record).examine(devices)}
        assert not instruments.world.wiring.closed
        assert not any(smu.on for smu in instruments.analyser.smus.values())
        assert instruments.world.hot_switchings == 0
        return found

    yield look
    for instruments in running:
        instruments.close()


def wrong(found: dict[str, Check]) -> set[str]:
    return {name for name, check in found.items() if check.status != "ok"}


@pytest.mark.parametrize("chain", ["external", "backplane"])
def test_a_healthy_bench_is_all_right(examine: Examine, chain: str) -> None:
    found = examine(having(BENCH, switch__chain=chain), names=[device.name for device in BENCH.devices])
    assert not wrong(found), found
    assert list(found) == [
        *(
            "limits",
            "analyser",
            "switch",
            "source",
            "analyser identity",
            "modules",
            "switch identity",
            "cards",
            "safe state",
        ),
        *("self-test", "relays", "chain", *(f"device {device.name}" for device in BENCH.devices), "read noise"),
    ]
    assert found["chain"].text.startswith(chain)
    assert "F1 in slot 6" in found["chain"].text


def test_contacts_closures_and_noise_are_those_of_the_wiring(examine: Examine) -> None:
    found = examine()
    for name in SOME:
        values = found[f"device {name}"].values
        assert values["resistance_ohm"] == pytest.approx(820, rel=0.1)
        assert all(0.3 < ohm < 0.7 for ohm in values["contact_ohm"].values())  # 0.5 ohm, 0.05 from relay to relay
        assert 0.03 < values["closure_ohm"] < 1.0
        assert 0.01 < values["noise_ohm"] < 0.04
        assert values["between_ohm"]["T1-T3"] == pytest.approx(values["resistance_ohm"], rel=0.01)
    assert found["read noise"].values["noise_ohm"] == pytest.approx(0.02, rel=0.3)


def test_nothing_ever_goes_above_the_read_voltage(examine: Examine) -> None:
    said: list[str] = []
    examine(record=said.append)
    most = 0.0
    for name, step in steps("\n".join(said)):
        if name != "analyser" or not step.startswith("> "):
            continue
        for sentence in step[2:].split(";"):
            command, *numbers = re.split(r"[ ,]", sentence)
            if command in VOLTAGES:
                most = max([most, *(abs(float(numbers[place])) for place in VOLTAGES[command] if place < len(numbers))])
            else:
                assert command in HARMLESS, sentence
    assert most == BENCH.limits.read_voltage


@pytest.mark.parametrize("file", [BENCH, CROSSBAR], ids=["four-terminal", "crossbar"])
def test_no_source_ever_puts_out_more_than_the_read_voltage(examine: Examine, file: Bench) -> None:
    """As the physics behind the instruments sees it: WGFMU channels are told through a library, not on the bus."""
    instruments = VirtualInstruments(file)
    volts: list[float] = []
    drive, play = instruments.world.drive, instruments.world.play

    def driven(source: int, on: bool, current_mode: bool, value: float, compliance: float) -> None:
        volts.append(abs(compliance if current_mode else value) if on else 0.0)
        drive(source, on, current_mode, value, compliance)

    def played(sources: list[int], levels: Any, widths: Any) -> Any:
        volts.append(float(abs(levels).max()))
        return play(sources, levels, widths)

    instruments.world.drive, instruments.world.play = driven, played  # type: ignore[method-assign]
    assert not wrong(examine(file, real=instruments, names=(*SOME, "X11", "S1")))
    assert max(volts) == pytest.approx(file.limits.read_voltage)


def test_a_healthy_crossbar_is_all_right(examine: Examine) -> None:
    found = examine(CROSSBAR, names=[device.name for device in CROSSBAR.devices])
    assert not wrong(found), found
    for device in CROSSBAR.devices:
        values = found[f"device {device.name}"].values
        assert 300 < values["resistance_ohm"] < 500
        assert set(values["contact_ohm"]) == {"row", "column"}
        assert all(0.3 < ohm < 0.7 for ohm in values["contact_ohm"].values())


def test_contacts_of_a_crossbar_with_a_pulse_generator_are_measured_by_its_smus(
    examine: Examine, tmp_path: Path
) -> None:
    found = examine(having(crossbar(tmp_path), windows=(("x", bench.Window(100.0, 200.0)),)), names=("D1", "D2"))
    assert not wrong(found), found
    assert found["source"].text == "B1525A, read by SMUs"
    for name in ("D1", "D2"):
        assert all(0.3 < ohm < 0.7 for ohm in found[f"device {name}"].values["contact_ohm"].values())


def test_lines_of_a_crossbar_that_were_exchanged_read_open(examine: Examine, tmp_path: Path) -> None:
    """Of single devices: within a crossbar every row meets every column."""
    real = tmp_path / "bench.toml"
    text = XHAMENI.read_text().replace('P1 = "107"', 'P1 = "@"').replace('P2 = "109"', 'P2 = "107"').replace("@", "109")
    real.write_text(text)
    found = examine(CROSSBAR, real=bench.load(real), names=("X11", "S1", "S2", "S3"))
    assert wrong(found) == {"device S1", "device S2"}
    assert found["device S1"].text == "reads open"


def test_a_device_that_was_exchanged_for_another_at_one_terminal_is_open_there(examine: Examine) -> None:
    real = wired(wired(BENCH, "A1", T2="1206"), "A2", T2="1202")
    found = examine(real=real, names=("A1", "B2"))
    assert wrong(found) == {"device A1"}
    assert "T2 is open" in found["device A1"].text
    assert found["device A1"].status == "fail"


def test_a_read_terminal_that_is_not_wired_reads_open(examine: Examine) -> None:
    real = wired(wired(BENCH, "A1", T3="1307"), "A2", T3="1303")
    found = examine(real=real, names=("A1", "B2"))
    assert wrong(found) == {"device A1"}
    assert found["device A1"].text.startswith("reads open; T3 is open")


def test_a_relay_that_does_not_close_is_named_and_the_others_are_looked_at(examine: Examine) -> None:
    instruments = VirtualInstruments(BENCH)
    operate = instruments.world.operate
    instruments.world.operate = lambda opening, closing: operate(opening, [c for c in closing if c != "1202"])  # type: ignore[method-assign]
    found = examine(real=instruments)
    assert wrong(found) == {"relays"}
    assert "A1" in found["relays"].text
    assert "1202" in found["relays"].text
    assert set(found) >= {"device B2", "device F4"}
    assert "device A1" not in found


def test_a_relay_that_closes_and_does_not_conduct_is_no_contact(examine: Examine) -> None:
    instruments = VirtualInstruments(BENCH)
    close = instruments.world.wiring.close

    def worn(channels: Iterable[str]) -> None:
        close(channels)
        if instruments.world.wiring.is_closed("1202"):
            instruments.world.wiring._closed["1202"] = 1e9

    instruments.world.wiring.close = worn  # type: ignore[method-assign]
    found = examine(real=instruments)
    assert wrong(found) == {"device A1"}
    assert "T2 is open" in found["device A1"].text
    assert "no contact from the source to T2" in found["device A1"].text


def test_a_worn_contact_is_a_warning(examine: Examine) -> None:
    instruments = VirtualInstruments(BENCH)
    instruments.world.wiring._own["1202"] = 6.0
    found = examine(real=instruments)
    assert wrong(found) == {"device A1"}
    assert found["device A1"].status == "warn"
    assert "high contact resistance at T2" in found["device A1"].text


def test_other_cards_than_the_files_fail_before_a_relay_moves(examine: Examine) -> None:
    five = tuple(card for card in BENCH.switch.cards if card[0] != 6)
    real = having(BENCH, switch__cards=five, devices=tuple(d for d in BENCH.devices if d.name[0] != "F"))
    found = examine(real=real)
    assert wrong(found) == {"cards"}
    assert found["cards"].text == "switch: 0 slot 6 holds no card, the bench says 3730"
    assert list(found)[-1] == "cards"


def test_smus_in_other_slots_fail(examine: Examine) -> None:
    real = having(BENCH, analyser__smus=(("T1", 2), ("T2", 3), ("T3", 4), ("T4", 5)))
    found = examine(real=real, modules=("0", "B1517A", "B1517A", "B1517A", "B1517A"))
    assert wrong(found) == {"modules"}
    assert "T1" in found["modules"].text
    assert "slot 1" in found["modules"].text


def test_exchanged_resources_fail_at_both_identities(examine: Examine) -> None:
    instruments = VirtualInstruments(BENCH)
    placed = bench.with_resources(BENCH, instruments.tsp.resource, instruments.flex.resource)
    quick = having(placed, analyser__timeout=0.2, switch__timeout=0.2)
    found = {check.name: check for check in Doctor(quick).examine(BENCH.devices)}
    assert not instruments.world.clock.now  # nothing was told to what is another instrument
    instruments.close()
    assert wrong(found) >= {"analyser identity", "switch identity"}
    assert "is not a B1500A" in found["analyser identity"].text


def test_an_absent_instrument_is_named_and_the_other_is_reached(examine: Examine) -> None:
    found = examine(having(BENCH, switch__resource=NOWHERE))
    assert wrong(found) == {"switch"}
    assert NOWHERE in found["switch"].text
    assert found["switch"].error == "bus.unavailable"
    assert found["analyser"].status == "ok"


def test_rows_that_are_joined_over_the_backplane_and_not_outside_are_proven(examine: Examine) -> None:
    found = examine(real=having(BENCH, switch__chain="backplane"))
    assert found["chain"].status == "fail"
    assert found["chain"].text == (
        "the file says external, but B2 in slot 2, F4 in slot 6 seen only over the backplane"
    )
    assert found["device A1"].status == "ok"
    assert found["device F4"].text.startswith("reads open")


def test_rows_that_are_joined_outside_and_not_over_the_backplane_are_proven(examine: Examine) -> None:
    found = examine(having(BENCH, switch__chain="backplane"), real=BENCH)
    assert wrong(found) == {"chain"}
    assert found["chain"].text.endswith("F4 in slot 6 seen without: rows are joined outside")


def test_backplane_relays_behind_an_open_interlock_are_told(examine: Examine) -> None:
    file = having(BENCH, switch__chain="backplane")
    instruments = VirtualInstruments(file)
    instruments.multiplexer.switch.interlocks[6] = False
    found = examine(file, real=instruments)
    assert found["relays"].status == "fail"
    assert "is the interlock of the card closed?" in found["relays"].text
    assert {"device A1", "device B2"} <= set(found)


def test_one_card_has_nothing_to_prove(examine: Examine) -> None:
    one = tuple(device for device in BENCH.devices if device.name[0] == "A")
    found = examine(having(BENCH, switch__cards=((1, "3730"),), devices=one))
    assert found["chain"].text == "one card: nothing to prove"
    assert not wrong(found)


def test_devices_of_the_first_card_prove_nothing_of_the_chain(examine: Examine) -> None:
    found = examine(names=("A1",))
    assert found["chain"].status == "warn"
    assert "not proven" in found["chain"].text


def test_a_device_of_another_kind_is_a_warning(examine: Examine) -> None:
    windows = (("tio2x-4t", bench.Window(10e3, 50e3)),)
    found = examine(having(BENCH, windows=windows), real=BENCH, names=("A1",))
    assert found["device A1"].status == "warn"
    assert "far outside the window of tio2x-4t, 10000 to 50000 ohm" in found["device A1"].text


def test_an_error_that_waits_in_a_queue_is_a_warning(examine: Examine) -> None:
    instruments = VirtualInstruments(BENCH)
    instruments.multiplexer.errors.add(-285, "TSP Syntax error")
    found = examine(real=instruments, names=("A1", "B2"))
    assert wrong(found) == {"switch identity"}
    assert "old errors: -285 TSP Syntax error" in found["switch identity"].text


def test_a_self_test_that_fails_names_the_slots(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    from rheostat_hal.virtual.flex.analyser import COMMANDS, CommandEntry

    monkeypatch.setitem(COMMANDS, "*CAL?", CommandEntry(lambda unit, _: unit.reply(str(2 + 1024)), 0, 1))
    found = examine()
    assert wrong(found) == {"self-test"}
    assert found["self-test"].text == "*CAL? has failed for the mainframe, slot 2"


@pytest.mark.parametrize("stop_after", ["limits", "switch", "safe state", "relays", "chain", "device A1"])
def test_an_abort_at_any_check_leaves_the_bench_safe(stop_after: str) -> None:
    instruments = VirtualInstruments(BENCH)
    doctor = Doctor(bench.with_resources(BENCH, instruments.flex.resource, instruments.tsp.resource))
    seen = []
    with pytest.raises(BusAborted):  # noqa: PT012
        for check in doctor.examine(BENCH.devices):
            seen.append(check.name)
            if check.name == stop_after:
                doctor.abort()
    assert seen[-1] == stop_after
    assert not instruments.world.wiring.closed
    assert not any(smu.on for smu in instruments.analyser.smus.values())
    instruments.close()


def test_whoever_stops_listening_leaves_the_bench_safe(examine: Examine) -> None:
    instruments = VirtualInstruments(BENCH)
    doctor = Doctor(bench.with_resources(BENCH, instruments.flex.resource, instruments.tsp.resource))
    checks = doctor.examine(BENCH.devices)
    for check in checks:
        if check.name == "device A1":
            break
    checks.close()
    assert not instruments.world.wiring.closed
    assert not any(smu.on for smu in instruments.analyser.smus.values())
    instruments.close()


def test_a_failure_that_a_library_explains_in_several_lines_takes_one() -> None:
    def look() -> str:
        raise BusUnavailable("GPIB0::17::INSTR: cannot be opened: install a driver\nNo module named 'gpib'")

    check = tried("analyser", look)
    assert (check.status, check.error) == ("fail", "bus.unavailable")
    assert check.text == "GPIB0::17::INSTR: cannot be opened: install a driver No module named 'gpib'"

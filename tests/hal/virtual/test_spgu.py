"""The virtual B1525A: its language, and what its pulses do at a device."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from rheostat_hal.virtual.flex.spgu import Pulses
from rheostat_hal.virtual.parts import VirtualInstruments
from tests.hal.virtual.conftest import Line, current
from tests.hal.virtual.spgu_bench import COLUMN, D1, PULSER, ROW, crossbar

NO_ERROR = '+0,"No Error."'
Held = Callable[[], list[tuple[float, float]]]
WIRED = f"ERMOD 1;ERSSP 0,2;CN {PULSER},{ROW},{COLUMN};DV {COLUMN},20,0,0.1"


@pytest.fixture(scope="module")
def instruments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualInstruments]:
    made = VirtualInstruments(crossbar(tmp_path_factory.mktemp("bench")))
    yield made
    made.close()


@pytest.fixture
def flex(instruments: VirtualInstruments) -> Iterator[Line]:
    """A connection to the instrument as after a reset, with no device connected."""
    line = Line(instruments.flex.port, "\r\n")
    line.ask("*RST;ERR?")
    instruments.world.operate(instruments.world.wiring.closed, ())
    yield line
    line.close()


@pytest.fixture
def device(flex: Line, instruments: VirtualInstruments) -> float:
    """The first device is connected, its row to the SPGU; its resistance with the relays, ohm."""
    instruments.world.operate((), D1)
    assert flex.ask(f"{WIRED};FMT 1,0;AAD {COLUMN},1;AIT 1,1,50;ERRX?") == [NO_ERROR]
    resistance = flex.ask(f"ERSSP 0,1;DV {ROW},20,0.1,0.1;TI {COLUMN},-18;DV {ROW},20,0;ERSSP 0,2")[0]
    return 0.1 / abs(current(resistance))


@pytest.fixture
def held(instruments: VirtualInstruments, monkeypatch: pytest.MonkeyPatch) -> Held:
    """Gives (V across the first device, s) of all that it was held at since it was asked last."""
    steps: list[tuple[float, float]] = []
    monkeypatch.setattr(instruments.die, "across", (0.5, 0.5, -0.5, -0.5))

    def step(number: int, voltage: float, width: float) -> bool:
        if number == 0:
            steps.append((voltage, width))
        return False

    def taken() -> list[tuple[float, float]]:
        instruments.world.integrate()
        taken = steps.copy()
        steps.clear()
        return taken

    monkeypatch.setattr(instruments.die, "step", step)
    return taken


@pytest.mark.parametrize(
    ("setting", "query", "reply"),
    [
        ("SIM 1", "SIM?", "1"),
        ("SIM 0", "SIM?", "0"),
        ("SPRM 0", "SPRM?", "0,"),
        ("SPRM 1,1000", "SPRM?", "1,1000"),
        ("SPRM 2, 1.5", "SPRM?", "2,+1.5E+00"),
        ("SPPER 2.5E-7", "SPPER?", "+2.5E-07"),
        ("SPM 101,3", "SPM? 101", "3"),
        ("SPM 1,2", "SPM? 101", "2"),  # a slot stands for its first channel
        ("SPV 102,1,0.5,2", "SPV? 102,1", "+5.0E-01,+2.0E+00"),
        ("SPV 102,0,-1.5", "SPV? 102,0", "-1.5E+00,+0.0E+00"),
        ("SPT 101,1,0,2E-7,3E-8", "SPT? 101,1", "+0.0E+00,+2.0E-07,+3.0E-08,+3.0E-08"),
        ("SPT 101,2,1e-7,2E-7,3E-8,4e-8", "SPT? 101,2", "+1.0E-07,+2.0E-07,+3.0E-08,+4.0E-08"),
        ("SER 101,800", "SER? 101", "+8.0E+02"),
        ("STGP 101,1", "STGP? 101", "1"),
        ("ERMOD 1", "ERMOD?", "1"),
        ("ERMOD 1;ERSSP 0,2", "ERSSP? 0", "2"),
        ("CN 101", "*LRN? 0", "CN101"),
        ("CL", "*LRN? 1", "CL101;CL102"),
    ],
)
def test_a_setting_is_read_back(flex: Line, setting: str, query: str, reply: str) -> None:
    flex.send(setting)
    assert flex.ask(query) == [reply]
    assert flex.ask("ERRX?") == [NO_ERROR]


def test_settings_are_initially_those_of_the_manual(flex: Line) -> None:
    assert flex.ask("SIM?;SPRM?;SPM? 101;SER? 101;STGP? 101;ERMOD?", 6) == ["0", "0,", "1", "+5.0E+01", "0", "0"]
    assert flex.ask("SPT? 101,1") == ["+0.0E+00,+1.0E-07,+2.0E-08,+2.0E-08"]


def test_an_output_that_is_on_is_learnt_as_what_would_make_it_again(flex: Line) -> None:
    flex.send("CN 101;SER 101,800;SPV 101,1,0,1.5;SPT 101,1,0,2e-7,3e-8")
    learnt = flex.ask("*LRN? 1")[0]
    assert learnt.endswith(";CL102")
    flex.send(f"*RST;{learnt}")
    assert flex.ask("ERRX?") == [NO_ERROR]
    assert flex.ask("*LRN? 1") == [learnt]


@pytest.mark.parametrize(
    ("refused", "code"),
    [
        ("SPPER 1e-8", 120),
        ("SPPER 11", 120),
        ("SPRM 3", 120),
        ("SPRM 1,0", 120),
        ("SPRM 1,1000001", 120),
        ("SPRM 2,1e-7", 120),
        ("SPM 101,4", 120),
        ("SPV 101,3,0,1", 120),
        ("SPV 101,1,0,41", 120),
        ("SPT 101,0,0,1e-7,2e-8", 120),
        ("SPT 101,1,0,1e-9,2e-8", 120),
        ("SPT 101,1,0,1e-7,5e-9", 120),
        ("SER 101,0.05", 120),
        ("SER 101,2e6", 120),
        ("STGP 101,4", 120),
        ("SPM 103,1", 121),
        ("SPM 1101,1", 121),
        ("SPM 301,1", 153),  # an SMU
        ("DV 101,0,1", 153),  # as seen on an instrument whose slot 1 holds an SPGU
        ("SPV 101,1", 103),
        ("ERMOD 3", 120),
        ("ERSSP 0,1", 120),  # the digital I/O is not the selector's
        ("ERMOD 1;ERSSP 4,1", 120),
        ("ERMOD 1;ERSSP 0,4", 120),
        ("SIM 1;SPM 101,1", 120),  # pulses in the other mode
        ("SIM 1;SRP", 120),
        ("CORRSER? 101,1,0,1e-5,1", 200),
        ("RZ 101", 205),
    ],
)
def test_what_cannot_be_is_an_error(flex: Line, refused: str, code: int) -> None:
    flex.send(refused)
    assert flex.ask("ERRX? 1") == [f"+{code}"]


@pytest.mark.parametrize(
    "setup",
    [
        "SPPER 1e-6;SPT 101,1,0,1e-6,2e-8",  # the pulse and its edge are longer than the period
        "SPPER 1e-6;SPT 101,1,9.5e-7,1e-7,2e-8",
        "SPPER 1e-6;SPT 101,1,0,1e-7,9e-8",  # an edge longer than the pulse
        "SPV 101,1,0,21",  # 42 V of the source for 21 V at 50 ohm
        "SER 101,25;SPV 101,1,0,14",
    ],
)
def test_pulses_that_do_not_fit_are_refused_when_they_should_come_out(flex: Line, setup: str) -> None:
    for come_out in ("SPUPD 101", "SRP"):
        assert flex.ask(f"*RST;CN 101;{setup};ERRX? 1") == ["+0"]
        flex.send(come_out)
        assert flex.ask("ERRX? 1") == ["+120"]


def test_the_programmed_voltage_is_that_at_the_programmed_load(flex: Line, device: float) -> None:
    """The source has steps of 0.4 mV."""
    for told, arrives in ((device, 1.0), (50.0, 2.0 * device / (device + 50.0)), (1e6, device / (device + 50.0))):
        flex.send(f"SPM {PULSER},0;SPV {PULSER},0,1;SER {PULSER},{told};SPUPD {PULSER}")
        through = flex.ask(f"TI {COLUMN},-19")[0]
        assert abs(current(through)) * device == pytest.approx(arrives, abs=2e-3)


def test_the_load_is_measured(flex: Line, device: float) -> None:
    flex.send(f"SPPER 1e-3;SPT {PULSER},1,0,5e-4,1e-7;SPV {PULSER},1,0,1;SPUPD {PULSER}")
    ohm, volts = map(float, flex.ask(f"CORRSER? {PULSER},1,1e-5,1e-5,10")[0].split(","))
    assert ohm == pytest.approx(device, rel=5e-3)
    assert volts == pytest.approx(2.0 * device / (device + 50.0), rel=2e-3)
    assert float(flex.ask(f"SER? {PULSER}")[0]) == ohm


def pulse_line(count: int, extra: str = "") -> str:
    return (
        f"SPM {PULSER},1;SPRM 1,{count};SPPER 1e-6;SPT {PULSER},1,1e-7,3e-7,4e-8,8e-8;SPV {PULSER},1,0.1,0.9;{extra}"
        f"SPUPD {PULSER};SRP;PA 1e-3;ERRX?"
    )


def test_a_pulse_has_its_base_its_edges_and_its_peak(flex: Line, device: float, held: Held) -> None:
    at = device / (device + 50.0) * 2.0  # SER stays at 50 ohm
    assert flex.ask(pulse_line(1)) == [NO_ERROR]
    shape = [(volts / at, round(seconds * 1e9)) for volts, seconds in held() if seconds > 0.0]
    times = [seconds for _, seconds in shape]
    # delay; leading edge in four pieces, 50 ns in all (40 ns are 80 % of it); peak; trailing edge; base until now
    assert times[:10] in ([100, 12, 13, 13, 12, 250, 25, 25, 25, 25], [100, 12, 13, 12, 13, 250, 25, 25, 25, 25])
    assert [level for level, _ in shape[:11]] == pytest.approx(
        [0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.8, 0.6, 0.4, 0.2, 0.1],
        rel=0.02,
        abs=1e-3,  # the relays take a hundredth
    )


@pytest.mark.parametrize("count", [1, 7])
def test_as_many_pulses_come_out_as_are_counted(flex: Line, device: float, held: Held, count: int) -> None:
    flex.send(pulse_line(count))
    flex.receive()
    steps = held()
    peak = max(volts for volts, _ in steps)
    at_peak = [seconds for volts, seconds in steps if volts == peak]
    assert at_peak == pytest.approx([2.5e-7] * count)


def test_a_free_run_lasts_until_it_is_stopped_and_leaves_the_base(flex: Line, device: float, held: Held) -> None:
    flex.send(f"SPM {PULSER},1;SPPER 1e-3;SPT {PULSER},1,0,5e-4,1e-6;SPV {PULSER},1,0.1,0.5;SPUPD {PULSER};SRP")
    assert flex.ask("PA 0.05;SPST?") == ["1"]
    assert flex.ask("SPP;SPST?") == ["0"]
    pulses = sum(seconds for volts, seconds in held() if volts > 0.4)
    assert pulses == pytest.approx(50 * 5e-4, rel=0.02)
    flex.ask("PA 0.01;*OPC?")
    base = 0.1 * 2.0 * device / (device + 50.0)
    assert [volts for volts, seconds in held() if seconds > 5e-3] == [pytest.approx(base, rel=0.02)]


@pytest.mark.parametrize(
    ("ending", "running"), [("SPP", "0"), ("CL 101", "0"), ("DZ", "0"), ("SPRM 0", "0"), ("PA 0.1", "1")]
)
def test_what_ends_a_run_shows_in_its_status(flex: Line, ending: str, running: str) -> None:
    flex.send(f"CN {PULSER};SRP")
    assert flex.ask("SPST?") == ["1"]
    assert flex.ask(f"{ending};SPST?") == [running]


def test_a_run_of_a_duration_ends_by_itself(flex: Line) -> None:
    flex.send(f"CN {PULSER};SPRM 2,0.01;SRP")
    assert flex.ask("SPST?") == ["1"]
    assert flex.ask("PA 0.02;SPST?") == ["0"]


def test_zero_takes_the_output_to_0_v_and_restore_to_its_base(flex: Line, device: float) -> None:
    flex.send(f"SPM {PULSER},0;SPV {PULSER},0,0.5;SPUPD {PULSER}")
    on = abs(current(flex.ask(f"TI {COLUMN},-18")[0]))
    off = abs(current(flex.ask(f"DZ {PULSER};TI {COLUMN},-18")[0]))
    again = abs(current(flex.ask(f"RZ {PULSER};TI {COLUMN},-18")[0]))
    assert off < 1e-6 < on
    assert again == pytest.approx(on, rel=1e-3)


def test_three_levels_are_the_sum_of_two_sources(flex: Line, device: float, held: Held) -> None:
    flex.send(f"SPM {PULSER},3;SPRM 1,1;SPPER 1e-5;SER {PULSER},{device}")
    flex.send(f"SPV {PULSER},1,0,1;SPT {PULSER},1,1e-6,2e-6,1e-8;SPV {PULSER},2,0,-1;SPT {PULSER},2,4e-6,2e-6,1e-8")
    assert flex.ask(f"SPUPD {PULSER};SRP;PA 1e-3;ERRX?") == [NO_ERROR]
    levels = {round(volts, 1) for volts, seconds in held() if seconds > 1e-6}
    assert levels == {-1.0, 1.0}  # at 0 V nothing is stepped


@pytest.mark.parametrize(("state", "joined"), [(0, None), (1, ROW), (2, PULSER), (3, None)])
def test_the_selector_joins_the_row_to_one_of_the_two_or_to_none(
    flex: Line, instruments: VirtualInstruments, state: int, joined: int | None
) -> None:
    instruments.world.operate((), D1)
    flex.send(f"{WIRED};SPM {PULSER},0;SPV {PULSER},0,1;SPUPD {PULSER};DV {ROW},20,0.1,0.1;ERSSP 0,{state}")
    through = abs(current(flex.ask(f"TI {COLUMN},-19")[0]))
    low, high = {None: (0.0, 1e-5), ROW: (5e-4, 2e-3), PULSER: (5e-3, 2e-2)}[joined]
    assert low <= through <= high


def test_the_selector_is_open_after_a_reset_and_when_the_port_is_used_otherwise(
    flex: Line, instruments: VirtualInstruments
) -> None:
    for opening in ("*RST", "ERMOD 0"):
        flex.ask("ERMOD 1;ERSSP 0,1;*OPC?")
        assert instruments.world.wiring.is_joined(ROW)
        flex.ask(f"{opening};*OPC?")
        assert not instruments.world.wiring.is_joined(ROW)


def test_pulses_know_their_next_change_at_every_time() -> None:
    pulses = Pulses(1000, 1000 + 2 * 100, 100, ((0, 0.0), (20, 1.0), (60, 0.0)), 0.25)
    assert [pulses.at(time) for time in (0, 999, 1000, 1019, 1020, 1059, 1060, 1099, 1120, 1199, 1200, 9999)] == [
        *(0.25, 0.25, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.25, 0.25)
    ]
    time, changes = 0, []
    while (following := pulses.after(time)) is not None:
        time = following
        changes.append(time)
    assert changes == [1000, 1020, 1060, 1100, 1120, 1160, 1200]

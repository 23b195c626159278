"""What a programme remembers in its folder, and how the commands understand what they are told."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest

import rheostat
from rheostat.characterisation import bench, command, profile
from rheostat.characterisation.command import Live, plan_notes, plan_table, show
from rheostat.characterisation.programme import FILE, Planned, Programme, Progress
from rheostat.characterisation.record import Characterisation
from rheostat.characterisation.steps import steps
from rheostat.errors import InputError
from rheostat.wire import Job, JobState, Plan
from tests.client.characterisation import benches
from tests.client.conftest import stand_in  # noqa: F401

rich_console = pytest.importorskip("rich.console")
SMALL = profile.parse("others = 1\n[calibrate]\n[staircase]\ncycles = 3\n[staircase.others]\ncycles = 2\n", "small")


@pytest.fixture
def rig(stand_in):  # noqa: F811
    with rheostat.connect(stand_in().address) as connected:
        yield connected


def remembered(programme: Programme, folder) -> dict:
    programme._jobs["calibrate/0"] = ["j-1"]
    programme._remember()
    return json.loads((folder / FILE).read_text())


def test_a_programme_takes_the_devices_that_its_profile_needs(rig):
    programme = Programme(rig, SMALL)
    assert programme.devices == ("A1", "A2")
    assert programme.window == (740.0, 880.0)
    assert [step.name for step in programme.steps] == ["calibrate", "staircase", "staircase.others"]
    assert Programme(rig, SMALL, ["C1"]).devices == ("C1",)


def test_what_was_begun_is_known_to_the_next_one_in_the_same_folder(rig, tmp_path):
    told = remembered(Programme(rig, SMALL, out=tmp_path), tmp_path)
    assert told["jobs"] == {"calibrate/0": ["j-1"]}
    again = Programme(rig, SMALL, out=tmp_path)
    assert again.begun == 1
    assert again._begun == told["begun"]


def test_another_profile_other_devices_or_the_short_form_are_not_mixed_into_a_folder(rig, tmp_path):
    remembered(Programme(rig, SMALL, out=tmp_path), tmp_path)
    for other in (
        {"profile": profile.parse(SMALL.text.replace("cycles = 3", "cycles = 4"), "small")},
        {"profile": SMALL, "devices": ["A1", "B1"]},
        {"profile": profile.shortened(SMALL)},
    ):
        with pytest.raises(InputError, match="holds another programme"):
            Programme(rig, out=tmp_path, **other)


def test_a_broken_record_of_jobs_is_refused(rig, tmp_path):
    (tmp_path / FILE).write_text("{")
    with pytest.raises(InputError, match="is not a programme that rheostat has written"):
        Programme(rig, SMALL, out=tmp_path)


class Checked(Programme):
    """Whose jobs have been measured already."""

    def _measured(self, step, follow):
        self.asked = [*getattr(self, "asked", []), (step.key, step.devices, step.options["pulses"])]
        return self.given.pop(0)


@pytest.mark.parametrize("second", [1, 0])
def test_a_table_that_seems_not_to_fit_a_device_is_checked_again_before_it_is_told(rig, second: int):
    programme = Checked(rig, profile.parse("[check_table]\npulses = 20\n[check_table.others]\n", "check"), ["A1", "A2"])
    first, again = benches.check(("A1", "A2")), benches.check(("A2",), 0.7)
    first.arrays["fits"][1] = 0
    again.arrays["fits"][0] = second
    programme.given = [first, again]
    done = programme.run()
    assert programme.asked == [("check_table/0", ("A1", "A2"), 20), ("check_table/1", ("A2",), 40)]
    assert done.results["check_table"] == (first, again)
    assert [(check.device, check.gain[0]) for check in done.checks] == [("A1", 1.01), ("A2", 0.7)]
    told = "A2, check table: the feedforward table does not fit it: it travels 0.70 and 0.70 of what that predicts."
    assert done.missing == (() if second else (told,))


def test_a_plan_adds_up_and_says_what_is_not_known():
    calibrate, staircase, others = steps(SMALL, ("A1", "A2"))
    planned = (
        Planned(calibrate, Plan(total=2, pulses=3000, rig_time=2550.0, energy=600.0, risks=("an upper bound",))),
        Planned(staircase, staircase.guessed(), "estimated"),
        Planned(others, None, "not served"),
    )
    console = rich_console.Console(width=150, record=True, file=io.StringIO())
    console.print(plan_table(planned))
    text = " ".join(console.export_text().split())
    assert "calibrate A1, A2 3,000 42 min 30 s 600 J" in text
    assert "in all that is known 6,300 1 h 29 min 600 J" in text
    assert "staircase, others A2 ? ? ?" in text
    assert plan_notes(planned) == [
        "calibrate: an upper bound.",
        "staircase: estimated.",
        "staircase, others: not served.",
    ]


def test_progress_is_shown_of_the_step_and_of_all():
    first, second, _ = steps(SMALL, ("A1", "A2"))
    console = rich_console.Console(width=160, force_terminal=False)
    plan = Plan(total=2, pulses=100, rig_time=85.0, energy=None)
    with Live(console) as live:
        live.update(Progress(first, 1, 3, None, plan, 0.0, 185.0))
        job = Job(job_id="j", kind="calibrate", state=JobState.RUNNING, total=2, done=1, pulses=50, rig_time=42.5)
        live.update(Progress(first, 1, 3, job, plan, 0.0, 185.0))
        assert [task.description for task in live._bars.tasks] == ["programme", "calibrate"]
        assert "running, 50 pulses, rig time 42.5 s" in live._bars.tasks[1].fields["detail"]
        assert "step 1 of 3, rig time left 2 min 22 s, about" in live._bars.tasks[0].fields["detail"]
        live.update(Progress(second, 2, 3, None, plan, 85.0, 185.0))
        assert [task.description for task in live._bars.tasks] == ["programme", "staircase"]


def test_a_terminal_shows_the_printed_figures_and_counts_the_others(two_terminal: Characterisation):
    console = rich_console.Console(width=100, record=True, file=io.StringIO())
    show(console, two_terminal)
    text = console.export_text()
    assert "device to device" not in text
    others = len(two_terminal.figures) - len(two_terminal.profile.paper)
    assert f"{others} more figures of merit are in the report." in text
    assert "simulated devices" in text
    console = rich_console.Console(width=100, record=True, file=io.StringIO())
    own = replace(two_terminal, profile=replace(two_terminal.profile, paper={}))
    show(console, own)
    assert "device to device" in console.export_text()


def test_numbers_are_not_broken_in_a_narrow_terminal(four_terminal: Characterisation):
    console = rich_console.Console(width=80, record=True, file=io.StringIO())
    show(console, four_terminal)
    text = console.export_text()
    for figure in four_terminal.figures:
        if figure.printed_shown:
            assert figure.shown in text
            assert figure.printed_shown in text


@pytest.mark.parametrize(
    ("run", "words", "said"),
    [
        (command.characterise, ["--profil", "diao2025"], "did you mean '--profile'?"),
        (command.compare, ["a", "b", "--outt=x.html"], "did you mean '--out'?"),
    ],
)
def test_a_misspelled_option_is_told_with_the_nearest_one(run, words: list[str], said: str, capsys):
    with pytest.raises(SystemExit, match="2"):
        run(words)
    assert said in capsys.readouterr().err


def test_the_standard_virtual_bench_of_a_profile_is_found_beside_the_source(tmp_path, monkeypatch):
    for name in profile.known():
        assert bench.of(None, profile.load(name).bench).is_file()
    with pytest.raises(InputError, match="this profile names no virtual bench"):
        bench.of(None, "")
    with pytest.raises(InputError, match=r"there is no other\.toml in .*: name it with --bench"):
        bench.of(None, "other.toml")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.toml").write_text("")
    assert bench.of(None, "other.toml") == tmp_path / "other.toml"
    assert bench.of(None, None) is None

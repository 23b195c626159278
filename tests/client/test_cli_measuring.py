"""The measuring commands, as processes of their own."""

from __future__ import annotations

import json
import threading
import time

import numpy as np
import pytest

from rheostat import export, units, wire
from rheostat.cli import follow, given, show
from rheostat.errors import InputError
from tests.client.synthetic import result_of
from tests.client.test_cli import rheostat

COMMANDS = {
    "iv-loops": ["A1", "--amplitude", "3", "--steps", "2", "--loops", "2", "--dwell", "4", "--width", "1"],
    "identical-pulses": ["A1,B2", "--voltages", "0.5,2", "--pulses", "6", "--repetitions", "2", "--width", "0.8"],
    "staircase": ["A1", "--cycles", "3", "--table", "t-1", "--max-pulses", "900"],
    "retention": ["A1", "B2", "--times", "10,1min,1.5h,2d", "--readings", "8"],
    "check-table": ["A1", "--pulses", "8", "--table", "t-1"],
}
SPECS = {
    "iv-loops": wire.IvLoops(
        devices=("A1",), voltages=(0.0, 1.5, 3.0, 1.5, 0.0, -1.5, -3.0, -1.5), loops=2, dwell=4.0, width=1.0
    ),
    "identical-pulses": wire.IdenticalPulses(
        devices=("A1", "B2"), voltages=(0.5, 2.0), pulses=6, repetitions=2, width=0.8
    ),
    "staircase": wire.Staircase(devices=("A1",), cycles=3, table="t-1", max_pulses=900),
    "retention": wire.Retention(devices=("A1", "B2"), times=(0.0, 10.0, 60.0, 5400.0, 172800.0), readings=8),
    "check-table": wire.CheckTable(devices=("A1",), pulses=8, table="t-1"),
}


@pytest.mark.parametrize("name", list(COMMANDS))
def test_a_measuring_job_is_planned_sent_shown_and_saved(stand_in, tmp_path, name: str) -> None:
    daemon = stand_in()
    planned = rheostat(name, *COMMANDS[name], "--dry-run", address=daemon.address)
    assert planned.returncode == 0, planned.stderr
    counted = show.counted(name.replace("-", "_"))
    assert planned.stdout.split()[:2] == [counted, "7"]
    assert daemon.jobs == {}
    said = rheostat(name, *COMMANDS[name], "--out", "run.h5", "--label", "mine", address=daemon.address, cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    ((submitted, _, _),) = daemon.jobs.values()
    assert (submitted.spec, submitted.label) == (SPECS[name], "mine")
    kept = export.load(tmp_path / "run.h5")
    assert kept.headline() in said.stdout
    as_json = rheostat("export", "last", "--out", "run.csv", "--json", address=daemon.address, cwd=tmp_path)
    assert json.loads(as_json.stdout)["file"] == "run.csv"


def test_train_initialise_and_read_have_a_plan_as_well(stand_in) -> None:
    daemon = stand_in()
    for arguments in (
        ["train", "A1", "--voltages", "0.7,-0.7", "--widths", "2e-7"],
        ["initialise", "A1", "--state", "LRS"],
        ["read", "A1"],
    ):
        said = rheostat(*arguments, "--dry-run", "--json", address=daemon.address)
        assert said.returncode == 0, said.stderr
        assert json.loads(said.stdout)["rig_time_s"] == 8.0
    assert daemon.jobs == {}


def test_a_table_is_fitted_to_the_trains_of_an_earlier_job(stand_in) -> None:
    daemon = stand_in()
    rheostat("identical-pulses", "A1", address=daemon.address)
    (job_id,) = daemon.jobs
    said = rheostat("calibrate", "A1", "--trains", "last", address=daemon.address)
    assert said.returncode == 0, said.stderr
    assert list(daemon.jobs.values())[-1][0].spec == wire.Calibrate(device="A1", trains=job_id)
    wrong = rheostat("calibrate", "A1", "--trains", job_id, "--width", "0.5", address=daemon.address)
    assert (wrong.returncode, "width: with trains of an earlier job" in wrong.stderr) == (2, True)


def test_a_job_is_repeated_by_its_id_and_from_a_file(stand_in, tmp_path) -> None:
    daemon = stand_in()
    rheostat("staircase", "A1", "--cycles", "2", "--out", "run.npz", address=daemon.address, cwd=tmp_path)
    (first,) = daemon.jobs
    planned = rheostat("repeat", "last", "--dry-run", address=daemon.address)
    assert planned.stdout.startswith("sweeps"), planned.stderr
    again = rheostat("repeat", first[:12], "--unfinished", "--wait", address=daemon.address)
    assert (again.returncode, "2 cycles each" in again.stdout) == (0, True), again.stderr
    asked = [request for request in daemon.seen if isinstance(request, wire.Again)]
    assert [(request.of, request.unfinished, request.dry_run) for request in asked] == [
        (first, False, True),
        (first, True, False),
    ]
    saved = rheostat("repeat", "run.npz", address=daemon.address, cwd=tmp_path)
    assert saved.returncode == 0, saved.stderr
    assert list(daemon.jobs.values())[-1][0].spec == wire.Staircase(devices=("A1",), cycles=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["iv-loop", "A1"], "there is no command 'iv-loop' (see rheostat --help); did you mean 'iv-loops'?"),
        (["iv-loops", "A1", "--loop", "3"], "there is no option '--loop' here; did you mean '--loops'?"),
        (["staircase", "A1", "--cycle", "3"], "did you mean '--cycles'?"),
        (["identical-pulses", "A1", "--voltages", "1,high"], "--voltages: 'high' is no number"),
        (["retention", "A1", "--times", "10,1week"], "--times: '1week' is no time: write a number, perhaps with min"),
        (["retention", "A1", "--time", "10"], "did you mean '--times'?"),
        (["retention", "A1"], "the following arguments are required: --times"),
        (["repeat", "gone.h5"], "there is no file gone.h5"),
        (["repeat", "last", "--unfinishd"], "did you mean '--unfinished'?"),
        (["check-table"], "the following arguments are required: DEVICE"),
        (["staircase", "A1", "--out", "run.xlsx"], "the ending tells the format"),
    ],
)
def test_a_wrong_measuring_command_is_told_with_status_2(arguments: list[str], message: str) -> None:
    said = rheostat(*arguments)
    assert (said.returncode, message in said.stderr) == (2, True), said.stderr


def test_the_age_of_a_table_is_told(stand_in) -> None:
    daemon = stand_in()
    info = wire.TableInfo(
        version="t-1", device="A1", created=time.time() - 11530.0, width=0.8, window=(740.0, 880.0), gains={}
    )
    daemon.tables = (info,)
    assert "3 h 12 min old" in rheostat("tables", address=daemon.address).stdout
    (table,) = json.loads(rheostat("tables", "--json", address=daemon.address).stdout)
    assert table["age_s"] == pytest.approx(11530.0, abs=30.0)


def test_a_job_that_waits_says_when_it_goes_on(stand_in) -> None:
    due = time.time() + 3 * 86400.0
    daemon = stand_in(takes=60.0, due=due)
    rheostat("retention", "A1", "--times", "3d", address=daemon.address)
    said = rheostat("jobs", "--state", "waiting", address=daemon.address)
    assert f"goes on at {units.time_of_day(due)}" in said.stdout
    threading.Timer(2.0, lambda: setattr(daemon, "takes", 0.0)).start()
    watched = rheostat("watch", address=daemon.address)
    (job_id,) = daemon.jobs
    assert (watched.returncode, " done; " in watched.stdout) == (0, True), watched.stderr
    assert watched.stderr == f"job {job_id} goes on at {units.time_of_day(due)}\n"


def test_the_progress_of_a_job_counts_its_stages(monkeypatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with show.bar("job j1") as bar:
        details = []
        monkeypatch.setattr(bar._progress, "update", lambda task, **told: details.append(told))
        bar.update({"kind": "identical_pulses", "done": 3, "total": 300, "pulses": 12, "rig_time_s": 90.0})
        bar.show(wire.Job(job_id="j1", kind="retention", state=wire.JobState.WAITING, done=1, total=4, due=time.time()))
    assert details[0] == {"completed": 3, "total": 300, "detail": "trains, 12 pulses, rig time 1 min 30 s"}
    assert details[1]["detail"].startswith("readings, goes on at ")


def test_a_table_that_does_not_fit_ends_with_status_1() -> None:
    ours = result_of("check_table")
    assert follow.status_of(ours) == follow.OK
    ours.arrays["fits"] = np.array([1, 0], np.uint8)
    assert follow.status_of(ours) == follow.FAILED


def test_a_result_is_shown_at_a_glance(capsys) -> None:
    show.result(result_of("identical_pulses"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["device", "direction", "voltage_v", "trains", "range_ohm", "energy_j"]
    assert len(lines) == 1 + 2 * 2 * 3 + 1
    assert "24 of 24 trains whole" in lines[-1]


def test_times_have_units() -> None:
    assert given.times("10, 2min,1h,1d,5s") == [10.0, 120.0, 3600.0, 86400.0, 5.0]
    with pytest.raises(InputError, match="'10ms' is no time"):
        given.times("10ms")


def test_what_a_job_gave_is_one_json_object(stand_in) -> None:
    said = rheostat("check-table", "A1", "--wait", "--json", address=stand_in().address)
    told = json.loads(said.stdout)
    assert said.returncode == 0, said.stderr
    assert told["columns"]["fits"][0] == "yes"
    assert told["summary"]["state"] == "done"

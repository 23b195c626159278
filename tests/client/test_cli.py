"""The `rheostat` command as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

import numpy as np
import pytest

from rheostat import export, results, wire
from rheostat.cli import show

COMMAND = [sys.executable, "-m", "rheostat"]
NAMES = ["status", "devices", "tables", "jobs", "watch", "cancel", "pause", "resume", "export"]
NAMES += ["program", "read", "calibrate", "initialise", "train", "estop", "recover"]
NAMES += ["iv-loops", "identical-pulses", "check-table", "staircase", "retention", "repeat"]


def _environment(address: str = "127.0.0.1:1") -> dict[str, str]:
    return {**os.environ, "RHEOSTAT_ADDRESS": address, "RHEOSTAT_HOME": "/nowhere", "COLUMNS": "100"}


def rheostat(*arguments: str, address: str = "127.0.0.1:1", cwd: object = None) -> subprocess.CompletedProcess[str]:
    command: Sequence[str] = [*COMMAND, *arguments]
    return subprocess.run(
        command, env=_environment(address), capture_output=True, text=True, timeout=30, cwd=cwd, check=False
    )


def test_help_is_there_at_once_and_imports_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv = ['rheostat', '--help']\n"
        "from rheostat.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'zmq', 'msgspec', 'rich', 'torch', 'h5py'} & set(sys.modules)\n"
        "print('heavy:', heavy or 'nothing')"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    assert said.stdout.endswith("heavy: nothing\n")
    times = []
    for _ in range(5):
        before = time.monotonic()
        rheostat("--help")
        times.append(time.monotonic() - before)
    assert min(times) < 0.3


@pytest.mark.parametrize("name", NAMES)
def test_the_help_of_every_command_shows_an_example_that_it_understands(name: str) -> None:
    said = rheostat(name, "--help")
    assert said.returncode == 0
    examples = [line.strip() for line in said.stdout.split("example:")[1].splitlines() if line.strip()]
    assert examples
    for example in examples:
        program, *arguments = example.split()
        assert (program, arguments[0]) == ("rheostat", name)
        tried = rheostat(*arguments)
        assert tried.returncode in (2, 3), tried.stderr  # there is no daemon here
        assert "no daemon answers" in tried.stderr or "there is no file" in tried.stderr, tried.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["staus"], "there is no command 'staus' (see rheostat --help); did you mean 'status'?"),
        (["program", "800", "--devces", "A1"], "there is no option '--devces' here; did you mean '--devices'?"),
        (["status", "--jsn"], "there is no option '--jsn' here; did you mean '--json'?"),
        (["status", "A1"], "there is no argument 'A1' here"),
        (["--adress", "x", "status"], "did you mean '--address'?"),
        (["initialise", "A1", "--state", "up"], "invalid choice: 'UP'"),
        (["program"], "name targets, or a --file with them"),
        (["program", "800", "--file", "x.csv"], "not both"),
        (["program", "eight"], "targets: 'eight' is no number"),
        (["program", "800", "--out", "run.xlsx"], "the ending tells the format"),
        (["program", "800", "--out", "nowhere/run.h5"], "there is no folder nowhere"),
        (["--timeout", "-1", "status"], "--timeout: a positive number of seconds, not '-1'"),
        (["demo", "--weights", "x"], "--weights: a whole number, at least 1, not 'x'"),
        (["status", "--address", "http://rig"], "write tcp://HOST:PORT"),
    ],
)
def test_a_wrong_command_line_is_told_with_status_2(arguments: list[str], message: str) -> None:
    said = rheostat(*arguments)
    assert said.returncode == 2, said.stderr
    assert message in said.stderr
    assert "Traceback" not in said.stderr


def test_without_a_daemon_every_command_says_how_to_start_one_with_status_3() -> None:
    for arguments in (["status"], ["jobs", "--json"], ["program", "800"], ["estop"]):
        said = rheostat(*arguments)
        assert said.returncode == 3
        assert said.stdout == ""
        assert "no daemon answers at tcp://127.0.0.1:1" in said.stderr
        assert "`rheostatd`" in said.stderr


def test_an_address_before_the_command_is_used(stand_in) -> None:
    said = rheostat("--address", stand_in().address, "status")
    assert said.returncode == 0, said.stderr
    assert "stand-in (virtual)" in said.stdout


@pytest.mark.parametrize("arguments", [["status"], ["devices"], ["jobs"]])
def test_json_is_json(stand_in, arguments: list[str]) -> None:
    said = rheostat(*arguments, "--json", address=stand_in().address)
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout) is not None


def test_tables_in_a_pipe_are_not_cut(stand_in) -> None:
    said = rheostat("devices", address=stand_in().address)
    lines = said.stdout.splitlines()
    assert len(lines) == 25
    assert all(line.rstrip().endswith("T1:1101") for line in lines[1:])


def test_program_sends_the_job_and_says_how_to_follow_it(stand_in) -> None:
    daemon = stand_in()
    said = rheostat("program", "800", "--devices", "A1", address=daemon.address)
    (job_id,) = daemon.jobs
    assert said.stdout == f"job {job_id} is queued; follow it: rheostat watch {job_id}\n"
    assert said.returncode == 0


def test_program_waits_and_fails_when_a_target_is_not_verified(stand_in) -> None:
    address = stand_in().address
    good = rheostat("program", "800", "--devices", "A1", "--wait", "--json", address=address)
    assert good.returncode == 0, good.stderr
    assert json.loads(good.stdout)["columns"]["achieved_ohm"] == [pytest.approx(800.01)]
    bad = rheostat("program", "800", "790", "--devices", "A1,A2", "--wait", address=address)
    assert bad.returncode == 1
    assert "1 verified, 1 not converged" in bad.stdout


def test_targets_come_from_files_with_their_shape_unit_and_devices(stand_in, tmp_path) -> None:
    daemon = stand_in()
    (tmp_path / "plain.csv").write_text("800,801\n802,803\n")
    (tmp_path / "named.csv").write_text("# by hand\ndevice,target_uS\nB2,1250\nB1,1240\n")
    np.save(tmp_path / "a.npy", np.full((2, 3), 0.8))
    np.savez(tmp_path / "b.npz", x=np.ones(3), layer=np.full(2, 850.0))
    for arguments in (
        ["plain.csv"],
        ["named.csv"],
        ["a.npy", "--unit", "kohm"],
        ["b.npz", "--key", "layer", "--devices", "C1"],
    ):
        said = rheostat("program", "--file", *arguments, address=daemon.address, cwd=tmp_path)
        assert said.returncode == 0, said.stderr
    plain, named, kilo, keyed = daemon.jobs.values()
    assert plain[0].spec.shape == (2, 2)
    assert plain[1]["targets"].tolist() == [800, 801, 802, 803]
    assert named[0].spec.devices == ("B2", "B1")
    assert named[1]["targets"].tolist() == [800.0, 1e6 / 1240]
    assert kilo[1]["targets"] == pytest.approx(np.full(6, 800.0))
    assert (keyed[0].spec.devices, keyed[1]["targets"].tolist()) == (("C1",), [850.0, 850.0])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "800\n801,802\n", "row 2 has 2 numbers, the first has 1"),
        ("t.csv", "target\n800\nhigh\n", "row 3: 'high' is no number"),
        ("t.csv", "x,y\n1,2\n", "no column 'target'; name one with --key: x, y"),
        ("t.csv", "", "no numbers in it"),
        ("t.csv", "800\nnan\n", "targets must be finite"),
        ("t.npz", "not a zip", "t.npz"),
        ("t.txt", "800", "targets are read from .csv, .npy, .npz"),
    ],
)
def test_a_wrong_file_is_told_with_its_place(stand_in, tmp_path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    said = rheostat("program", "--file", name, address=stand_in().address, cwd=tmp_path)
    assert (said.returncode, message in said.stderr) == (2, True), said.stderr
    assert "Traceback" not in said.stderr


def test_weights_are_mapped_on_the_window(stand_in) -> None:
    daemon = stand_in()
    said = rheostat(
        "program", "0.5", "-0.5", "--unit", "weight", "--range", "1", "--levels", "5", address=daemon.address
    )
    assert said.returncode == 0, said.stderr
    assert next(iter(daemon.jobs.values()))[1]["targets"].tolist() == [775.0, 845.0]


def test_an_export_can_be_loaded_again(stand_in, tmp_path) -> None:
    address = stand_in().address
    rheostat("program", "800", "790", "--devices", "A1,A2", address=address)
    job_id = json.loads(rheostat("jobs", "--json", address=address).stdout)[0]["job_id"]
    for name in ("run.h5", "run.npz", "run.csv"):
        said = rheostat("export", job_id[:10], "--out", name, address=address, cwd=tmp_path)
        assert said.returncode == 0, said.stderr
    assert export.load(tmp_path / "run.h5").targets.tolist() == [800.0, 790.0]
    assert "index,device,target_ohm,achieved_ohm" in (tmp_path / "run.csv").read_text()
    again = rheostat("program", "--file", "run.csv", address=address, cwd=tmp_path)
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize("cancel", [False, True])
def test_interrupting_a_wait_says_what_becomes_of_the_job(stand_in, cancel: bool) -> None:
    daemon = stand_in(takes=60)
    arguments = ["program", "800", "--devices", "A1", "--wait", *["--cancel-on-interrupt"] * cancel]
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        env=_environment(daemon.address),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline().startswith("job ")
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=10)
    (job_id,) = daemon.jobs
    assert process.returncode == 130
    assert "Traceback" not in said
    if cancel:
        assert f"job {job_id} cancelled" in said
        assert daemon.cancelled == {job_id}
    else:
        assert f"job {job_id} goes on. Follow it: rheostat watch {job_id}" in said
        assert f"rheostat cancel {job_id}" in said
        assert daemon.cancelled == set()


def test_an_unconfirmed_emergency_stop_fails_loudly(stand_in) -> None:
    said = rheostat("estop", "smoke", address=stand_in().address)
    assert said.returncode == 1
    assert "0 V could not be confirmed on T2" in said.stderr


def test_a_missing_extra_is_told_in_one_sentence(stand_in, tmp_path) -> None:
    (tmp_path / "rich.py").write_text("raise ModuleNotFoundError(\"No module named 'rich'\", name='rich')")
    environment = {**_environment(stand_in().address), "PYTHONPATH": str(tmp_path)}
    said = subprocess.run(
        [*COMMAND, "devices"], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert (said.returncode, said.stderr.count("\n")) == (1, 1)
    assert "pip install 'rheostat[client]'" in said.stderr


def test_a_reader_that_closes_the_pipe_early_is_no_error(stand_in) -> None:
    address = stand_in().address
    line = f"{sys.executable} -m rheostat devices | head -1"
    said = subprocess.run(
        line, shell=True, env=_environment(address), capture_output=True, text=True, timeout=30, check=False
    )
    assert "Traceback" not in said.stderr
    assert "Exception" not in said.stderr


def test_the_last_job_needs_no_id(stand_in) -> None:
    address = stand_in().address
    none = rheostat("watch", "last", address=address)
    assert (none.returncode, none.stderr) == (2, "rheostat: there is no job yet\n")
    rheostat("program", "800", "--devices", "A1", address=address)
    job_id = json.loads(rheostat("jobs", "--json", address=address).stdout)[0]["job_id"]
    assert rheostat("watch", "last", address=address).stdout == f"job {job_id} done; 1 verified\n"


def test_a_job_that_has_ended_is_not_said_to_be_cancelled(stand_in) -> None:
    daemon = stand_in()
    rheostat("program", "800", "--devices", "A1", address=daemon.address)
    said = rheostat("cancel", "last", address=daemon.address)
    assert said.returncode == 1
    assert "has ended (done): there is nothing to cancel" in said.stderr
    assert daemon.cancelled == set()


def test_a_train_that_was_applied_ends_with_status_0(stand_in) -> None:
    address = stand_in().address
    rheostat("train", "A1", "--voltages", "0.3,-0.3", "--widths", "1e-2", address=address)
    said = rheostat("watch", "last", address=address)
    assert (said.returncode, said.stdout.endswith("; 1 applied\n")) == (0, True), said.stdout


def test_a_result_that_is_only_a_part_says_why_and_how_its_devices_ended(capsys) -> None:
    job = wire.Job(
        job_id="j1", kind="read", state=wire.JobState.FAILED, outcomes={"unclear": 1}, error="relays not closed: 1101"
    )
    arrays = {"resistance": np.array([[0.0], [np.nan]])}
    show.result(results.build(wire.Result(job=job, devices=("A1", "A2"), provenance={}), arrays))
    said = capsys.readouterr().out
    assert "job j1 failed: relays not closed: 1101; A1 0.00, A2 nan ohm, 1 unclear; 0 pulses" in said


def test_a_list_without_jobs_says_so(stand_in) -> None:
    address = stand_in().address
    assert rheostat("jobs", address=address).stdout == "no jobs yet\n"
    assert rheostat("jobs", "--json", address=address).stdout == "[]\n"


def test_a_job_that_failed_before_it_did_anything_says_why(stand_in, tmp_path) -> None:
    address = stand_in(fails="no feedforward table: calibrate a device first").address
    said = rheostat("program", "800", "--devices", "A1", "--wait", address=address)
    assert (said.returncode, "Traceback" in said.stderr) == (1, False)
    assert "failed: no feedforward table: calibrate a device first" in said.stdout
    as_json = rheostat("program", "800", "--devices", "A1", "--wait", "--json", address=address)
    assert (as_json.returncode, json.loads(as_json.stdout)["state"]) == (1, "failed")
    saved = rheostat("export", "last", "--out", "run.h5", address=address, cwd=tmp_path)
    assert saved.returncode == 1
    assert "calibrate a device first" in saved.stderr
    assert not (tmp_path / "run.h5").exists()


@pytest.mark.parametrize(("columns", "left_out"), [(80, ["channels"]), (200, [])])
def test_a_narrow_terminal_leaves_columns_out_and_folds_none(capsys, monkeypatch, columns, left_out) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    headers = ("device", "last/ohm", "read at", "", "channels")
    rows = [("A1", "822.94", "2026-11-23 08:28:22", "", "T1:1101 T2:1202 T3:1303 T4:1404 and some more")] * 2
    show.table(headers, rows, right=("last/ohm",), spare=("channels",))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert [name for name in headers if name not in lines[0]] == left_out
    assert all("A1" in line and "2026-11-23 08:28:22" in line for line in lines[2:])

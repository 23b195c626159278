from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from rheostat.demo import main
from rheostat.errors import DaemonUnavailable, MissingExtra
from rheostat.local import LocalDaemon

SHORT = [sys.executable, "-m", "rheostat.demo", "--short"]


@pytest.fixture
def environment(tmp_path):
    """A temporary folder of its own, so that a data folder left behind can be seen."""
    (tmp_path / "tmp").mkdir()
    return {**os.environ, "TMPDIR": str(tmp_path / "tmp"), "COLUMNS": "150"}


def children_of(process):
    return set(psutil.Process(process.pid).children(recursive=True))


def wait_until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def numbers_of(text):
    """The table without what depends on the machine."""
    table = text[text.index("float weights") : text.index("wall time")]
    return [" ".join(line.split()) for line in table.splitlines() if line.strip()]


def test_the_short_demo_goes_the_whole_way_and_leaves_nothing_but_the_report(tmp_path, environment):
    ran = subprocess.run(
        [*SHORT, "--out", str(tmp_path / "out")], capture_output=True, text=True, env=environment, timeout=120
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for words in ("will take up to", "float weights", "programmed, 8-bit ADC and DAC", "rms error", "verified"):
        assert words in ran.stdout
    assert "36 of 1,184 weights on 3 devices in turn" in ran.stdout
    assert "not held together" in ran.stdout
    report = tmp_path / "out" / "report.html"
    assert str(report) in ran.stdout
    text = report.read_text(encoding="utf-8")
    assert text.count("<svg") == 4
    assert "no moment saw them all held together" in text
    assert list((tmp_path / "tmp").glob("rheostat-demo-*")) == []


def test_ctrl_c_stops_everything_safely_with_one_sentence(tmp_path, environment):
    process = subprocess.Popen(
        [*SHORT, "--weights", "1184", "--out", str(tmp_path / "out"), "--data", str(tmp_path / "data")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )
    try:
        wait_until((tmp_path / "data" / "daemon.json").exists)
        wait_until(
            lambda: "job.started" in (tmp_path / "data" / "rheostatd.log").read_text() or process.poll() is not None
        )
        started = children_of(process)
        assert started
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=30)[0]
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Interrupted: the job is cancelled, the outputs are at 0 V and the relays open" in output
    assert "Traceback" not in output
    assert not [child for child in started if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert not (tmp_path / "out").exists()


def test_a_daemon_that_does_not_come_up_tells_why(tmp_path):
    config = tmp_path / "bench.toml"
    config.write_text('name = "x"\n')
    with (
        LocalDaemon(tmp_path / "data", config) as daemon,
        pytest.raises(DaemonUnavailable, match=r"ended with status 2:(.|\n)*bench\.toml: limits: is missing"),
    ):
        daemon.ready()


def test_a_client_without_the_daemon_says_which_extra_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'rheostat\[rig\]'"):
        LocalDaemon(tmp_path)


def test_fewer_than_one_weight_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--weights", "0"])
    assert ended.value.code == 2
    assert "at least 1" in capsys.readouterr().err


@pytest.mark.full
def test_the_demo_repeats_itself(environment):
    def run():
        ran = subprocess.run(
            SHORT, capture_output=True, text=True, env=environment, timeout=120, cwd=environment["TMPDIR"]
        )
        return numbers_of(ran.stdout)

    first = run()
    assert len(first) > 8
    assert run() == first
    assert Path(environment["TMPDIR"], "rheostat-demo", "report.html").exists()

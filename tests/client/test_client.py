"""The sync client over real sockets; what a daemon does on demand is in tests/system."""

from __future__ import annotations

import pickle
import socket
import threading
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import rheostat
from rheostat import errors, wire


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_nobody_there_is_said_at_once_with_where_it_looked_and_how_to_start(monkeypatch) -> None:
    port = _free_port()
    monkeypatch.setenv("RHEOSTAT_ADDRESS", f"127.0.0.1:{port}")
    before = time.monotonic()
    with pytest.raises(
        errors.DaemonUnavailable, match=rf"127\.0\.0\.1:{port} \(from \$RHEOSTAT_ADDRESS\); .*`rheostatd`"
    ):
        rheostat.connect()
    assert time.monotonic() - before < 2


def test_something_else_that_listens_is_no_daemon() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with pytest.raises(errors.DaemonUnavailable, match=r"did not answer within 0\.3 s, asked 2 times"):
            rheostat.connect(f"127.0.0.1:{listener.getsockname()[1]}", timeout=0.3)


def test_connect_can_wait_for_a_daemon_that_starts(stand_in) -> None:
    port = _free_port()
    timer = threading.Timer(0.4, lambda: stand_in(port=port))
    timer.start()
    with rheostat.connect(f"127.0.0.1:{port}", wait=10) as rig:
        assert rig.status().bench == "stand-in"
    timer.join()


@pytest.mark.parametrize("address", ["", "tcp://", "http://rig:7431", "rig:port", "rig:0", "tcp://:7431"])
def test_an_address_that_cannot_be_is_refused(address: str) -> None:
    with pytest.raises(errors.InputError, match="address"):
        rheostat.connect(address)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(array=hnp.arrays(np.float64, hnp.array_shapes(min_dims=0, max_dims=3, max_side=4), elements=st.floats(740, 880)))
def test_results_keep_the_shape_of_the_targets(stand_in, array: np.ndarray) -> None:
    with rheostat.connect(stand_in().address) as rig:
        result = rig.program(array, tolerance=0.2).result()
    for name in [
        "targets",
        "device",
        "achieved",
        "error",
        "outcome",
        "verified",
        "pulses",
        "reads",
        "energy",
        "rig_time",
        "wall_time",
        "uncertainty",
    ]:
        assert getattr(result, name).shape == array.shape, name
    assert np.array_equal(result.targets, array)
    assert np.allclose(result.error, 0.01)
    assert result.provenance == {"seed": 2025}


def test_a_result_tells_its_outcomes_and_how_close_it_came(stand_in) -> None:
    with rheostat.connect(stand_in().address) as rig:
        result = rig.program([[1250.0, 1200.0]], ["A1", "B2"], unit="uS", tolerance=0.2).result()
    assert result.verified.tolist() == [[True, False]]
    assert result.device.tolist() == [["A1", "B2"]]
    assert result.achieved_in("uS") == pytest.approx(np.array([[1250.0, 1200.0]]), rel=1e-4)
    summary = result.summary()
    assert summary["outcomes"] == {"verified": 1, "not_converged": 1}
    assert summary["error_rms_ohm"] == pytest.approx(0.01)
    assert "1 verified, 1 not converged; error rms 0.01 ohm" in repr(result)
    assert "<table>" in result._repr_html_()
    with pytest.raises(errors.InputError, match="not given as weights"):
        _ = result.weights


def test_weights_come_back_as_weights(stand_in) -> None:
    weights = np.linspace(-1, 1, 6).reshape(2, 3)
    with rheostat.connect(stand_in().address) as rig:
        result = rig.program(weights, mapping=rheostat.Mapping(), tolerance=0.2).result()
    assert result.weights.shape == (2, 3)
    assert result.weights == pytest.approx(weights, abs=0.003)


def test_the_default_tolerance_is_half_a_level_of_512_of_the_window(stand_in) -> None:
    daemon = stand_in()
    with rheostat.connect(daemon.address) as rig:
        rig.program([800.0], "A1")
        with pytest.raises(errors.UnknownDevice, match="unknown device 'Z9'; the bench has A1"):
            rig.program([800.0], "Z9")
    sent = next(request for request in daemon.seen if isinstance(request, wire.Submit))
    assert sent.spec.tolerance == pytest.approx(140 / 511 / 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tolerance": 0.0}, "tolerance must be a positive number"),
        ({"tolerance": float("nan")}, "tolerance must be a positive number"),
        ({"confidence": 1.0}, "confidence must be at least 0.5 and less than 1"),
        ({"max_pulses": 0}, "max_pulses must be a whole number, at least 1"),
        ({"max_pulses": 1.5}, "max_pulses must be a whole number"),
        ({"order": "random"}, 'order must be "given" or "sweep"'),
        ({"parameters": {"gain": "high"}}, "parameter gain must be a finite number"),
        ({"parameters": {"gain": float("inf")}}, "parameter gain must be a finite number"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_sent(stand_in, options, message: str) -> None:
    daemon = stand_in()
    with rheostat.connect(daemon.address) as rig, pytest.raises(errors.InputError, match=message):
        rig.program([800.0], "A1", **{"tolerance": 0.2, **options})
    assert not any(isinstance(request, wire.Submit) for request in daemon.seen)


def test_a_plan_starts_nothing(stand_in) -> None:
    daemon = stand_in()
    with rheostat.connect(daemon.address) as rig:
        assert rig.plan([800.0, 790.0], tolerance=0.2).total == 2
        assert rig.jobs() == ()


def test_a_lost_answer_is_asked_for_again_under_the_same_job_id(stand_in) -> None:
    daemon = stand_in()
    with rheostat.connect(daemon.address, timeout=0.3) as rig:
        daemon.silent = 1
        job = rig.program([800.0], "A1", tolerance=0.2)
        assert job.result().verified.all()
    sent = [request.job_id for request in daemon.seen if isinstance(request, wire.Submit)]
    assert sent == [job.id, job.id]
    assert len(daemon.jobs) == 1


def test_a_daemon_that_stays_silent_is_given_up(stand_in) -> None:
    daemon = stand_in()
    with rheostat.connect(daemon.address, timeout=0.2) as rig:
        daemon.silent = 99
        with pytest.raises(errors.DaemonUnavailable, match=r"is connected but did not answer within 0\.2 s"):
            rig.status()


def test_a_daemon_that_goes_away_while_a_job_is_waited_for_is_told_with_what_to_do(stand_in) -> None:
    daemon = stand_in(takes=60)
    with rheostat.connect(daemon.address, reconnect=0.5) as rig:
        job = rig.program([800.0], "A1", tolerance=0.2)
        timer = threading.Timer(0.3, daemon.close)
        timer.start()
        with pytest.raises(errors.DaemonUnavailable, match=rf"waiting for job {job.id}.*rig\.job\('{job.id}'\)"):
            job.wait()
        timer.join()


def test_a_daemon_that_comes_back_is_found_again(stand_in) -> None:
    first = stand_in()
    with rheostat.connect(first.address) as rig:
        first.close()
        timer = threading.Timer(0.5, lambda: stand_in(port=first.port))
        timer.start()
        assert rig.status().bench == "stand-in"
        timer.join()


def test_waiting_has_an_end_and_the_job_goes_on(stand_in) -> None:
    with rheostat.connect(stand_in(takes=60).address) as rig:
        job = rig.program([800.0], "A1", tolerance=0.2)
        with pytest.raises(errors.WaitTimeout, match=rf"job {job.id} is running after 0.1 s"):
            job.wait(0.1)
        assert job.progress().state is wire.JobState.RUNNING


def test_one_thread_that_waits_holds_up_no_other(stand_in) -> None:
    with rheostat.connect(stand_in(takes=60).address) as rig:
        job = rig.program([800.0], "A1", tolerance=0.2)
        ended: list[wire.Job] = []
        waiter = threading.Thread(target=lambda: ended.append(job.wait()))
        waiter.start()
        time.sleep(0.1)
        job.cancel()
        waiter.join(5)
    assert ended[0].state is wire.JobState.CANCELLED


def test_many_threads_share_one_rig(stand_in) -> None:
    with rheostat.connect(stand_in().address) as rig:
        results: dict[int, np.ndarray] = {}

        def program(k: int) -> None:
            results[k] = rig.program([750.0 + k] * 3, "A1", tolerance=0.2).result().targets

        threads = [threading.Thread(target=program, args=(k,)) for k in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert {k: array.tolist() for k, array in results.items()} == {k: [750.0 + k] * 3 for k in range(8)}


def test_a_cancelled_job_raises_but_keeps_its_partial_result(stand_in) -> None:
    with rheostat.connect(stand_in(takes=60).address) as rig:
        job = rig.program([800.0], "A1", tolerance=0.2)
        job.cancel()
        with pytest.raises(errors.JobCancelled, match="cancelled") as caught:
            job.result()
        assert caught.value.job.job_id == job.id
        assert job.result(partial=True).targets.tolist() == [800.0]


def test_a_job_is_found_by_the_beginning_of_its_id(stand_in) -> None:
    with rheostat.connect(stand_in().address) as rig:
        rig.program([800.0], "A1", tolerance=0.2, job_id="alpha-1")
        rig.program([800.0], "A1", tolerance=0.2, job_id="alpha-2")
        assert rig.job("alpha-2").result().shape == (1,)
        assert rig.job("alpha-1").id == "alpha-1"
        with pytest.raises(errors.InputError, match="2 jobs begin with 'alpha'"):
            rig.job("alpha")
        with pytest.raises(errors.UnknownJob, match="no job 'beta'"):
            rig.job("beta")


def test_a_wrong_answer_is_a_protocol_error(stand_in) -> None:
    daemon = stand_in()
    with rheostat.connect(daemon.address) as rig:
        daemon.garbage = True
        with pytest.raises(errors.ProtocolError, match="not one of this protocol"):
            rig.status()


def test_an_emergency_stop_that_is_not_confirmed_is_an_error(stand_in) -> None:
    with rheostat.connect(stand_in().address) as rig, pytest.raises(errors.RigUnsafe, match="could not be confirmed"):
        rig.estop("smoke")


def test_an_emergency_stop_without_a_readable_answer_says_what_to_do_at_the_instruments(stand_in) -> None:
    daemon = stand_in()
    with rheostat.connect(daemon.address) as rig:
        daemon.garbage = True
        with pytest.raises(errors.RigUnsafe, match="not confirmed; switch the outputs off at the analyser"):
            rig.estop("smoke")


def test_a_closed_rig_says_so(stand_in) -> None:
    rig = rheostat.connect(stand_in().address)
    rig.close()
    with pytest.raises(errors.DaemonUnavailable, match="was closed"):
        rig.status()


def test_events_are_followed_without_a_gap_when_some_get_lost(stand_in) -> None:
    daemon = stand_in(takes=60)
    with rheostat.connect(daemon.address) as rig:
        job = rig.program([800.0], "A1", tolerance=0.2)
        daemon.publish("job.queued", job.id)
        daemon.publish("job.queued", "another")

        def happen() -> None:
            time.sleep(0.3)
            daemon.publish("job.started", job.id, lost=True)
            daemon.publish("device.verified", job.id, lost=True)
            daemon.publish("job.progress", job.id)
            daemon.publish("job.finished", job.id, lost=True)
            daemon.takes = 0.0

        thread = threading.Thread(target=happen)
        thread.start()
        names = [event.name for event in job.follow()]
        thread.join()
    assert names == ["job.queued", "job.started", "device.verified", "job.progress", "job.finished"]


def test_following_ends_with_the_job_even_when_its_events_are_gone(stand_in) -> None:
    daemon = stand_in()
    with rheostat.connect(daemon.address) as rig:
        job = rig.program([800.0], "A1", tolerance=0.2)
        for _ in range(3):
            daemon.publish("job.progress", job.id, lost=True)
        daemon.kept_from = 3
        assert list(job.follow()) == []


def test_errors_survive_pickling_with_their_code() -> None:
    error = pickle.loads(pickle.dumps(errors.refusal("journal.full", "no room left")))
    assert isinstance(error, errors.JournalFailed)
    assert (error.code, str(error)) == ("journal.full", "no room left")


def test_every_code_of_the_daemon_has_its_class() -> None:
    assert type(errors.refusal("request.conflict", "")) is errors.Conflict
    assert type(errors.refusal("limit.exceeded", "")) is errors.LimitExceeded
    assert type(errors.refusal("something.new", "")) is errors.RequestRefused


def test_a_band_in_siemens_travels_as_one_in_ohm_for_each_target(stand_in) -> None:
    daemon = stand_in()
    with rheostat.connect(daemon.address) as rig:
        rig.program([800.0, 840.0], "A1", tolerance="0.2 uS", wait=True)
    (submitted, arrays, _), *_ = daemon.jobs.values()
    assert arrays["tolerance"] == pytest.approx(np.array([800.0, 840.0]) ** 2 * 0.2e-6)
    assert submitted.spec.tolerance == pytest.approx(800.0**2 * 0.2e-6)


def test_one_width_serves_all_pulses_of_a_train(stand_in) -> None:
    daemon = stand_in()
    with rheostat.connect(daemon.address) as rig:
        rig.train("A1", [0.7, -0.7], 2e-7, cycles=3, measure="energy", wait=True)
    (submitted, arrays, _), *_ = daemon.jobs.values()
    assert submitted.spec == wire.Train(devices=("A1",), cycles=3, measure="energy")
    assert arrays["voltage"].tolist() == [0.7, -0.7]
    assert arrays["width"].tolist() == [2e-7, 2e-7]


@pytest.mark.parametrize(
    ("voltages", "widths", "options", "message"),
    [
        ([0.7, 0.8], [1e-7, 1e-7, 1e-7], {}, "2 voltages and 3 widths"),
        ([[0.7], [0.8]], 1e-7, {}, "a train is a flat list"),
        ([0.7], 0.0, {}, "widths must be positive"),
        ([np.nan], 1e-7, {}, "voltages must be finite"),
        ([0.7], 1e-7, {"cycles": 0}, "cycles must be a whole number"),
        ([0.7], 1e-7, {"measure": "charge"}, '"states" or "energy"'),
    ],
)
def test_a_train_that_cannot_be_is_refused_before_it_is_sent(stand_in, voltages, widths, options, message) -> None:
    with rheostat.connect(stand_in().address) as rig, pytest.raises(errors.InputError, match=message):
        rig.train("A1", voltages, widths, **options)

"""What goes wrong on the bench, as the jobs tell it: a real executor process, on virtual instruments in this one."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rheostat import wire
from rheostat.wire import JobState, Outcome
from rheostat_hal import bench
from rheostat_hal.virtual.faults import DeviceFault, Fault, LineFault, RelayFault
from rheostat_hal.virtual.parts import VirtualInstruments
from rheostatd import messages
from rheostatd.journal.pulses import PulseRecord
from tests.daemon.executor.conftest import Executor, program, table_of

pytestmark = pytest.mark.timeout(120)
FIRST, SECOND = "E1", "E2"
DEVICES = ("A1", "A2", "A3", "A4", "B1", FIRST, SECOND)
NUMBERS = itertools.count(1)
WRITE, READ, ROUTE = "XE", "^DV 1.*TI 3", "channel.close.*5105"  # the last: to the second device


class Shop:
    """An executor on instruments that a test can look behind, and spoil."""

    def __init__(self, folder: Path) -> None:
        text = (resources.files("rheostat_hal") / "embedded.toml").read_text()
        text = text.replace("[analyser]", "[analyser]\ntimeout_s = 0.2").replace(
            "[switch]", "[switch]\ntimeout_s = 0.2"
        )
        path = folder / "bench.toml"
        path.write_text(text)
        self.instruments = VirtualInstruments(bench.load(path), seed=7)
        record = PulseRecord(folder / "data")
        record.save_table(table_of(DEVICES))
        record.close()
        self.executor = Executor(folder / "data")
        self.executor.open(str(path), self.instruments.flex.resource, self.instruments.tsp.resource)

    def close(self) -> None:
        self.executor.close()
        self.instruments.close()

    def program(self, devices: tuple[str, ...], **options: Any) -> tuple[messages.Finished, wire.Arrays]:
        """A job that brings each device a little way from where it is."""
        names = [device.name for device in bench.load(None).devices]
        here = {name: self.instruments.die.resistance(names.index(name)) for name in devices}
        targets = {name: [ohm - 3.0 if ohm > 805.0 else ohm + 3.0] for name, ohm in here.items()}
        job_id = f"j{next(NUMBERS)}"
        self.executor.run(job_id, *program(devices, targets, tolerance=0.5, **options))
        return self.executor.finished(job_id)

    def recover(self) -> str | None:
        self.executor.send(messages.Recover(next(NUMBERS)))
        return self.executor.until(messages.Recovered)[0].error

    def is_safe(self) -> bool:
        on = any(smu.on for smu in self.instruments.analyser.smus.values())
        return not on and self.instruments.world.wiring.closed == ()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shop = Shop(tmp_path_factory.mktemp("shop"))
    yield shop
    shop.close()


def test_a_device_that_breaks_gets_its_outcome_and_the_job_goes_on_with_the_next(shop: Shop) -> None:
    for device, what in (("A1", "opens"), ("A2", "shorts"), ("A3", "sticks"), ("A4", "noisy")):
        shop.instruments.faults.add(DeviceFault(what=what, device=device, pulse=3))
    finished, result = shop.program(("A1", "A2", "A3", "A4", "B1"))
    assert finished.state is JobState.DONE
    assert [Outcome(code).name for code in result["outcome"]] == ["OPEN", "SHORTED", "STUCK", "NOISY", "VERIFIED"]
    assert (result["pulses"] >= 3).all()
    assert np.isfinite(result["achieved"]).tolist() == [False, False, True, True, True]
    assert np.isfinite(result["energy"]).all()
    assert finished.totals is not None
    assert math.isfinite(finished.totals.energy)
    assert shop.is_safe()


def at(instrument: str, line: str, what: str, **more: Any) -> LineFault:
    return LineFault(what=what, instrument=instrument, line=line, **more)


FIRST_BREAKS, SECOND_BREAKS = (Outcome.INTERRUPTED, Outcome.CANCELLED), (Outcome.VERIFIED, Outcome.CANCELLED)
MOMENTS = [  # with the outcomes of both devices, and an answer late enough to time out
    ("analyser", WRITE, FIRST_BREAKS, 1.5),
    ("analyser", READ, FIRST_BREAKS, 0.6),
    ("switch", ROUTE, SECOND_BREAKS, 0.4),
]
EVERYWHERE = [
    ("no_answer", "bus.timeout"),
    ("late_answer", "bus.timeout"),
    ("half_answer", "bus.timeout"),
    ("garbage", "bus.reply"),
    ("drop", "bus.failed"),
    ("reset", "bus.failed"),
    ("error", "instrument.error"),
]
BREAKING = [
    *(
        (at(instrument, line, what, number=305, delay=delay), code, outcomes)
        for what, code in EVERYWHERE
        for instrument, line, outcomes, delay in MOMENTS
    ),
    (at("analyser", WRITE, "reset", connections_stay=True), "instrument.error", FIRST_BREAKS),
    (at("analyser", READ, "interlock_open"), "instrument.error", FIRST_BREAKS),
    (RelayFault(what="stays_open", channel="5307"), "switch.readback", SECOND_BREAKS),
    (RelayFault(what="stays_closed", channel="5303"), "switch.readback", SECOND_BREAKS),
]


def named(fault: Any) -> str | None:
    """What a row of a table is called."""
    if isinstance(fault, LineFault):
        return f"{fault.what}-{fault.instrument}-{fault.line}"
    return f"{fault.what}-{fault.channel}" if isinstance(fault, RelayFault) else None


@pytest.mark.parametrize(("fault", "code", "outcomes"), BREAKING, ids=named)
def test_a_job_that_a_fault_of_the_rig_ends_leaves_it_safe_and_latched_until_it_is_recovered(
    shop: Shop, fault: Fault, code: str, outcomes: tuple[Outcome, Outcome]
) -> None:
    shop.instruments.faults.add(fault)
    finished, result = shop.program((FIRST, SECOND))
    assert (finished.state, finished.error_code) == (JobState.FAILED, code)
    assert tuple(result["outcome"]) == outcomes
    assert shop.is_safe()
    latched = [report for report, _ in shop.executor.reports if isinstance(report, messages.Latched)][-1]
    assert latched.code == code
    assert "NOT SAFE" not in latched.reason
    assert shop.program((FIRST,))[0].error_code == "rig.latched"
    assert shop.recover() is None
    finished, result = shop.program((FIRST, SECOND))
    assert finished.state is JobState.DONE
    assert tuple(result["outcome"]) == (Outcome.VERIFIED, Outcome.VERIFIED)


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (at("analyser", WRITE, "compliance", channel=2), Outcome.COMPLIANCE),
        (at("analyser", WRITE, "overflow", channel=4), Outcome.COMPLIANCE),
        (at("analyser", READ, "compliance"), Outcome.COMPLIANCE),
        (at("analyser", READ, "overflow"), Outcome.SHORTED),
        (at("analyser", READ, "unsettled"), Outcome.NOISY),
        (at("analyser", WRITE, "saturated", channel=2), Outcome.NOISY),
    ],
    ids=named,
)
def test_a_status_of_the_analyser_is_an_outcome_and_the_job_goes_on(shop: Shop, fault: Fault, outcome: Outcome) -> None:
    shop.instruments.faults.add(fault)
    finished, result = shop.program((FIRST, SECOND))
    assert finished.state is JobState.DONE
    assert tuple(result["outcome"]) == (outcome, Outcome.VERIFIED)
    assert np.isfinite(result["energy"]).all()
    assert shop.is_safe()


def test_a_rig_whose_analyser_is_away_is_not_called_safe_and_is_recovered_when_it_is_back(shop: Shop) -> None:
    shop.instruments.faults.add(at("analyser", WRITE, "reset", down=1.5))
    finished, _ = shop.program((FIRST, SECOND))
    assert (finished.state, finished.error_code) == (JobState.FAILED, "bus.failed")
    latched = [report for report, _ in shop.executor.reports if isinstance(report, messages.Latched)][-1]
    assert "NOT SAFE: 0 V is not confirmed" in latched.reason
    error = shop.recover()
    assert error is not None
    assert "Connection refused" in error
    assert "NOT SAFE" in error
    latched = [report for report, _ in shop.executor.reports if isinstance(report, messages.Latched)][-1]
    assert "NOT SAFE: the safe state could not be reached: 0 V is not confirmed" in latched.reason
    time.sleep(1.6)
    assert shop.recover() is None
    assert shop.is_safe()
    assert shop.program((SECOND,))[0].state is JobState.DONE


def test_an_answer_that_is_lost_on_the_way_to_the_safe_state_costs_the_job_nothing_and_latches(shop: Shop) -> None:
    shop.instruments.faults.add(at("analyser", "^DZ", "no_answer"))
    finished, result = shop.program((FIRST,))
    assert finished.state is JobState.DONE
    assert tuple(result["outcome"]) == (Outcome.VERIFIED,)
    latched = [report for report, _ in shop.executor.reports if isinstance(report, messages.Latched)][-1]
    assert latched.code == "bus.timeout"
    assert "NOT SAFE" not in latched.reason
    assert shop.is_safe()
    assert shop.recover() is None

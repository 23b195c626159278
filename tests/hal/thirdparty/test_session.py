"""The talk with a public driver's process itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hal.thirdparty import driver_session
from tests.hal.thirdparty.conftest import virtual_bench


def test_without_the_drivers_one_line_says_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_session, "PYTHON", Path("nowhere/python"))
    with pytest.raises(RuntimeError, match=r"not installed: run python3 deploy/setup_env\.py --bench$"):
        driver_session.DriverSession("qcodes-b1500", "TCPIP0::127.0.0.1::1::SOCKET")


def test_a_driver_that_fails_shows_its_own_traceback() -> None:
    with (
        virtual_bench() as resources,
        driver_session.DriverSession("pymeasure-b1500", resources["analyser"]) as session,
        pytest.raises(driver_session.DriverError, match=r"(?s)agilentB1500\.py.*OSError: Agilent B1500 Error \+100"),
    ):
        session("(it.write('XYZ'), it.check_errors())")

"""`rheostatd doctor`: the checks of `rheostat_hal.doctor` on the bench of a file, in the daemon's place."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import math
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rheostatd import errors, log
from rheostatd.command import Parser, load_bench, need_parts
from rheostatd.signals import EndSignals

if TYPE_CHECKING:
    from rheostat_hal.bench import Bench
    from rheostat_hal.doctor import Check
    from rheostat_hal.values import DeviceAddress

EPILOG = """\
examples:
  rheostatd doctor --config bench.toml                  everything, every device
  rheostatd doctor --config bench.toml --devices A1,B2  the devices that were just wired
  rheostatd doctor --config bench.toml --json           one JSON object a line; null stands for an open circuit
  rheostatd doctor                                      the virtual bench

It never goes above the read voltage of the bench file, moves every relay of the devices, has the analyser calibrate
itself (half a minute, with the relays open), and leaves the bench safe, also after Ctrl-C.

exit status: 0 nothing has failed (there may be warnings); 1 something has, or it was stopped; 2 wrong configuration or
command line; 3 a daemon holds the instruments
"""


def examine(arguments: Sequence[str], signals: EndSignals) -> int:
    """The exit status. Raises ConfigError, Locked."""
    given = _parser().parse_args(arguments)
    bench = load_bench(given.config)
    devices = _chosen(bench, given.devices)
    need_parts(bench)
    if given.record:
        from rheostatd.recording import claim

        claim(given.record)
    log.configure(given.log_level)
    say = _as_json if given.json else _as_text
    with contextlib.ExitStack() as stack:
        bench = _started(stack, bench, given)
        return _examined(stack, bench, given.record, devices, signals, say)


def _started(stack: contextlib.ExitStack, bench: Bench, given: argparse.Namespace) -> Bench:
    """The virtual bench runs, where the bench has one, and its resources are known."""
    if bench.virtual is None:
        return bench
    from rheostat_hal.bench import with_resources
    from rheostat_hal.errors import HalError
    from rheostat_hal.virtual.launch import launch

    try:
        return with_resources(bench, **stack.enter_context(launch(given.config, real_time=given.real_time)).resources)
    except HalError as error:
        raise errors.ConfigError(str(error)) from error


def _examined(
    stack: contextlib.ExitStack,
    bench: Bench,
    record: Path | None,
    devices: Sequence[DeviceAddress],
    signals: EndSignals,
    say: Callable[[Check], str],
) -> int:
    from rheostat_hal.doctor import Check, Doctor
    from rheostat_hal.errors import BusAborted, HalError
    from rheostatd.locks import lock_instrument
    from rheostatd.recording import Recording

    failed = False
    try:
        for resource in dict.fromkeys((bench.analyser.resource, bench.switch.resource)):
            stack.callback(lock_instrument(resource).release)
        recording = stack.enter_context(contextlib.closing(Recording(record, bench))) if record else None
        doctor = Doctor(bench, recording)
        # in a thread of its own: the handler runs in the middle of what the abort is to interrupt
        signals.tell(lambda number: threading.Thread(target=doctor.abort, name="stop").start())
        with contextlib.closing(doctor.examine(devices)) as checks:
            for check in checks:
                _write(say(check))
                failed = failed or check.status == "fail"
    except BusAborted:
        sys.stderr.write("rheostatd doctor: stopped; the bench is safe\n")
        return 1
    except HalError as error:
        _write(say(Check("safe state", "fail", f"{error}; look at the bench", error=error.code)))
        return 1
    except BrokenPipeError:  # nobody reads on
        return 1
    return int(failed)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="rheostatd doctor",
        description="Checks a bench: resources, identities, modules, cards, self-test, relays, how rows are chained, "
        "contacts and noise of every device. One line each.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="bench.toml (default: the virtual bench)")
    parser.add_argument("--devices", metavar="NAMES", help="separated by commas (default: all)")
    parser.add_argument("--json", action="store_true", help="for programs: one JSON object a line")
    parser.add_argument("--record", type=Path, metavar="FILE", help="write down what is said to the instruments")
    parser.add_argument("--real-time", action="store_true", help="virtual bench: takes as long as a real one")
    parser.add_argument("--log-level", choices=log.LEVELS, default="critical", help="default: none")
    return parser


def _chosen(bench: Bench, names: str | None) -> Sequence[DeviceAddress]:
    known = {device.name: device for device in bench.devices}
    if names is None:
        return bench.devices
    wanted = list(dict.fromkeys(name.strip() for name in names.split(",")))
    for name in wanted:
        if name not in known:
            raise errors.ConfigError(f"--devices: no device {name!r} on this bench: {errors.possible(name, known)}")
    return [known[name] for name in wanted]


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _as_text(check: Check) -> str:
    return f"{check.status:4}  {check.name:17}  {check.text}"


def _as_json(check: Check) -> str:
    return json.dumps(_finite(dataclasses.asdict(check)), allow_nan=False)


def _finite(value: Any) -> Any:
    """JSON knows neither infinity nor nan."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value

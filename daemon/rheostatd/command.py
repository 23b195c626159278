"""What the `rheostatd` command does. Imports little at the top: the executor is to start as early as possible."""

from __future__ import annotations

import argparse
import functools
import importlib.util
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rheostat import __version__
from rheostatd import config, errors, log
from rheostatd.locks import lock_folder
from rheostatd.signals import EndSignals

if TYPE_CHECKING:
    from rheostat_hal.bench import Bench

EPILOG = """\
examples:
  rheostatd                                    the virtual bench: 24 simulated devices, no instruments needed
  rheostatd --config bench.toml                the rig that bench.toml describes
  rheostatd --data /tmp/trial --port 0         a second, separate daemon; the port is in the line it prints
  rheostatd --config bench.toml --record a.txt and every line to and from the instruments is in a.txt
  rheostatd doctor --config bench.toml         is the bench as bench.toml says? (see rheostatd doctor --help)

When the rig is open it prints one line, for example
  rheostatd ready: tcp://127.0.0.1:7431, 24 devices, virtual bench
and stays until Ctrl-C, Ctrl-Break or SIGTERM: it then stops the job, makes the rig safe and exits.

exit status: 0 stopped; 2 wrong configuration or a part is not installed; 3 another daemon holds the data folder, an
instrument or the port; 4 the rig could not be opened; 5 the journal cannot be used; 6 stopped, but the rig may not be
safe
"""

_STATUS: tuple[tuple[type[errors.DaemonError], int], ...] = (
    (errors.ConfigError, 2),
    (errors.Locked, 3),
    (errors.PortTaken, 3),
    (errors.ExecutorFailed, 4),
    (errors.JournalError, 5),
    (errors.RigUnsafe, 6),
)
COMMANDS = ["doctor"]
_RIG = ("structlog", "numba", "scipy", "pyvisa", "pyvisa_py")  # what the rig extra brings; lupa: the virtual bench


def run(signals: EndSignals, arguments: list[str] | None = None) -> int:
    """The exit status. `arguments`: None for those of the process."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        if words and words[0] == "doctor":
            from rheostatd.doctor import examine

            return examine(words[1:], signals)
        given = _parser().parse_args(words)
        if given.until_eof:
            signals.until_eof()
        _serve(given, signals)
    except errors.DaemonError as error:
        sys.stderr.write(f"rheostatd: {error}\n")
        return next((status for kind, status in _STATUS if isinstance(error, kind)), 1)
    return 0


class Parser(argparse.ArgumentParser):
    """Says what is wrong with a command line in one line, with the word that may have been meant."""

    def error(self, message: str) -> NoReturn:
        given = message.removeprefix("unrecognized arguments: ").split()
        if message.startswith("unrecognized arguments:"):
            known = [option for option in self._option_string_actions if option.startswith("--")]
            known += COMMANDS if self.prog == "rheostatd" else []
            message = f"unknown: {given[0]}; {errors.possible(given[0], known)}"
        self.exit(2, f"{self.prog}: {message}\n")


def _parser() -> Parser:
    parser = Parser(
        prog="rheostatd",
        description="Owns the instruments of a rig, and does for clients what they ask, in order and safely.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="bench.toml (default: the virtual bench)")
    parser.add_argument("--data", metavar="DIR", help="journal and results (default: $RHEOSTAT_HOME or the system's)")
    parser.add_argument("--port", type=int, metavar="N", help="for requests (default: 7431; 0: any free one)")
    parser.add_argument("--real-time", action="store_true", help="virtual bench: pulses take as long as they say")
    parser.add_argument("--record", type=Path, metavar="FILE", help="write down what is said to the instruments")
    parser.add_argument(
        "--faults",
        type=Path,
        metavar="FILE",
        help="virtual bench: what is to go wrong (see rheostat_hal.virtual.faults)",
    )
    parser.add_argument("--log-level", choices=log.LEVELS, help="default: info")
    parser.add_argument("--log-json", action="store_true", help="JSON logs also on a terminal")
    parser.add_argument("--until-eof", action="store_true", help="end when standard input does, and not by Ctrl-C")
    parser.add_argument("--version", action="version", version=f"rheostatd {__version__}")
    return parser


def _serve(given: argparse.Namespace, signals: EndSignals) -> None:
    settings = config.load(given.config, data=given.data, port=given.port, log_level=given.log_level)
    bench = load_bench(given.config)
    need_parts(bench)
    faults = _faults(given.faults, bench)
    try:
        settings.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise errors.ConfigError(f"the data folder {settings.folder} cannot be made: {error.strerror}") from error
    if signals.asked is not None:
        return
    lock = lock_folder(settings.folder)
    if given.record:
        from rheostatd.recording import claim

        claim(given.record)
    path = str(given.config.absolute()) if given.config else ""
    launch, virtual_time = None, False
    if bench.virtual is not None:
        real_time = given.real_time or bench.virtual.real_time
        virtual_time = not real_time
        launch = _EarlyStart(functools.partial(_launch, path, settings.folder / "die.state", real_time, faults))
    from rheostatd.service.daemon import Daemon  # now, while the virtual bench starts: the imports take a while too
    from rheostatd.service.supervisor import Plan

    log.configure(settings.log_level, True if given.log_json else None)
    record = str(given.record.absolute()) if given.record else ""
    plan = Plan(path, settings.folder, settings.restarts, lock, launch, given.real_time, virtual_time, record)
    Daemon(settings, bench, plan, lock).run(functools.partial(print, flush=True), signals)


def load_bench(path: Path | None) -> Bench:
    from rheostat_hal import bench
    from rheostat_hal.errors import BenchError

    try:
        return bench.load(path)
    except BenchError as error:
        raise errors.ConfigError(str(error)) from error


def _faults(path: Path | None, bench: Bench) -> Path | None:
    """The file, made absolute and checked: a mistake in it is told before anything starts."""
    if path is None:
        return None
    if bench.virtual is None:
        raise errors.ConfigError("--faults is for a virtual bench: the instruments of this one are real")
    from rheostat_hal.errors import BenchError
    from rheostat_hal.virtual.faults import load

    try:
        load(path, bench)
    except BenchError as error:
        raise errors.ConfigError(str(error)) from error
    return path.absolute()


def need_parts(bench: Bench) -> None:
    wanted = (*_RIG, "lupa") if bench.virtual is not None else _RIG
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if missing:
        raise errors.ConfigError(
            f"the daemon needs {', '.join(missing)}, which the rig extra brings: pip install 'rheostat[rig]'"
        )


class _EarlyStart:
    """Calls something in a thread at once, for whoever asks for its result later; the next ones call it again.

    What it starts ends with this process, so nobody has to fetch it.
    """

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._early: Future[Any] | None = Future()
        threading.Thread(target=self._run, args=(self._early,), name="early-start", daemon=True).start()

    def _run(self, future: Future[Any]) -> None:
        try:
            future.set_result(self._call())
        except BaseException as error:  # noqa: BLE001 (it is raised where the result is asked for)
            future.set_exception(error)

    def __call__(self) -> Any:
        early, self._early = self._early, None
        return early.result() if early is not None else self._call()


def _launch(path: str, state: Path, real_time: bool, faults: Path | None) -> Any:
    from rheostat_hal.virtual.launch import launch

    return launch(path, state=state, real_time=real_time, faults=faults)

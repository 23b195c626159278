"""What can be said on the command line. Imports argparse only, so that --help is there at once."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

STATUSES = """exit status: 0 done; 1 a job failed, a target was not verified or the daemon refused; 2 the command line
or what it names is wrong; 3 no daemon answers; 130 interrupted."""

JSON = "for scripts, SI units in the names (watch: one object a line)"
DEMOS = ("demo",)  # has a command line of its own, in rheostat.demo


class Parser(argparse.ArgumentParser):
    """Says what was probably meant when something is misspelled."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options)
        self.options: list[str] = ["--help"]

    def option(self, *flags: str, **options: Any) -> None:
        self.options += [flag for flag in flags if flag.startswith("--")]
        self.add_argument(*flags, **options)

    def complain(self, message: str, word: str, possible: Sequence[str]) -> NoReturn:
        near = difflib.get_close_matches(word, possible, n=1, cutoff=0.5)
        self.error(f"{message}; did you mean {near[0]!r}?" if near else message)


class CommandLine:
    """The parser and its commands."""

    def __init__(self) -> None:
        self.parser = Parser(
            prog="rheostat",
            description="Programs analog memristors to the resistances asked for, and proves how close each one came.",
            epilog=f"""example:
  rheostatd &                                   # a daemon on the virtual bench: wait until it says ready
  rheostat calibrate A1 --others all --wait     # measures the feedforward table
  rheostat program 800 790.5 --devices A1,A2 --wait

The daemon is looked for at --address, else $RHEOSTAT_ADDRESS, else tcp://127.0.0.1:7431.
{STATUSES}""",
        )
        self.parser.option("--version", action="store_true", help="print the version")
        _common(self.parser)
        self._adder = self.parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
        self.commands: dict[str, Parser] = {}
        for build in (_look, _jobs, _act, _stop):
            build(self._command)
        self._adder.add_parser("demo", help="the whole way once, from training to accuracy", add_help=False)

    def _command(self, name: str, words: str, *examples: str) -> Parser:
        shown = "\n".join(f"  {example}" for example in examples)
        command: Parser = self._adder.add_parser(
            name, help=words, description=words[0].upper() + words[1:] + ".", epilog=f"example:\n{shown}"
        )
        _common(command, argparse.SUPPRESS)
        self.commands[name] = command
        return command

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Exits with status 2 and the nearest possibility when something is misspelled."""
        word = self._command_word(arguments)
        known = [*self.commands, *DEMOS]
        if word is not None and word not in known:
            self.parser.complain(f"there is no command {word!r} (see rheostat --help)", word, known)
        options, rest = self.parser.parse_known_args(arguments)
        if rest:
            parser = self.commands.get(options.command or "", self.parser)
            wrong = rest[0].partition("=")[0]
            possible = parser.options if wrong.startswith("-") else []
            parser.complain(f"there is no {'option' if possible else 'argument'} {wrong!r} here", wrong, possible)
        return options

    def _command_word(self, arguments: Sequence[str]) -> str | None:
        """The word that stands where the command belongs; an option unknown here is complained about on the way."""
        words = iter(arguments)
        for word in words:
            if not word.startswith("-"):
                return word
            flag, equals, _ = word.partition("=")
            if flag.startswith("--") and flag not in self.parser.options:
                self.parser.complain(f"there is no option {flag!r} here", flag, self.parser.options)
            if flag in ("--address", "--timeout") and not equals:
                next(words, None)
        return None


Add = Callable[..., Parser]


def _look(add: Add) -> None:
    add("status", "what the daemon and its rig do now", "rheostat status", "rheostat status --json")
    add("devices", "the devices of the bench and their last readings", "rheostat devices")
    add("tables", "the feedforward tables that calibrations have stored", "rheostat tables")


def _jobs(add: Add) -> None:
    jobs = add("jobs", "the latest jobs", "rheostat jobs", "rheostat jobs --state running,queued")
    jobs.option("--state", metavar="STATES", help="only jobs in these states, separated by commas")
    jobs.option("--limit", type=int, default=20, metavar="N", help="at most so many (default 20)")

    watch = add("watch", "follow a job to its end", "rheostat watch", "rheostat watch last --json")
    _job(watch, "the job (default: the one that runs)", optional=True)

    for name, words in (
        ("cancel", "cancel a job; what it has reached stays in its result"),
        ("pause", "pause a job, or the whole queue"),
        ("resume", "let a paused job, or the queue, go on"),
    ):
        command = add(name, words, f"rheostat {name} last")
        whole = name != "cancel"
        _job(command, "the job" + " (default: the whole queue)" * whole, optional=whole)

    export = add(
        "export",
        "write a job's result to a file",
        "rheostat export last --out run.h5",
        "rheostat export last --format csv --out run.txt",
    )
    _job(export, "the job")
    export.option("--out", required=True, metavar="FILE", help="where to: the ending tells the format")
    export.option("--format", choices=("csv", "npz", "hdf5"), help="instead of the one the ending tells")


def _act(add: Add) -> None:
    program = add(
        "program",
        "bring devices to target resistances",
        "rheostat program 800 790.5 --devices A1,A2 --wait",
        "rheostat program --file targets.csv --unit uS --order sweep --out run.h5",
        "rheostat program 760 840 --scheme incremental --dry-run",
    )
    program.option("targets", nargs="*", metavar="TARGET", help="numbers in --unit")
    program.option("--file", metavar="FILE", help="targets from CSV (a column `target`, perhaps `device`), NPY or NPZ")
    program.option("--key", metavar="NAME", help="which array of an NPZ file, which column of a CSV file")
    program.option("--devices", metavar="NAMES", help="names, separated by commas; targets are dealt to them in turn")
    program.option("--unit", default=None, help="ohm (default), kohm, S, uS, ... or weight")
    program.option("--levels", type=int, default=512, metavar="N", help="of the mapping of weights (default 512)")
    program.option("--range", type=float, metavar="W", help="weight at the window's end (default: the largest)")
    program.option("--scheme", default="ffp", help="ffp (default), levels or incremental")
    program.option("--param", action="append", default=[], metavar="KEY=VALUE", help="a setting of the scheme")
    program.option(
        "--tolerance", metavar="OHM", help="half the accepted band, perhaps with a unit: 20uS (default: half a level)"
    )
    program.option(
        "--confidence",
        type=float,
        default=0.95,
        metavar="P",
        help="that a verified target lies in the band (default 0.95)",
    )
    program.option("--order", choices=("given", "sweep"), default="given", help="of several targets on one device")
    program.option("--max-pulses", type=int, default=2000, metavar="N", help="for one target (default 2000)")
    program.option("--table", metavar="VERSION", help="feedforward table (default: the newest that fits)")
    program.option("--trace", metavar="NAMES", help="devices whose every pulse and reading is exported")
    program.option("--dry-run", action="store_true", help="say what would be done, and do nothing")
    _running(program)

    read = add("read", "read devices", "rheostat read A1 A2 --readings 4", "rheostat read all --json")
    read.option("devices", nargs="*", metavar="DEVICE", help="names, or all (default)")
    read.option("--readings", type=int, default=1, metavar="N", help="of each device in one routing (default 1)")
    _running(read, always=True)

    calibrate = add(
        "calibrate",
        "measure dR(V, R) of a device and store a feedforward table",
        "rheostat calibrate A1 --dry-run",
        "rheostat calibrate A1 --others all --wait",
    )
    calibrate.option("device", metavar="DEVICE", help="measured in full")
    calibrate.option("--others", metavar="NAMES", help="whose gain is fitted: names, or all")
    calibrate.option("--voltages", metavar="V,V,...", help="V, positive (default: the fifteen of Diao 2025)")
    calibrate.option("--width", type=float, metavar="S", help="of a write pulse (default 0.8 s)")
    calibrate.option("--max-train", type=int, metavar="N", help="write pulses of one train (default 250)")
    calibrate.option("--gain-pulses", type=int, metavar="N", help="for each of the others (default 50)")
    calibrate.option("--dry-run", action="store_true", help="say the rig time it would take, and do nothing")
    _running(calibrate)

    initialise = add(
        "initialise",
        "bring devices to one end of the window in closed loop",
        "rheostat initialise A1 --state LRS --wait",
    )
    initialise.option("devices", nargs="+", metavar="DEVICE", help="names, or all")
    initialise.option("--state", required=True, type=str.upper, choices=("HRS", "LRS"), help="which end")
    initialise.option("--max-pulses", type=int, default=2000, metavar="N", help="for one device (default 2000)")
    _running(initialise)

    train = add(
        "train",
        "apply a train of write pulses as it is, and read after each of them",
        "rheostat train S1 --voltages 0.7,0.8,0.9,-0.7,-0.8,-0.9 --widths 2e-7 --cycles 100 --out states.h5",
    )
    train.option("devices", nargs="+", metavar="DEVICE", help="names, or all")
    train.option("--voltages", required=True, metavar="V,V,...", help="V, positive potentiates")
    train.option("--widths", required=True, metavar="S,S,...", help="s, as many as voltages, or one for all")
    train.option("--cycles", type=int, default=1, metavar="N", help="how often (default 1)")
    train.option(
        "--measure", choices=("states", "energy"), default="states", help="where a source cannot measure both at once"
    )
    _running(train)


def _stop(add: Add) -> None:
    estop = add("estop", "emergency stop: 0 V, relays open, everything refused until recover", "rheostat estop smoke")
    estop.option("reason", nargs="*", help="for the record")
    add("recover", "check the rig and clear the latch of an error or emergency stop", "rheostat recover")


def _common(parser: Parser, default: Any = None) -> None:
    parser.option("--address", default=default, metavar="ADDRESS", help="of the daemon, HOST:PORT")
    timeout = 5.0 if default is None else default
    parser.option("--timeout", type=_seconds, default=timeout, metavar="S", help="for one answer (default 5)")
    parser.option("--json", action="store_true", default=default or False, help=JSON)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"a positive number of seconds, not {text!r}")
    return seconds


def _job(parser: Parser, words: str, optional: bool = False) -> None:
    parser.option(
        "job", nargs="?" if optional else None, metavar="JOB", help=f"{words}: its id, the beginning of it, or `last`"
    )


def _running(parser: Parser, always: bool = False) -> None:
    if not always:
        parser.option("--wait", action="store_true", help="until the job has ended, with a progress bar")
    parser.option("--out", metavar="FILE", help="wait, then write the result: .csv, .npz or .h5")
    parser.option("--cancel-on-interrupt", action="store_true", help="Ctrl-C cancels the job too")
    parser.option("--priority", type=int, default=0, metavar="N", help="higher first (default 0)")
    parser.option("--label", default="", help="shown in the list of jobs")

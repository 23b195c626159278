"""A parser that helps, and the options that several commands share. Imports argparse only."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

JSON = "for scripts, SI units in the names (watch: one object a line)"


class Parser(argparse.ArgumentParser):
    """Says what was probably meant when something is misspelled."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options)
        self.options: list[str] = ["--help"]

    def option(self, *flags: str, **options: Any) -> None:
        self.options += [flag for flag in flags if flag.startswith("--")]
        self.add_argument(*flags, **options)

    def check(self, words: Sequence[str]) -> None:
        """Before argparse says that the option which is misspelled is missing."""
        for word in words:
            flag = word.partition("=")[0]
            if flag == "--":
                return
            if flag.startswith("--") and flag not in self.options:
                self.complain(f"there is no option {flag!r} here", flag, self.options)

    def complain(self, message: str, word: str, possible: Sequence[str]) -> NoReturn:
        near = difflib.get_close_matches(word, possible, n=1, cutoff=0.5)
        self.error(f"{message}; did you mean {near[0]!r}?" if near else message)


Add = Callable[..., Parser]  # (name, words, *examples): a new command


def common(parser: Parser, default: Any = None) -> None:
    parser.option("--address", default=default, metavar="ADDRESS", help="of the daemon, HOST:PORT")
    timeout = 5.0 if default is None else default
    parser.option("--timeout", type=seconds, default=timeout, metavar="S", help="for one answer (default 5)")
    parser.option("--json", action="store_true", default=default or False, help=JSON)


def seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"a positive number of seconds, not {text!r}")
    return seconds


def job(parser: Parser, words: str, optional: bool = False) -> None:
    parser.option(
        "job", nargs="?" if optional else None, metavar="JOB", help=f"{words}: its id, the beginning of it, or `last`"
    )


def running(parser: Parser, always: bool = False) -> None:
    if not always:
        parser.option("--wait", action="store_true", help="until the job has ended, with a progress bar")
    parser.option("--dry-run", action="store_true", help="say what would be done and the rig time, and do nothing")
    parser.option("--out", metavar="FILE", help="wait, then write the result: .csv, .npz or .h5")
    parser.option("--cancel-on-interrupt", action="store_true", help="Ctrl-C cancels the job too")
    parser.option("--priority", type=int, default=0, metavar="N", help="higher first (default 0)")
    parser.option("--label", default="", help="shown in the list of jobs")

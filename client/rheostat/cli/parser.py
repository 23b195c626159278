"""What can be said on the command line. Imports argparse only, so that --help is there at once."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from rheostat.cli.grammar import asking, looking, measuring
from rheostat.cli.grammar.options import Parser, common

STATUSES = """exit status: 0 done; 1 a job failed, a target was not verified or the daemon refused; 2 the command line
or what it names is wrong; 3 no daemon answers; 130 interrupted."""

# Have command lines of their own, in rheostat.demo and rheostat.characterisation.
DEMOS = ("demo", "characterise", "compare")


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
        common(self.parser)
        self._adder = self.parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
        self.commands: dict[str, Parser] = {}
        for build in (looking.look, asking.ask, measuring.measure, looking.jobs, looking.stop):
            build(self._command)
        self._adder.add_parser("demo", help="the whole way once, from training to accuracy", add_help=False)
        self._adder.add_parser(
            "characterise", help="a paper's whole programme on a device, and a report", add_help=False
        )
        self._adder.add_parser("compare", help="two characterised devices, or dates, side by side", add_help=False)

    def _command(self, name: str, words: str, *examples: str) -> Parser:
        shown = "\n".join(f"  {example}" for example in examples)
        command: Parser = self._adder.add_parser(
            name, help=words, description=words[0].upper() + words[1:] + ".", epilog=f"example:\n{shown}"
        )
        common(command, argparse.SUPPRESS)
        self.commands[name] = command
        return command

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Exits with status 2 and the nearest possibility when something is misspelled."""
        word = self._command_word(arguments)
        known = [*self.commands, *DEMOS]
        if word is not None and word not in known:
            self.parser.complain(f"there is no command {word!r} (see rheostat --help)", word, known)
        if word in self.commands:
            self.commands[word].check(arguments[list(arguments).index(word) + 1 :])
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

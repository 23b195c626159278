"""Runs a command, and turns errors into one line on stderr and an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from rheostat import errors
from rheostat.cli.parser import DEMOS, CommandLine

OK, FAILED, USAGE, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 130

_USAGE_ERRORS = (
    errors.InputError,
    errors.UnknownDevice,
    errors.UnknownScheme,
    errors.UnknownJob,
    errors.UnknownTable,
    errors.BadTargets,
    errors.BadParameter,
)


def run(arguments: Sequence[str]) -> int:
    """One command line. Returns the exit status."""
    try:
        if arguments and arguments[0] in DEMOS:
            return _demo(arguments)
        line = CommandLine()
        options = line.parse(arguments)
        if options.version:
            from rheostat import __version__

            sys.stdout.write(f"rheostat {__version__}\n")
            return OK
        if options.command is None:
            line.parser.print_help()
            return USAGE
        if options.command in DEMOS:
            line.parser.error(f"write {options.command} first: it has options of its own")
        from rheostat.cli import commands

        status = commands.COMMANDS[options.command](options)
        sys.stdout.flush()
        return status
    except errors.RheostatError as error:
        return _complain(str(error), status_of(error))
    except BrokenPipeError:  # the reader of a pipe has seen enough; Python would complain once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        return _complain(str(error), FAILED)
    except KeyboardInterrupt:
        return _complain("interrupted", INTERRUPTED)
    except ModuleNotFoundError as error:
        return _complain(f"this needs {error.name}: pip install 'rheostat[client]'", FAILED)


def status_of(error: errors.RheostatError) -> int:
    if isinstance(error, errors.DaemonUnavailable):
        return UNREACHABLE
    return USAGE if isinstance(error, _USAGE_ERRORS) else FAILED


def _demo(arguments: Sequence[str]) -> int:
    if arguments[0] == "demo":
        from rheostat import demo

        return demo.main(arguments[1:])
    from rheostat.characterisation import command

    return {"characterise": command.characterise, "compare": command.compare}[arguments[0]](arguments[1:])


def _complain(message: str, status: int) -> int:
    sys.stderr.write(f"rheostat: {message}\n")
    return status

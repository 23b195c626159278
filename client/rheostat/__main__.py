"""The `rheostat` command. Nothing heavy is imported before the command line is understood."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; the exit status is described in `rheostat --help`."""
    from rheostat.cli.main import run

    return run(sys.argv[1:] if arguments is None else list(arguments))


if __name__ == "__main__":
    sys.exit(main())

"""The `rheostatd` command. Signals are caught before anything else is imported: whoever stops a daemon that is just
starting gets the same orderly end."""

from __future__ import annotations

import sys

from rheostatd.signals import EndSignals


def main(arguments: list[str] | None = None) -> int:
    signals = EndSignals()
    from rheostatd.command import run

    try:
        return run(signals, arguments)
    finally:
        signals.over()


if __name__ == "__main__":
    sys.exit(main())

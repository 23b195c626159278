"""All benchmarks: one table, and the same rows in build/bench.json.

python -m tests.benchmarks.run [bus status journal startup] [--quick]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from tests.benchmarks import bus, front, journal, startup
from tests.benchmarks.rows import Row, save, show

OUTPUT = Path(__file__).resolve().parent.parent.parent / "build" / "bench.json"
GROUPS = {"bus": bus.measure, "status": front.measure, "journal": journal.measure, "startup": startup.measure}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure rheostat beside its references.")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"which of {', '.join(GROUPS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="few rounds: to try the harness, not to quote")
    arguments = parser.parse_args()
    if unknown := set(arguments.groups) - set(GROUPS):
        parser.error(f"no group {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
    rows: list[Row] = []
    for name in arguments.groups or GROUPS:
        start = time.monotonic()
        print(f"  {name} ...", end="", flush=True)
        rows += GROUPS[name](rounds=3) if arguments.quick else GROUPS[name]()
        print(f" {time.monotonic() - start:.0f} s", flush=True)
    show(rows)
    save(rows, OUTPUT)
    print(f"also in {OUTPUT}")


if __name__ == "__main__":
    main()

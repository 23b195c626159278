"""Writes deploy/constraints.txt anew: the newest versions that fit together, for every Python given.

    python3 deploy/pin.py python3.11 python3.12 python3.13

Asks pip what it would install under each Python (nothing is installed) and joins the answers; where they differ, the
line carries a marker. Look at the difference, run the tests, commit.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from setup_env import AIHWKIT_TOOLS, BACKEND, BENCH_REQUIREMENTS, CONSTRAINTS, EXTRAS, ROOT

HEADER = """\
# The versions rheostat is tested with. Made by deploy/pin.py; pip reads it with -c.
"""


def resolve(python: str) -> tuple[tuple[int, int], dict[str, str]]:
    """The version of `python` and what pip would install under it: name -> version."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python, "-m", "venv", folder], check=True)
        inside = f"{folder}/bin/python"
        subprocess.run([inside, "-m", "pip", "install", "-q", "-U", "pip"], check=True)
        report = f"{folder}/report.json"
        command = [inside, "-m", "pip", "install", "-q", "--dry-run", "--ignore-installed", "--report", report]
        command += [f".[{EXTRAS}]", *BACKEND, *AIHWKIT_TOOLS, "-r", str(BENCH_REQUIREMENTS)]
        subprocess.run(command, check=True, cwd=ROOT)
        answer = json.loads(Path(report).read_text())
    minor = tuple(int(part) for part in answer["environment"]["python_version"].split("."))
    found = {item["metadata"]["name"]: item["metadata"]["version"].split("+")[0] for item in answer["install"]}
    found.pop("rheostat")
    return (minor[0], minor[1]), found


def lines(found: dict[tuple[int, int], dict[str, str]]) -> list[str]:
    """One line per package and version, with a marker unless it is the same under every Python asked."""
    pythons = sorted(found)
    uses: dict[str, dict[str, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    for python in pythons:
        for name, version in found[python].items():
            uses[name][version].append(python)
    result = []
    for name in sorted(uses, key=str.lower):
        for version, where in uses[name].items():
            low, high = where[0], where[-1]
            marker = f"; python_version >= '{low[0]}.{low[1]}' and python_version < '{high[0]}.{high[1] + 1}'"
            result.append(f"{name}=={version}{'' if where == pythons else marker}")
    return result


def main(pythons: list[str]) -> None:
    found = dict(resolve(python) for python in pythons)
    CONSTRAINTS.write_text(HEADER + "\n".join(lines(found)) + "\n")
    print(f"{CONSTRAINTS}: {len(lines(found))} lines for Python {', '.join(f'{a}.{b}' for a, b in sorted(found))}")


if __name__ == "__main__":
    main(sys.argv[1:] or [sys.executable])

"""The real service process with the scripted executor: `serve.py --data DIR [--restarts N] [--min-free-mb N] ...`."""

from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path

from rheostat_hal import bench
from rheostatd import config, errors, log
from rheostatd.locks import lock_folder
from rheostatd.service.daemon import Daemon
from rheostatd.service.supervisor import Plan
from rheostatd.signals import EndSignals

STANDIN = str(Path(__file__).with_name("standin.py"))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--restarts", type=int)
    parser.add_argument("--min-free-mb", type=int)
    parser.add_argument("--event-ring", type=int)
    parser.add_argument("--queue-limit", type=int)
    given = vars(parser.parse_args())
    log.configure("debug", json=True)
    signals = EndSignals()
    try:
        settings = config.load(None, port=0, **given)
        settings.folder.mkdir(parents=True, exist_ok=True)
        lock = lock_folder(settings.folder)
        plan = Plan("", settings.folder, settings.restarts, lock, program=(STANDIN,))
        Daemon(settings, bench.load(None), plan, lock).run(functools.partial(print, flush=True), signals)
    except errors.DaemonError as error:
        print(f"{error.code}: {error}", file=sys.stderr)
        return 4
    finally:
        signals.over()
    return 0


if __name__ == "__main__":
    sys.exit(main())

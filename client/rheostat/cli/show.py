"""How things look: tables on a terminal, plain columns in a pipe, JSON when asked for, progress bars on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from rheostat import units, wire
from rheostat.errors import MissingExtra
from rheostat.export import columns, plain
from rheostat.results import CalibrateResult, ProgramResult, Result

ROWS = 32  # of a result on a terminal; files and --json have all
_LEFT_OUT = ("index", "reads", "rig_time_s", "wall_time_s")  # of a result on a terminal, which is narrow
_PIPED_WIDTH = 240
_WORTH_A_LINE = 60.0  # s that a job waits, for those who have no progress bar
_DIGITS = {  # behind the point
    "error_ohm": 3,
    "uncertainty_ohm": 3,
    "pulses": 1,
    "pulses_spread": 1,
    "voltage_v": 2,
    "wall_time_s": 3,
    "energy_j": 4,
}
_COUNTED = {
    "read": "devices",
    "initialise": "devices",
    "train": "devices",
    "check_table": "devices",
    "calibrate": "stages",
    "iv_loops": "loops",
    "identical_pulses": "trains",
    "staircase": "sweeps",
    "retention": "readings",
}
_NEEDS_RICH = "tables need rich: pip install 'rheostat[client]' (or ask for --json)"


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def note(text: str) -> None:
    """On stderr, where it does not get between a script and its data."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def dump(value: Any) -> None:
    """As JSON; nan and inf are null."""
    say(json.dumps(plain(value), indent=2 if sys.stdout.isatty() else None))
    sys.stdout.flush()


def table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = (), spare: Sequence[str] = ()
) -> None:
    """`right`: the headers of columns that hold numbers. `spare`: those to leave out on a terminal that is too narrow
    for all, the first one first. Columns without header and content are left out, too."""
    try:
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError as error:
        raise MissingExtra(_NEEDS_RICH) from error
    piped = not sys.stdout.isatty()
    console = Console(width=_PIPED_WIDTH if piped else None, highlight=False)
    shown = Table(box=None if piped else box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    widths = [max(len(cell) for cell in column) for column in zip(headers, *rows, strict=True)]
    places = [k for k in range(len(headers)) if headers[k] or widths[k]]
    for header in () if piped else spare:
        if sum(widths[k] + 2 for k in places) > console.width:
            places.remove(headers.index(header))
    room = console.width - 2 * len(places) - sum(widths[k] for k in places)
    for place in places:
        long = not piped and room < 0 and widths[place] == max(widths[k] for k in places[1:]) and place > 0
        justify: Literal["left", "right"] = "right" if headers[place] in right else "left"
        width = None if long else widths[place]  # names, ids and numbers are there to be copied; a sentence may fold
        shown.add_column(headers[place], justify=justify, no_wrap=not long, min_width=width, overflow="fold")
    for row in rows:
        shown.add_row(*(Text(row[place]) for place in places))
    console.print(shown)


def facts(pairs: Mapping[str, str]) -> None:
    """Name and value, one a line."""
    width = max(map(len, pairs))
    for name, value in pairs.items():
        say(f"{name:<{width}}  {value}")


def moment(unix: float | None) -> str:
    return "" if unix is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(unix))


def ohm(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def outcomes(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())


def state(of: wire.Job) -> str:
    """A job's state, and for one that waits when it goes on."""
    return f"{of.state} until {moment(of.due)}" if of.due is not None and not of.state.final else str(of.state)


def ending(of: wire.Job) -> str:
    """The job, its state, and why when it is not as it should be."""
    return f"job {of.job_id} {of.state}" + (f": {of.error}" if of.error and of.error != of.state else "")


def counted(kind: str) -> str:
    """What `done` and `total` of such a job count."""
    return _COUNTED.get(kind, "targets")


def goes_on(job: wire.Job) -> str:
    """When a job that waits goes on; nothing of others."""
    waits = job.state is wire.JobState.WAITING and job.due is not None
    return f"goes on at {units.time_of_day(job.due or 0.0)}" if waits else ""


def plan(planned: wire.Plan, kind: str = "program") -> None:
    facts(
        {
            counted(kind): str(planned.total),
            "write pulses": f"about {planned.pulses}" if planned.pulses else "none",
            "rig time": f"about {units.duration(planned.rig_time)}",
            **({} if planned.energy is None else {"energy": f"about {units.engineering(planned.energy, 'J')}"}),
            **({"risks": "; ".join(planned.risks)} if planned.risks else {}),
        }
    )


def result(of: Result) -> None:
    """The first rows as a table, then the totals."""
    if isinstance(of, CalibrateResult):
        say(f"{ending(of.job)}; {of.headline()}; {of.costs()}")
        return
    cells = of.overview() or columns(of)
    count = len(next(iter(cells.values())))
    if sys.stdout.isatty():
        cells = {name: column for name, column in cells.items() if name not in _LEFT_OUT}
    rows = [[_cell(name, column[i]) for name, column in cells.items()] for i in range(min(count, ROWS))]
    numbers = [name for name, column in cells.items() if column.dtype.kind in "fiu"]
    table(list(cells), rows, right=numbers, spare=("energy_j", "uncertainty_ohm", "pulses"))
    if count > ROWS:
        say(f"... {count - ROWS} more rows (all of them with --json, or in a file with --out)")
    say(f"{ending(of.job)}; {of.headline()}; {of.costs()}")


def result_json(of: Result) -> dict[str, Any]:
    extra = {"shape": of.shape} if isinstance(of, ProgramResult) else {}
    return {"summary": of.summary(), **extra, "columns": columns(of), "provenance": of.provenance}


def _cell(name: str, value: Any) -> str:
    if not isinstance(value, float):
        return str(value).replace("_", " ") if name == "outcome" else str(value)
    digits = {
        "error_ohm": 3,
        "uncertainty_ohm": 3,
        "pulses": 1,
        "pulses_spread": 1,
        "voltage_v": 2,
        "wall_time_s": 3,
        "energy_j": 4,
    }
    places = digits.get(name, 2 if name.endswith(("_ohm", "_s")) else 3)
    if 0.0 < abs(value) < 0.5 * 10.0 ** (1 - places):  # nanoseconds and picojoules would read as nothing
        return f"{value:.3g}"
    return f"{value:.{places}f}"


class Bar:
    """A job's progress; without a terminal, only when a job that waits goes on."""

    def __init__(self, label: str, progress: Any = None, task: Any = None) -> None:
        self._label = label
        self._progress = progress
        self._task = task

    def update(self, data: Mapping[str, Any]) -> None:
        """`data`: that of a job event."""
        if self._progress is None or "done" not in data:
            return
        totals = f"{data.get('pulses', 0)} pulses, rig time {units.duration(data.get('rig_time_s') or 0.0)}"
        self._update(data["done"], data.get("total"), f"{counted(data.get('kind', ''))}, {totals}")

    def show(self, job: wire.Job) -> None:
        """A snapshot."""
        if self._progress is not None:
            self._update(job.done, job.total, f"{counted(job.kind)}, {goes_on(job) or job.state}")
        elif goes_on(job) and (job.due or 0.0) > time.time() + _WORTH_A_LINE:
            note(f"{self._label} {goes_on(job)}")

    def _update(self, done: int, total: int | None, detail: str) -> None:
        self._progress.update(self._task, completed=done, total=total or None, detail=detail)


@contextmanager
def bar(label: str, wanted: bool = True) -> Iterator[Bar]:
    """A progress bar on stderr while the context lasts."""
    if not wanted or not sys.stderr.isatty():
        yield Bar(label)
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    except ImportError as error:
        raise MissingExtra(_NEEDS_RICH) from error
    parts = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeElapsedColumn(),
    )
    with Progress(*parts, console=Console(stderr=True), transient=True) as progress:
        yield Bar(label, progress, progress.add_task(label, total=None, detail="waiting"))

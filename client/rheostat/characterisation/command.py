"""The commands `rheostat characterise` and `rheostat compare`.

rheostat characterise --profile diao2025 --virtual --short --out build/short
rheostat compare build/monday build/friday --out difference.html
"""

from __future__ import annotations

import shlex
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from rheostat import units
from rheostat.characterisation import bench
from rheostat.characterisation.profile import known, load
from rheostat.characterisation.programme import Planned, Programme, Progress
from rheostat.cli.grammar.options import Parser
from rheostat.client import Rig, connect
from rheostat.errors import InputError

if TYPE_CHECKING:
    from rheostat.characterisation.record import Characterisation

OPENING = 60.0  # s that a running daemon is waited for while it opens its rig


def characterise(arguments: Sequence[str]) -> int:
    """Runs a programme. Returns the exit status: 0 done, 1 something is missing, 130 interrupted; errors go up."""
    parser = _parser()
    parser.check(arguments)
    given = parser.parse_args(arguments)
    console = Console(highlight=False)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill ends like Ctrl-C
    profile = load(given.profile, given.short)
    out = Path(given.out or f"characterisation-{profile.name}{'-short' * profile.short}")
    file = bench.of(given.bench, profile.bench if given.virtual else None)
    with _rig(given.address, file, out, console) as rig:
        programme = Programme(rig, profile, _names(given.devices), out, given.short)
        console.print(f"{profile.title}: {', '.join(programme.devices)} on {rig.status().bench}", markup=False)
        if not given.dry_run and programme.begun:
            console.print(f"goes on: {programme.begun} of {len(programme.steps)} steps were begun before", markup=False)
        planned = programme.plan()
        console.print(plan_table(planned))
        for note in plan_notes(planned):
            console.print(note, style="dim", markup=False)
        if given.dry_run:
            return 0
        began = time.monotonic()
        try:
            with Live(console) as live:
                done = programme.run(live.update, planned)
        except KeyboardInterrupt:
            console.print(
                f"\nInterrupted: the job is cancelled. The same command goes on from here ({out}).", markup=False
            )
            return 130
    done = replace(done, about={**done.about, "command": shlex.join(["rheostat", "characterise", *arguments])})
    show(console, done)
    console.print(f"The report is {done.report(out / 'report.html').resolve()}", markup=False, soft_wrap=True)
    console.print(f"All results are in {done.save(out).resolve()}", markup=False, soft_wrap=True)
    console.print(f"({time.monotonic() - began:.0f} s in all)")
    return 1 if done.missing else 0


def compare(arguments: Sequence[str]) -> int:
    """Puts two characterisations side by side. Returns the exit status."""
    from rheostat.characterisation import compare as comparing

    parser = Parser(
        prog="rheostat compare",
        description="Two devices, or one at two dates, side by side. What differs by more than two standard errors of"
        " the difference is marked.",
        epilog="example:\n  rheostat compare a1 b2 --out difference.html",
    )
    parser.option("first", metavar="A", help="a folder of `rheostat characterise`, or its characterisation.h5")
    parser.option("second", metavar="B", help="the other one")
    parser.option("--out", metavar="FILE", help="write the comparison with the curves of both as HTML")
    parser.check(arguments)
    given = parser.parse_args(arguments)
    if given.out and Path(given.out).suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--out {given.out}: the comparison is written as .html")
    of = comparing.load(given.first, given.second)
    console = Console(highlight=False)
    for note in of.notes:
        console.print(note, markup=False)
    table = _table("", *of.names, "difference", "", right=of.names)
    before = None
    for row in of.rows:
        if row.figure.section != before:
            before = row.figure.section
            table.add_section()
            table.add_row(f"[bold]{before}[/bold]", "", "", "", "")
        table.add_row(row.figure.words, *row.cells(), style="bold" if row.marked else "")
    console.print(table)
    if given.out:
        console.print(f"The comparison is {of.report(given.out).resolve()}", markup=False, soft_wrap=True)
    return 0


def plan_table(planned: Sequence[Planned]) -> Table:
    """Pulses, rig time and energy of every step, and in all; what must be known besides is told by `plan_notes`."""
    numbers = ("write pulses", "rig time", "energy")
    table = _table("step", "devices", *numbers, right=numbers)
    for each in planned:
        plan = each.plan
        cost = _cost(plan.pulses, plan.rig_time, plan.energy) if plan is not None else ("?", "?", "?")
        table.add_row(_title(each), ", ".join(each.step.devices), *cost)
    plans = [each.plan for each in planned if each.plan is not None]
    energies = [plan.energy for plan in plans if plan.energy is not None]
    whole = len(plans) == len(planned) and len(energies) == len(plans)
    total = _cost(sum(p.pulses for p in plans), sum(p.rig_time for p in plans), sum(energies) if energies else None)
    table.add_section()
    table.add_row("in all" if whole else "in all that is known", "", *total, style="bold")
    return table


def plan_notes(planned: Sequence[Planned]) -> list[str]:
    """Risks, and why something is not known, a sentence a step."""
    notes = []
    for each in planned:
        words = [each.why] if each.why else list(each.plan.risks) if each.plan is not None else []
        notes += [f"{_title(each)}: {'; '.join(words)}."] if words else []
    return notes


def _title(each: Planned) -> str:
    part = f" {each.step.part + 1}" if each.step.part else ""
    return each.step.name.replace("_", " ").replace(".", ", ") + part


def show(console: Console, done: Characterisation) -> None:
    """The figures that the paper prints, all where it prints none; and what is missing."""
    printed = [figure for figure in done.figures if figure.printed_shown]
    if not done.figures:
        console.print("Nothing was measured.")
    table = _table("", "this device", "paper", "difference", right=("this device", "paper", "difference"))
    before = None
    for figure in printed or done.figures:
        if figure.section != before:
            before = figure.section
            table.add_section()
            table.add_row(f"[bold]{before}[/bold]", "", "", "")
        table.add_row(figure.words, figure.shown, figure.printed_shown, figure.difference)
    if done.figures:
        console.print(table)
    if printed and len(printed) < len(done.figures):
        more = len(done.figures) - len(printed)
        console.print(f"{more} more figure{'s' * (more != 1)} of merit {'are' if more != 1 else 'is'} in the report.")
    if done.about.get("virtual"):
        console.print("The bench is virtual: these are simulated devices.")
    for sentence in done.missing:
        console.print(sentence, markup=False)


class Live:
    """Bars while a programme runs: its steps and the running job, rig time and what is left of it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Bars(
            TextColumn("{task.description:<26}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[detail]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._all = self._bars.add_task("programme", total=1.0, detail="")
        self._task: TaskID | None = None
        self._key = ""
        self._began = time.monotonic()

    def __enter__(self) -> Live:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def update(self, now: Progress) -> None:
        """Called with every news of the programme."""
        if self._task is None or self._key != now.step.key:
            if self._task is not None:
                self._bars.remove_task(self._task)
            self._key = now.step.key
            self._task = self._bars.add_task(now.step.name.replace("_", " ").replace(".", ", "), total=None, detail="")
        job = now.job
        rig_time = job.rig_time if job is not None else 0.0
        if job is not None:
            detail = f"{job.state}, {job.pulses:,} pulses, rig time {units.duration(rig_time)}"
            self._bars.update(self._task, completed=job.done, total=max(job.total, 1), detail=detail)
        done = min(now.done + rig_time, now.total)
        left = ""
        if now.total > 0.0 and 0.0 < done < now.total:
            wall = (time.monotonic() - self._began) * (now.total / done - 1.0)
            left = f", about {units.duration(wall)} left"
        detail = f"step {now.index} of {now.count}, rig time left {units.duration(now.total - done)}{left}"
        self._bars.update(self._all, completed=done, total=max(now.total, 1e-9), detail=detail)


@contextmanager
def _rig(address: str | None, file: Path | None, out: Path, console: Console) -> Iterator[Rig]:
    """The rig of the running daemon, or of one of our own on a bench file; it is stopped, and with it made safe."""
    if file is None:
        with connect(address, wait=0.0) as rig:
            end = time.monotonic() + OPENING
            while rig.status().state == "starting" and time.monotonic() < end:
                time.sleep(0.1)
            yield rig
        return
    if address is not None:
        raise InputError("--address names a running daemon, --bench and --virtual start one: one of them")
    with bench.daemon(out / "daemon", file, console.print) as started, connect(started) as rig:
        yield rig


def _cost(pulses: int, rig_time: float, energy: float | None) -> tuple[str, str, str]:
    return f"{pulses:,}", units.duration(rig_time), "?" if energy is None else units.engineering(energy, "J")


def _table(*headers: str, right: Sequence[str] = ()) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for header in headers:
        table.add_column(header, justify="right" if header in right else "left", no_wrap=header in right)
    return table


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _parser() -> Parser:
    parser = Parser(
        prog="rheostat characterise",
        description="Run a paper's whole measurement programme on a device, and write its figures beside the paper's.",
        epilog="example:\n  rheostat characterise --profile diao2025 --devices A1,B2 --out a1\n"
        "  rheostat characterise --profile xhameni2025 --virtual --short\n\n"
        "The same command goes on after a stop. Results go to OUT/characterisation.h5 and OUT/report.html.\n"
        "Exit status: 0 done; 1 something is missing or not as asked; 2 the command line, or what it names, is wrong;\n"
        "3 no daemon answers; 130 interrupted.",
    )
    parser.option(
        "--profile", default="diao2025", metavar="NAME|FILE", help=f"{', '.join(known())} or a .toml file (%(default)s)"
    )
    parser.option("--devices", metavar="NAMES", help="the one to characterise, then those to compare with it")
    parser.option("--bench", metavar="FILE", help="start a daemon on this bench instead of using the running one")
    parser.option("--virtual", action="store_true", help="start a daemon on the profile's own virtual bench")
    parser.option("--address", metavar="ADDRESS", help="of the running daemon, HOST:PORT")
    parser.option("--out", metavar="DIR", help="folder of everything (default: characterisation-PROFILE)")
    parser.option("--short", action="store_true", help="few voltages and cycles: to see that it works")
    parser.option("--dry-run", action="store_true", help="say what it would take, and do nothing")
    return parser


if __name__ == "__main__":
    sys.exit(characterise(sys.argv[1:]))

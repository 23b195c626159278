"""The whole way once: a trained network goes onto the virtual bench and comes back measured.

    rheostat demo
    python -m rheostat.demo --out DIR --weights 200

Every number it prints comes out of this run. Seeds are fixed: it repeats.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

from rheostat import units, wire
from rheostat.attend import attend
from rheostat.client import Rig, connect
from rheostat.errors import RheostatError
from rheostat.local import LocalDaemon

if TYPE_CHECKING:
    from rheostat.weights.datasets import DataSet
    from rheostat.weights.transfer import Transfer

SEED = 0
SIZES = (64, 16, 10)
NETWORK = "-".join(map(str, SIZES))
PAPER_VOLTAGES = wire.Calibrate(device="").voltages


@dataclass(frozen=True)
class Form:
    """How much of everything. max_train: None for the calibration's own default; weights: None for all; devices: None
    for all that the bench has."""

    voltages: tuple[float, ...] = PAPER_VOLTAGES
    max_train: int | None = None
    gain_pulses: int = 50
    devices: int | None = None
    weights: int | None = None
    epochs: int = 40


FULL = Form()
SHORT = Form(voltages=(0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 7.0), max_train=60, devices=3, weights=36, epochs=8)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0 done, 1 failed, 130 interrupted; wrong options exit with 2."""
    given = _parser().parse_args(arguments)
    console = Console(highlight=False)
    form = SHORT if given.short else FULL
    if given.weights is not None:
        form = replace(form, weights=given.weights)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill ends like Ctrl-C
    try:
        return Demo(console, form, Path(given.out)).run(given.data)
    except RheostatError as error:
        console.print(f"rheostat demo: {error}", markup=False)
        return 1


class Demo:
    """One run, step by step; every step prints a line when it is done."""

    def __init__(self, console: Console, form: Form, out: Path) -> None:
        self.console = console
        self.form = form
        self.out = out
        self.bars = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TextColumn("{task.fields[detail]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )

    def run(self, data: str | None) -> int:
        """All steps. On every way out the daemon is stopped, and with it the rig made safe."""
        began = time.monotonic()
        with _folder(data) as folder:
            daemon = LocalDaemon(folder)
            try:
                with self.bars:
                    report = self._steps(daemon)
            except KeyboardInterrupt:
                self.console.print(_ended(daemon), markup=False)
                return 130
            finally:
                _stop(daemon)
        self.console.print(f"The report is {report.resolve()}", markup=False, soft_wrap=True)
        self.console.print(f"({time.monotonic() - began:.0f} s in all)")
        return 0

    def _steps(self, daemon: LocalDaemon) -> Path:
        with self._step("start", "rheostatd and the virtual bench") as say:
            rig = connect(daemon.ready())
            known = rig.devices()
            say(f"{len(known)} devices; {' and '.join(i.model for i in rig.status().instruments)} over loopback")
        with rig:
            devices = [device.name for device in known][: self.form.devices]
            table, calibration = self._calibrate(rig, devices)
            data, model = self._train()
            done = self._program(rig, devices, model, data)
            self._show(done)
            return self._report(rig, done, table, calibration, data)

    def _calibrate(self, rig: Rig, devices: list[str]) -> tuple[wire.FeedforwardTable, wire.Job]:
        first, others = devices[0], devices[1:]
        options: dict[str, Any] = {
            "voltages": self.form.voltages,
            "max_train": self.form.max_train,
            "gain_pulses": self.form.gain_pulses,
        }
        plan = rig.plan_calibration(first, others, **options)
        self._line(
            "calibrate",
            f"will take up to {units.duration(plan.rig_time)} of rig time: dR(V, R) of {first} in both directions at"
            f" {len(self.form.voltages)} voltages, then the gains of {len(others)} other devices",
        )
        with self._step("calibrate", "") as say:
            result = attend(rig.calibrate(first, others, **options), self._follower())
            table = rig.table()
            say(
                f"took {units.duration(result.job.rig_time)} of rig time, {result.job.pulses:,} write pulses;"
                f" read noise {1e3 * table.info.noise:.0f} mΩ rms"
            )
        return table, result.job

    def _train(self) -> tuple[DataSet, Any]:
        with self._step("train", "loading torch and aihwkit") as say:
            from rheostat.weights import analog, datasets, networks  # noqa: F401  (a missing aihwkit is told here)

            data, model = datasets.digits(), networks.mlp(SIZES, seed=SEED)
            networks.train(
                model,
                data.train_images,
                data.train_labels,
                epochs=self.form.epochs,
                seed=SEED,
                progress=lambda epoch, total: self._show_progress(epoch, total, f"epoch {epoch} of {total}"),
            )
            digits = f"{len(data.train_labels):,} handwritten digits, tested on {len(data.test_labels)} others"
            say(f"{NETWORK} on {digits}; {self.form.epochs} epochs")
        return data, model

    def _program(self, rig: Rig, devices: list[str], model: Any, data: DataSet) -> Transfer:
        from rheostat.weights import networks
        from rheostat.weights.transfer import transfer

        with self._step("program", "") as say:
            done = transfer(
                model,
                rig,
                devices=devices,
                limit=self.form.weights,
                traces=devices[:1],
                evaluate=lambda network: networks.accuracy(network, data.test_images, data.test_labels),
                progress=self._follower(),
            )
            say(
                f"{done.programmed:,} of {done.weights:,} weights on {len(devices)} devices in turn, within"
                f" ±{done.tolerance:.3f} Ω: {int(done.result.verified.sum()):,} verified"
            )
        return done

    def _report(
        self, rig: Rig, done: Transfer, table: wire.FeedforwardTable, calibration: wire.Job, data: DataSet
    ) -> Path:
        with self._step("report", "figures") as say:
            from rheostat.figures import report

            written = report.write(
                self.out / "report.html",
                done,
                title=f"A {NETWORK} network on {len(done.placement.devices)} memristors",
                table=table,
                measured=self.form.voltages,
                status=rig.status(),
                details={
                    "network": {
                        "layers": NETWORK,
                        "activation": "ReLU",
                        "epochs": self.form.epochs,
                        "seed": SEED,
                    },
                    "calibrated": {"pulses": calibration.pulses, "rig_time": units.duration(calibration.rig_time)},
                    "data": {"name": data.name, "train": len(data.train_labels), "test": len(data.test_labels)},
                },
            )
            say("one HTML file with its figures inside")
        return written

    def _show(self, done: Transfer) -> None:
        table = Table(box=box.SIMPLE_HEAD, show_header=False, pad_edge=False)
        table.add_column(style="bold")
        table.add_column()
        table.add_column(justify="right")
        before = None
        for row in done.table():
            if before not in (None, row.section):
                table.add_section()
            table.add_row(row.section if row.section != before else "", row.label, row.value)
            before = row.section
        self.console.print(table)
        self.console.print(
            "The weights were measured in turn, each before its relays opened; they were not held together.\n"
        )

    @contextmanager
    def _step(self, name: str, detail: str) -> Iterator[Callable[[str], None]]:
        """A bar while the step goes on, and what it says as a line when it is done."""
        began = time.monotonic()
        self._task = self.bars.add_task(name, total=None, detail=detail)
        said: list[str] = []
        try:
            yield said.append
        finally:
            self.bars.remove_task(self._task)
        self._line(name, f"{' '.join(said)}  ({time.monotonic() - began:.1f} s)")

    def _line(self, name: str, text: str) -> None:
        line = Table.grid(Column(width=11), Column())
        line.add_row(name, Text(text))
        self.console.print(line)

    def _show_progress(self, done: int, total: int, detail: str) -> None:
        self.bars.update(self._task, completed=done, total=total, detail=detail)

    def _follower(self) -> Callable[[wire.Job], None]:
        def show(job: wire.Job) -> None:
            detail = f"{job.done} of {job.total}, {job.pulses:,} pulses, rig time {units.duration(job.rig_time)}"
            self._show_progress(job.done, max(job.total, 1), detail)

        return show


def _ended(daemon: LocalDaemon) -> str:
    if _stop(daemon):
        return "Interrupted: the job is cancelled, the outputs are at 0 V and the relays open; rheostatd has ended."
    return f"Interrupted, but rheostatd did not confirm a safe end. The end of its log:\n{daemon.tail()}"


def _stop(daemon: LocalDaemon) -> bool:
    """Stop the daemon; a second Ctrl-C does not keep it from making the rig safe."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return daemon.stop()
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _folder(data: str | None) -> Iterator[Path]:
    """The data folder: the one named, or one that is gone afterwards."""
    if data is not None:
        yield Path(data)
        return
    with tempfile.TemporaryDirectory(prefix="rheostat-demo-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rheostat demo",
        description="Start a daemon on the virtual bench, calibrate it, program a small network onto it, report.",
        epilog="example:\n  rheostat demo --out my-report",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", default="rheostat-demo", metavar="DIR", help="for report.html (%(default)s)")
    parser.add_argument("--data", metavar="DIR", help="keep the daemon's journal here (default: a temporary folder)")
    parser.add_argument("--short", action="store_true", help="few devices, weights and voltages: to see that it works")
    parser.add_argument("--weights", type=_count, metavar="N", help="program only N of the 1184 weights")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number, at least 1, not {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())

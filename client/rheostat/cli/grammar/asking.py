"""What can be said to bring devices to resistances, and to read them."""

from __future__ import annotations

from rheostat.cli.grammar.options import Add, running


def ask(add: Add) -> None:
    program = add(
        "program",
        "bring devices to target resistances",
        "rheostat program 800 790.5 --devices A1,A2 --wait",
        "rheostat program --file targets.csv --unit uS --order sweep --out run.h5",
        "rheostat program 760 840 --scheme incremental --dry-run",
    )
    program.option("targets", nargs="*", metavar="TARGET", help="numbers in --unit")
    program.option("--file", metavar="FILE", help="targets from CSV (a column `target`, perhaps `device`), NPY or NPZ")
    program.option("--key", metavar="NAME", help="which array of an NPZ file, which column of a CSV file")
    program.option("--devices", metavar="NAMES", help="names, separated by commas; targets are dealt to them in turn")
    program.option("--unit", default=None, help="ohm (default), kohm, S, uS, ... or weight")
    program.option("--levels", type=int, default=512, metavar="N", help="of the mapping of weights (default 512)")
    program.option("--range", type=float, metavar="W", help="weight at the window's end (default: the largest)")
    program.option("--scheme", default="ffp", help="ffp (default), levels or incremental")
    program.option("--param", action="append", default=[], metavar="KEY=VALUE", help="a setting of the scheme")
    program.option(
        "--tolerance", metavar="OHM", help="half the accepted band, perhaps with a unit: 20uS (default: half a level)"
    )
    program.option(
        "--confidence",
        type=float,
        default=0.95,
        metavar="P",
        help="that a verified target lies in the band (default 0.95)",
    )
    program.option("--order", choices=("given", "sweep"), default="given", help="of several targets on one device")
    program.option("--max-pulses", type=int, default=2000, metavar="N", help="for one target (default 2000)")
    program.option("--table", metavar="VERSION", help="feedforward table (default: the newest that fits)")
    program.option("--trace", metavar="NAMES", help="devices whose every pulse and reading is exported")
    running(program)

    read = add("read", "read devices", "rheostat read A1 A2 --readings 4", "rheostat read all --json")
    read.option("devices", nargs="*", metavar="DEVICE", help="names, or all (default)")
    read.option("--readings", type=int, default=1, metavar="N", help="of each device in one routing (default 1)")
    running(read, always=True)

    initialise = add(
        "initialise",
        "bring devices to one end of the window in closed loop",
        "rheostat initialise A1 --state LRS --wait",
    )
    initialise.option("devices", nargs="+", metavar="DEVICE", help="names, or all")
    initialise.option("--state", required=True, type=str.upper, choices=("HRS", "LRS"), help="which end")
    initialise.option("--max-pulses", type=int, default=2000, metavar="N", help="for one device (default 2000)")
    running(initialise)

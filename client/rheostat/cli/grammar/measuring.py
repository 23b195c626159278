"""What can be said to characterise devices, and to do again what was done."""

from __future__ import annotations

from rheostat.cli.grammar.options import Add, Parser, running

VOLTAGES = "V, positive (default: the fifteen of Diao 2025)"


def measure(add: Add) -> None:
    for build in (_iv_loops, _identical_pulses, _calibrate, _check_table, _staircase, _train, _retention, _repeat):
        build(add)


def _iv_loops(add: Add) -> None:
    loops = add(
        "iv-loops",
        "run I-V loops: the memory characteristic, until it has settled",
        "rheostat iv-loops A1 --dry-run",
        "rheostat iv-loops A1 --amplitude 6 --loops 20 --out loops.h5",
        "rheostat iv-loops A1 --voltages 0,2,4,2,0,-2,-4,-2 --dwell 10 --wait",
    )
    _devices(loops)
    loops.option("--amplitude", type=float, metavar="V", help="of a loop of equal steps (default 6)")
    loops.option("--steps", type=int, metavar="N", help="from 0 V to the amplitude (default 6)")
    loops.option("--voltages", metavar="V,V,...", help="V, signed: one loop, in place of amplitude and steps")
    loops.option("--loops", type=int, default=20, metavar="N", help="how many (default 20)")
    loops.option("--dwell", type=float, default=100.0, metavar="S", help="at each voltage (default 100 s)")
    loops.option("--width", type=float, metavar="S", help="of the write pulses of a dwell, at most (default 2 s)")
    running(loops)


def _identical_pulses(add: Add) -> None:
    trains = add(
        "identical-pulses",
        "apply trains of identical write pulses, from HRS down and from LRS up",
        "rheostat identical-pulses A1 --dry-run",
        "rheostat identical-pulses A1 --voltages 0.5,1,2,4 --pulses 50 --repetitions 3 --out trains.h5",
    )
    _devices(trains)
    trains.option("--voltages", metavar="V,V,...", help=VOLTAGES)
    trains.option("--pulses", type=int, default=100, metavar="N", help="of one train (default 100)")
    trains.option("--repetitions", type=int, default=5, metavar="N", help="of each train (default 5)")
    trains.option("--width", type=float, default=2.0, metavar="S", help="of a write pulse (default 2 s)")
    running(trains)


def _calibrate(add: Add) -> None:
    calibrate = add(
        "calibrate",
        "measure dR(V, R) of a device and store a feedforward table",
        "rheostat calibrate A1 --dry-run",
        "rheostat calibrate A1 --others all --wait",
        "rheostat calibrate A1 --trains last --wait",
    )
    calibrate.option("device", metavar="DEVICE", help="measured in full")
    calibrate.option("--others", metavar="NAMES", help="whose gain is fitted: names, or all")
    calibrate.option("--voltages", metavar="V,V,...", help=VOLTAGES)
    calibrate.option("--width", type=float, metavar="S", help="of a write pulse (default 0.8 s)")
    calibrate.option("--max-train", type=int, metavar="N", help="write pulses of one train (default 250)")
    calibrate.option("--gain-pulses", type=int, metavar="N", help="for each of the others (default 50)")
    calibrate.option("--trains", metavar="JOB", help="fit those of an identical-pulses job, in place of new ones")
    running(calibrate)


def _check_table(add: Add) -> None:
    check = add(
        "check-table",
        "tell by a few write pulses whether a feedforward table still fits; status 1 where it does not",
        "rheostat check-table A1 A2 --wait",
        "rheostat check-table all --table A1-20261125T090000Z-202611 --pulses 40 --wait --json",
    )
    _devices(check)
    check.option("--table", metavar="VERSION", help="feedforward table (default: the newest that fits)")
    check.option("--pulses", type=int, default=24, metavar="N", help="for each device, at most (default 24)")
    running(check)


def _staircase(add: Add) -> None:
    sweeps = add(
        "staircase",
        "sweep devices through the whole window and back by the feedforward table",
        "rheostat staircase A1 --cycles 2 --dry-run",
        "rheostat staircase A1 --cycles 66 --out sweeps.h5",
    )
    _devices(sweeps)
    sweeps.option("--cycles", type=int, default=66, metavar="N", help="potentiation and depression (default 66)")
    sweeps.option("--table", metavar="VERSION", help="feedforward table (default: the newest that fits)")
    sweeps.option("--max-pulses", type=int, default=2000, metavar="N", help="of one sweep (default 2000)")
    running(sweeps)


def _train(add: Add) -> None:
    train = add(
        "train",
        "apply a train of write pulses as it is, and read after each of them",
        "rheostat train S1 --voltages 0.7,0.8,0.9,-0.7,-0.8,-0.9 --widths 2e-7 --cycles 100 --out states.h5",
    )
    _devices(train)
    train.option("--voltages", required=True, metavar="V,V,...", help="V, positive potentiates")
    train.option("--widths", required=True, metavar="S,S,...", help="s, as many as voltages, or one for all")
    train.option("--cycles", type=int, default=1, metavar="N", help="how often (default 1)")
    train.option(
        "--measure", choices=("states", "energy"), default="states", help="where a source cannot measure both at once"
    )
    running(train)


def _retention(add: Add) -> None:
    retention = add(
        "retention",
        "read devices at given times; other jobs run between",
        "rheostat retention A1 A2 --times 10,100,1000,1h,1d",
        "rheostat retention all --times 1min,1h --readings 8 --out retention.h5",
    )
    _devices(retention)
    retention.option(
        "--times", required=True, metavar="T,T,...", help="after the first reading, rising: s, or with min, h or d"
    )
    retention.option("--readings", type=int, default=4, metavar="N", help="at each time in one routing (default 4)")
    running(retention)


def _repeat(add: Add) -> None:
    repeat = add(
        "repeat",
        "do again what a job did, or what it left unfinished",
        "rheostat repeat last --dry-run",
        "rheostat repeat 20261125-090312-5c1d7a0e --unfinished --wait",
        "rheostat repeat sweeps.h5 --out again.h5",
    )
    repeat.option("job", metavar="JOB", help="its id, the beginning of it, `last`, or a file with its result")
    repeat.option("--unfinished", action="store_true", help="only what it had not finished; its result has all")
    running(repeat)


def _devices(parser: Parser) -> None:
    parser.option("devices", nargs="+", metavar="DEVICE", help="names, or all")

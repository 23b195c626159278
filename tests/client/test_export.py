from __future__ import annotations

import csv
import dataclasses
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rheostat import export, results, targets, wire
from rheostat.errors import InputError
from rheostat.trace import TRACE_FIELDS
from tests.client.synthetic import SPECS, result_of

anything = st.floats(allow_nan=True, allow_infinity=True)


def _job(kind: str, total: int) -> wire.Job:
    outcomes = {"verified": total}
    return wire.Job(
        job_id="j-1", kind=kind, state=wire.JobState.DONE, started=1.5, finished=3.0, total=total, outcomes=outcomes
    )


def _program(shape: tuple[int, ...], numbers: np.ndarray, traced: bool = False) -> results.ProgramResult:
    n = int(np.prod(shape))
    names = ["targets", "achieved", "uncertainty", "energy", "rig_time", "wall_time"]
    arrays = {name: numbers[k].reshape(-1) for k, name in enumerate(names)}
    arrays |= {name: np.arange(n, dtype=np.int32) for name in ("pulses", "reads")}
    arrays["device"] = (np.arange(n) % 2).astype(np.int32)
    arrays["outcome"] = (np.arange(n) % 13).astype(np.uint8)
    if traced:
        arrays |= {f"trace_0_{name}": np.linspace(0, 1, 5) for name in TRACE_FIELDS}
    reply = wire.Result(job=_job("program", n), devices=("A1", "A2"), provenance={"seed": 7, "table": "t-1"})
    wanted = targets.Targets(np.full(shape, 800.0), "uS")
    built = results.build(reply, arrays, wanted, ("A2",) if traced else ())
    assert isinstance(built, results.ProgramResult)
    return built


def _same(ours: results.Result, theirs: results.Result) -> None:
    assert type(ours) is type(theirs)
    assert (ours.job, ours.devices, ours.provenance) == (theirs.job, theirs.devices, theirs.provenance)
    assert ours.arrays.keys() == theirs.arrays.keys()
    for name, array in ours.arrays.items():
        assert array.dtype == theirs.arrays[name].dtype, name
        np.testing.assert_array_equal(array, theirs.arrays[name], err_msg=name)


@pytest.mark.parametrize("ending", ["npz", "h5"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), shape=hnp.array_shapes(min_dims=0, max_dims=3, max_side=4))
def test_a_saved_result_comes_back_with_the_same_numbers(tmp_path, ending: str, data, shape) -> None:
    numbers = data.draw(hnp.arrays(np.float64, (6, *shape), elements=anything))
    ours = _program(shape, numbers)
    theirs = export.load(export.save(ours, tmp_path / f"run.{ending}"))
    _same(ours, theirs)
    assert theirs.achieved.shape == shape
    assert theirs.unit == "uS"


@pytest.mark.parametrize("ending", ["npz", "hdf5"])
def test_traces_come_back_under_their_devices(tmp_path, ending: str) -> None:
    ours = _program((3,), np.ones((6, 3)), traced=True)
    theirs = export.load(export.save(ours, tmp_path / f"run.{ending}"))
    _same(ours, theirs)
    assert theirs.traces["A2"].voltage.tolist() == ours.traces["A2"].voltage.tolist() == [0, 0.25, 0.5, 0.75, 1]


@pytest.mark.parametrize("ending", ["npz", "h5"])
@pytest.mark.parametrize(
    ("kind", "arrays"),
    [
        ("read", {"resistance": np.array([[800.0, np.inf], [790.0, 790.1]])}),
        (
            "initialise",
            {
                "achieved": np.array([740.1, 741.0]),
                "outcome": np.array([1, 2], dtype=np.uint8),
                "pulses": np.array([3, 4], dtype=np.int32),
                "energy": np.array([0.1, 0.2]),
            },
        ),
        (
            "calibrate",
            {
                "voltages": np.array([1.0, 2.0]),
                "resistances": np.array([740.0, 800.0, 880.0]),
                "potentiation": np.arange(6.0).reshape(2, 3),
                "depression": np.arange(6.0).reshape(2, 3) / 2,
            },
        ),
    ],
)
def test_every_kind_of_result_is_exported(tmp_path, ending: str, kind: str, arrays) -> None:
    reply = wire.Result(job=_job(kind, 2), devices=("A1", "A2"), provenance={})
    ours = results.build(reply, arrays)
    _same(ours, export.load(export.save(ours, tmp_path / f"run.{ending}")))
    lengths = {len(column) for column in export.columns(ours).values()}
    assert len(lengths) == 1


def test_csv_keeps_every_digit_and_says_units_and_provenance(tmp_path) -> None:
    numbers = np.random.default_rng(1).normal(800, 50, (6, 4))
    path = export.save(_program((2, 2), numbers.reshape(6, 2, 2)), tmp_path / "run.csv")
    first, about, *lines = path.read_text().splitlines()
    assert first == "# rheostat program job j-1"
    assert json.loads(about[2:])["provenance"] == {"seed": 7, "table": "t-1"}
    assert json.loads(about[2:])["outcomes"]["1"] == "verified"
    rows = list(csv.DictReader(lines))
    assert [float(row["achieved_ohm"]) for row in rows] == numbers[1].tolist()
    assert [row["device"] for row in rows] == ["A1", "A2", "A1", "A2"]
    assert [row["outcome"] for row in rows] == ["pending", "verified", "not_converged", "stuck"]
    assert {"target_ohm", "error_ohm", "uncertainty_ohm", "energy_j", "rig_time_s", "wall_time_s"} <= rows[0].keys()


def test_hdf5_data_sets_carry_their_units(tmp_path) -> None:
    h5py = pytest.importorskip("h5py")
    path = export.save(_program((2,), np.ones((6, 2)), traced=True), tmp_path / "run.h5")
    with h5py.File(path) as file:
        units = {name: file[name].attrs["unit"] for name in file if name != "devices_named"}
    assert units["achieved_ohm"] == "ohm"
    assert units["rig_time_s"] == units["wall_time_s"] == units["trace_0_width_s"] == "s"
    assert units["trace_0_voltage_v"] == "V"
    assert units["pulses"] == "1"


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path) -> None:
    with pytest.raises(InputError, match="the ending tells the format"):
        export.save(_program((2,), np.ones((6, 2))), tmp_path / "run.xlsx")
    with pytest.raises(InputError, match="unknown format 'xml'; possible: csv, npz, hdf5"):
        export.save(_program((2,), np.ones((6, 2))), tmp_path / "run", "xml")
    with pytest.raises(InputError, match=r"there is no folder .*nowhere"):
        export.save(_program((2,), np.ones((6, 2))), tmp_path / "nowhere" / "run.npz")
    broken = _program((2,), np.ones((6, 2)))
    del broken.arrays["achieved"]
    with pytest.raises(KeyError):
        export.save(broken, tmp_path / "run.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_somebody_else_is_not_taken_for_a_result(tmp_path) -> None:
    np.savez(tmp_path / "other.npz", x=np.ones(3))
    (tmp_path / "other.h5").write_bytes(b"not hdf5")
    for name in ("other.npz", "other.h5"):
        with pytest.raises(InputError, match="is not a result that rheostat saved"):
            export.load(tmp_path / name)


def test_json_has_no_nan() -> None:
    value = export.plain({"a": np.array([1.0, np.nan]), "b": float("inf"), "c": (wire.JobState.DONE, b"\x01")})
    assert json.loads(json.dumps(value, allow_nan=False)) == {"a": [1.0, None], "b": None, "c": ["done", "01"]}


def test_a_train_is_a_table_with_a_row_for_each_pulse(tmp_path) -> None:
    shape = (2, 3, 4)
    arrays = {
        "voltage": np.array([0.7, 0.8, -0.7, -0.8]),
        "width": np.full(4, 2e-7),
        "resistance": np.arange(24.0).reshape(shape) + 300.0,
        "energy": np.full(shape, 1e-9),
        "pulses": np.full(2, 12, np.int32),
    }
    reply = wire.Result(job=_job("train", 2), devices=("S1", "S2"), provenance={})
    ours = results.build(reply, arrays)
    assert isinstance(ours, results.TrainResult)
    table = export.columns(ours)
    assert {len(column) for column in table.values()} == {24}
    row = {name: column[17] for name, column in table.items()}
    assert (row["device"], row["cycle"], row["pulse"], row["voltage_v"]) == ("S2", 1, 1, 0.8)
    assert row["resistance_ohm"] == 317.0
    _same(ours, export.load(export.save(ours, tmp_path / "train.h5")))
    assert ours.pulses.tolist() == [12, 12]
    assert "2 devices, 3 x 4 write pulses each" in repr(ours)


@pytest.mark.parametrize("kind", list(SPECS))
@pytest.mark.parametrize("ending", ["npz", "h5"])
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(done=st.floats(0.0, 1.0), seed=st.integers(0, 1000))
def test_what_was_measured_comes_back_whole_or_ended_early(tmp_path, kind, ending, done: float, seed: int) -> None:
    ours = result_of(kind, done, seed, table="t-1")
    theirs = export.load(export.save(ours, tmp_path / f"run.{ending}"))
    assert theirs.provenance == json.loads(json.dumps(ours.provenance))
    _same(ours, dataclasses.replace(theirs, provenance=ours.provenance))


@pytest.mark.parametrize("kind", list(SPECS))
def test_csv_of_what_was_measured_has_a_row_for_each_reading_pulse_or_cell(tmp_path, kind: str) -> None:
    ours = result_of(kind)
    path = export.save(ours, tmp_path / "run.csv")
    rows = list(csv.DictReader(path.read_text().splitlines()[2:]))
    sizes = {name: array.size for name, array in ours.arrays.items()}
    which = {"check_table": "measured", "calibrate": "potentiation"}.get(kind, "resistance")
    assert len(rows) == sizes[which]
    assert [float(row[f"{which}_ohm"]) for row in rows] == ours.arrays[which].reshape(-1).tolist()


def test_every_array_of_what_was_measured_that_has_a_unit_carries_it(tmp_path) -> None:
    h5py = pytest.importorskip("h5py")
    without = {"counts", "outcome", "gain", "gain_error", "expected", "fits"}
    for kind in SPECS:
        with h5py.File(export.save(result_of(kind), tmp_path / "run.h5")) as file:
            units = {name: file[name].attrs["unit"] for name in file if name != "devices_named"}
        assert {name for name, unit in units.items() if unit == "1"} <= without
        assert all(name.endswith(("_ohm", "_v", "_a", "_s", "_j")) for name in units if name not in without)

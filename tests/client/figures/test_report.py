from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pytest

from rheostat import results, wire
from rheostat.figures import page, report
from rheostat.weights.mapping import Mapping
from rheostat.weights.placement import place
from rheostat.weights.transfer import Accuracy, Layer, Transfer
from rheostat.wire import Outcome

VOID = {"meta", "br", "use", "path", "rect", "image", "link"}


class Page(HTMLParser):
    """Collects text, and everything that would be fetched; checks that elements are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.words, self.fetched, self.open, self.tags = [], [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            if name in ("src", "href", "xlink:href", "data") and not value.startswith(("#", "data:")):
                self.fetched.append(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def a_transfer(**provenance):
    mapping = Mapping(levels=16).fit([1.0])
    weights = np.linspace(-1, 1, 12).astype(np.float32).reshape(3, 4)
    target = mapping.to_resistance(weights)
    achieved = target + 0.5
    outcome = np.full(12, Outcome.VERIFIED, dtype=np.uint8)
    outcome[3] = Outcome.NOT_CONVERGED
    placement = place({"fc": (3, 4)}, ["A1", "A2", "A3", "A4", "B1"])
    arrays = {
        "targets": target.ravel(),
        "device": placement.device.astype(np.int32),
        "achieved": achieved.ravel(),
        "outcome": outcome,
        "reads": np.full(12, 9, dtype=np.int32),
    }
    job = wire.Job(
        job_id="j-1", kind="program", state=wire.JobState.DONE, pulses=1200, reads=1300, energy=0.5, rig_time=960.0
    )
    reply = wire.Result(job=job, devices=placement.devices, provenance=provenance)
    layer = Layer(
        "fc",
        "Linear",
        mapping,
        weights,
        target,
        achieved,
        outcome.reshape(3, 4),
        np.ones((3, 4), dtype=bool),
        mapping.position_of(achieved).astype(np.float32),
    )
    accuracy = Accuracy(0.971, 0.969, 0.968, 0.955)
    return Transfer(None, None, (layer,), accuracy, results.build(reply, arrays), placement, mapping.half_level)


def test_the_report_needs_nothing_from_anywhere(tmp_path):
    written = report.write(tmp_path / "deep" / "report.html", a_transfer(), title="A network on 5 memristors")
    text = written.read_text(encoding="utf-8")
    parsed = Page(text)
    assert parsed.fetched == []
    assert "script" not in parsed.tags
    assert "@import" not in text
    assert "url(http" not in text
    assert [path.name for path in written.parent.iterdir()] == ["report.html"]


def test_the_report_says_that_the_weights_were_never_held_together():
    parsed = Page(report.document(a_transfer(), title="t"))
    assert "measured one after another, 2 to 3 on each of 5 devices" in parsed.text
    assert "no moment saw them all held together" in parsed.text
    assert "closing them anew changes the contact resistances" in parsed.text


def test_the_report_holds_every_row_of_the_table_and_the_numbers_of_the_run():
    transfer = a_transfer()
    text = Page(report.document(transfer, title="t")).text
    for row in transfer.table():
        assert row.label in text
        assert row.value in text
    assert "97.1 %" in text
    assert "11 of them (91.7 %) were verified" in text
    assert "half a level of 16 between 740 and 880 Ω" in text
    assert "1,200" in text


def test_the_report_keeps_the_provenance():
    parsed = Page(
        report.document(
            a_transfer(parameters={"step_ohm": 0.262}, seed=2025, versions={"numpy": "2.4"}),
            title="t",
            details={"network": {"seed": 0}},
        )
    )
    for words in ("step_ohm 0.262", "seed 2025", "numpy 2.4", "weight_range fc ±1"):
        assert words in parsed.text


def test_the_provenance_is_told_with_its_units():
    limits = {"compliance": 0.1, "max_voltage": 7.0, "host_timed": False}
    text = Page(report.document(a_transfer(limits=limits, calibration={"noise": 0.021}), title="t")).text
    for words in ("compliance_a 0.1", "max_voltage_v 7", "host_timed False", "noise_ohm 0.021"):
        assert words in text


def test_names_from_outside_cannot_break_the_page():
    parsed = Page(
        report.document(a_transfer(scheme="<script>alert(1)</script>"), title="<b>&", details={"a<": {"b": "<"}})
    )
    assert "script" not in parsed.tags
    assert "<script>alert(1)</script>" in parsed.text
    assert "<b>&" in parsed.text


def test_the_same_run_gives_the_same_report():
    assert report.document(a_transfer(), title="t") == report.document(a_transfer(), title="t")


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ({"a": {"b": {"c": 1.5}, "d": [1, 2]}}, [("a", "b c 1.5; d 1, 2")]),
        ({"empty": {}, "none": []}, [("empty", "none"), ("none", "none")]),
        ({"many": list(range(30))}, [("many", ", ".join(map(str, range(24))) + ", ... (30 in all)")]),
        ({"created": 1.75e9}, [("created", "2025-06-15T15:06:40+00:00")]),
    ],
)
def test_nested_provenance_becomes_rows(content, rows):
    assert page.flatten(content) == rows

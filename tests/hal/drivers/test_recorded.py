"""Recorded dialogues: what stands in them, and that they play back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheostat_hal.bus_replay import Dialogue, RecordingBus, ReplayBus, steps
from rheostat_hal.errors import BusAborted, BusError, BusTimeout


def test_a_recorded_dialogue_plays_back() -> None:
    notes: list[str] = []
    dialogue = "> *IDN?\n< a,b,c,d\n! cleared\n> XE"
    bus = RecordingBus(ReplayBus(dialogue), notes.append)
    assert bus.query("*IDN?", 1.0) == "a,b,c,d"
    bus.clear()
    bus.write("XE")
    bus.close()
    assert "\n".join(notes) == dialogue
    assert (bus.writes, bus.reads) == (2, 1)


def test_what_is_left_of_a_dialogue_fails() -> None:
    bus = ReplayBus("> *IDN?\n< a,b,c,d")
    bus.write("*IDN?")
    with pytest.raises(AssertionError, match="never happened"):
        bus.close()


LINES = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\n\r"))
STEPS = st.one_of(
    st.tuples(st.sampled_from(("analyser", "switch")), st.builds("{} {}".format, st.sampled_from("<>"), LINES)),
    st.tuples(st.sampled_from(("analyser", "switch")), st.sampled_from(("! silence", "! lost", "! cleared"))),
)


@given(st.lists(STEPS))
def test_a_dialogue_is_the_same_after_it_has_been_text(happened: list[tuple[str, str]]) -> None:
    assert list(steps("".join(f"{name} {step}\n" for name, step in happened))) == happened


@pytest.mark.parametrize("line", ["*IDN?", "analyser: > *IDN?", "analyser *IDN?"])
def test_a_line_that_is_no_part_of_a_dialogue_is_named(line: str) -> None:
    with pytest.raises(ValueError, match="line 2 is no part of a dialogue"):
        list(steps(f"> XE\n{line}"))


def replayed(dialogue: str) -> tuple[RecordingBus, list[str]]:
    """A recording of a replay, and what it notes."""
    notes: list[str] = []
    played = Dialogue(dialogue)
    bus = RecordingBus(played.bus("analyser"), notes.append, "analyser")
    played.interrupt = bus.abort
    return bus, notes


def test_silence_and_a_lost_connection_are_recorded_and_play_back() -> None:
    dialogue = "analyser > XE\nanalyser ! silence\nanalyser ! cleared\nanalyser > DZ\nanalyser ! lost"
    bus, notes = replayed(dialogue)
    bus.write("XE")
    with pytest.raises(BusTimeout):
        bus.read(1.0)
    bus.clear()
    with pytest.raises(BusError, match="lost"):
        bus.query("DZ", 1.0)
    bus.close()
    assert "\n".join(notes) == dialogue


def test_an_abort_plays_back_where_it_happened_and_silences_the_bus_until_it_is_cleared() -> None:
    dialogue = "analyser > XE\nanalyser ! aborted\nanalyser ! cleared\nanalyser > *IDN?\nanalyser < me"
    bus, notes = replayed(dialogue)
    bus.write("XE")
    with pytest.raises(BusAborted):
        bus.read(1.0)
    with pytest.raises(BusAborted):
        bus.write("XE")
    bus.abort()  # once more
    bus.clear()
    assert bus.query("*IDN?", 1.0) == "me"
    bus.close()
    assert "\n".join(notes) == dialogue


def test_what_comes_after_an_abort_is_neither_recorded_nor_handed_on() -> None:
    notes: list[str] = []
    bus = RecordingBus(Late(), notes.append)
    bus.write("XE")
    bus.abort()
    with pytest.raises(BusAborted):
        bus.read(1.0)
    assert notes == ["> XE", "! aborted"]


class Late(ReplayBus):
    """Answers as if the abort had come a moment later."""

    def __init__(self) -> None:
        super().__init__("> XE\n! aborted\n< NCI-1.25000E-04")

    def read(self, timeout: float) -> str:
        return self.dialogue.take("", "a read")[2:]


def test_an_abort_that_nobody_is_there_to_call_is_said() -> None:
    bus = ReplayBus("> XE\n! aborted")
    bus.write("XE")
    with pytest.raises(AssertionError, match="nobody has said what is to be called"):
        bus.read(1.0)


def test_two_instruments_keep_their_order() -> None:
    dialogue = Dialogue("analyser > DZ\nswitch > channel.open('allslots')")
    with pytest.raises(AssertionError, match="the dialogue goes on with 'analyser > DZ'"):
        dialogue.bus("switch").write("channel.open('allslots')")

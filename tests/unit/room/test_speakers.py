from hypothesis import given
from hypothesis import strategies as st

from sfu.room.speakers import HOLD_US, MARGIN_DB, SPEAKING_LEVEL, Speakers

QUIET, TALKING, SHOUTING = 90, 30, 10


def speakers() -> Speakers:
    made = Speakers()
    for sid in ("ann", "bob", "eve"):
        made.add(sid)
    return made


def test_who_speaks_long_enough_takes_the_floor() -> None:
    room = speakers()
    assert not room.hear({"eve": TALKING}, 0)
    assert not room.hear({"eve": TALKING}, HOLD_US - 1)
    assert room.hear({"eve": TALKING}, HOLD_US)
    assert room.order == ("eve", "ann", "bob")


def test_a_cough_takes_nothing() -> None:
    room = speakers()
    room.hear({"eve": SHOUTING}, 0)
    room.hear({"eve": QUIET}, HOLD_US // 2)
    assert not room.hear({"eve": SHOUTING}, HOLD_US)


def test_an_equally_loud_voice_does_not_take_the_floor() -> None:
    room = speakers()
    both = {"ann": TALKING, "bob": TALKING - MARGIN_DB + 1}
    room.hear(both, 0)
    assert not room.hear(both, 10 * HOLD_US)


def test_a_louder_voice_interrupts() -> None:
    room = speakers()
    both = {"ann": TALKING, "bob": TALKING - MARGIN_DB}
    room.hear(both, 0)
    assert room.hear(both, HOLD_US)
    assert room.first_of(["ann", "bob"]) == "bob"


@given(
    st.lists(st.tuples(st.dictionaries(st.sampled_from("abc"), st.integers(0, 127)), st.integers(0, 10**6)))
)
def test_nobody_is_lost_or_doubled_and_silence_never_wins(story: list[tuple[dict[str, int], int]]) -> None:
    room, now_us = Speakers(), 0
    for sid in "abc":
        room.add(sid)
    for levels, passed_us in story:
        now_us += passed_us
        if room.hear(levels, now_us):
            assert levels[room.order[0]] < SPEAKING_LEVEL
        assert sorted(room.order) == ["a", "b", "c"]

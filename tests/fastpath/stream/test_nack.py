"""The list of missing packets: complete, patient, bounded; against a dictionary model."""

from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.fastpath.probes import stream_probe as probe

FIRST = (1 << 16) + 60_000
WINDOW, TRIES = 512, 10
REORDER_US, SPACING_US, SPACING_MAX_US = 10_000, 20_000, 400_000
NEVER = 2**64 - 1


@dataclass
class Missing:
    due_us: int
    due_seq: int
    tries: int = 0


@dataclass
class Model:
    """What NackList promises, with a dict and no cleverness."""

    highest: int | None = None
    missing: dict[int, Missing] = field(default_factory=dict)

    def on_packet(self, seq: int, now_us: int) -> int:
        if self.highest is None:
            self.highest = seq
            return 0
        if seq <= self.highest:
            self.missing.pop(seq, None)
            return 0
        gap = range(self.highest + 1, seq)
        if len(gap) >= WINDOW:
            self.missing.clear()
            self.highest = seq
            return -1
        self.missing |= {s: Missing(now_us + REORDER_US, seq + 1) for s in gap}
        self.missing = {s: m for s, m in self.missing.items() if s > seq - WINDOW}
        self.highest = seq
        return len(gap)

    def poll(self, now_us: int, rtt_us: int) -> list[int]:
        assert self.highest is not None
        spacing = max(SPACING_US, rtt_us)
        asked = []
        for seq, entry in sorted(self.missing.items()):
            if now_us < entry.due_us and (entry.tries or self.highest < entry.due_seq):
                continue
            if entry.tries == TRIES:
                del self.missing[seq]
                continue
            asked.append(seq & 0xFFFF)
            entry.due_us = now_us + min(spacing + spacing * entry.tries // 4, max(spacing, SPACING_MAX_US))
            entry.tries += 1
        return asked


# (seq step, time step in us, round trip in us); a wide gap now and then
steps = st.tuples(
    st.one_of(st.integers(-30, 6), st.sampled_from([1, 1, 1, 1, 2, 90, 511, 512, 513, 700])),
    st.integers(0, 60_000),
    st.integers(0, 300_000),
)


@given(st.lists(steps, max_size=200))
def test_requests_agree_with_the_model(moves: list[tuple[int, int, int]]) -> None:
    nack, model, seq, now_us = probe.NackList(), Model(), FIRST, 0
    for step, wait_us, rtt_us in [(0, 0, 0), *moves]:
        seq, now_us = max(1 << 16, seq + step), now_us + wait_us
        assert nack.on_packet(seq, now_us) == model.on_packet(seq, now_us)
        assert nack.poll(now_us, rtt_us) == model.poll(now_us, rtt_us)
        assert nack.counters["missing"] == len(model.missing)
        assert (nack.next_us == NEVER) == (not model.missing)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(0, 200_000))
def test_nothing_is_due_before_next_us_and_everything_due_is_asked_for_then(
    gaps: list[int], rtt_us: int
) -> None:
    nack, model, seq = probe.NackList(), Model(), FIRST
    for step in [0, *gaps]:
        seq += step
        nack.on_packet(seq, 0)
        model.on_packet(seq, 0)
    now_us = 0
    while nack.next_us != NEVER:
        assert nack.next_us >= now_us
        if nack.next_us > now_us:
            assert model.poll(nack.next_us - 1, rtt_us) == []
            assert nack.poll(nack.next_us - 1, rtt_us) == []
        now_us = nack.next_us
        assert nack.poll(now_us, rtt_us) == model.poll(now_us, rtt_us)
    assert not model.missing


def test_a_packet_that_never_comes_is_asked_for_ten_times_and_given_up() -> None:
    nack = probe.NackList()
    nack.on_packet(FIRST, 0)
    nack.on_packet(FIRST + 2, 0)
    times = []
    while nack.next_us != NEVER:
        now_us = nack.next_us
        times += [now_us] * len(nack.poll(now_us, 50_000))
    assert len(times) == TRIES
    assert times[0] == REORDER_US
    waits = [b - a for a, b in pairwise(times)]
    assert waits[0] == 50_000
    assert waits == sorted(waits)
    assert nack.counters == {"missing": 0, "requested": TRIES, "recovered": 0, "given_up": 1}


def test_two_swapped_packets_ask_for_nothing() -> None:
    nack = probe.NackList()
    for seq in (FIRST, FIRST + 2, FIRST + 1, FIRST + 3, FIRST + 4):
        nack.on_packet(seq, 0)
        assert nack.poll(0) == []
    assert nack.counters["recovered"] == 1
    assert nack.next_us == NEVER


def test_a_second_packet_behind_the_hole_asks_at_once() -> None:
    nack = probe.NackList()
    for seq in (FIRST, FIRST + 4):
        nack.on_packet(seq, 0)
    assert nack.poll(0) == []
    nack.on_packet(FIRST + 5, 100)
    assert nack.next_us == 100
    assert nack.poll(100) == [(FIRST + i) & 0xFFFF for i in (1, 2, 3)]


def test_a_small_capacity_hands_out_the_rest_at_the_next_call() -> None:
    nack = probe.NackList()
    nack.on_packet(FIRST, 0)
    nack.on_packet(FIRST + 100, 0)
    asked: list[int] = []
    while chunk := nack.poll(REORDER_US, 0, 16):
        assert len(chunk) <= 16
        asked += chunk
    assert asked == [(FIRST + i) & 0xFFFF for i in range(1, 100)]


def test_a_gap_wider_than_the_window_asks_for_a_keyframe_instead() -> None:
    nack = probe.NackList()
    nack.on_packet(FIRST, 0)
    assert nack.on_packet(FIRST + 513, 0) == -1
    assert nack.next_us == NEVER
    assert nack.on_packet(FIRST + 514, 0) == 0


def test_the_first_packet_may_have_any_number() -> None:
    for first in (0, 1, 2, 65_535, 1 << 40):
        nack = probe.NackList()
        assert nack.on_packet(first, 0) == 0
        assert nack.on_packet(first + 2, 0) == 1

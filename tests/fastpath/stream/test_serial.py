"""Serial-number arithmetic: distances add up, unwrapping stays within half a cycle."""

from hypothesis import given
from hypothesis import strategies as st

from tests.fastpath.probes import stream_probe as probe

seqs = st.integers(0, 0xFFFF)
timestamps = st.integers(0, 0xFFFFFFFF)


@given(seqs, seqs)
def test_distance_of_two_seqs_adds_back_to_the_first(a: int, b: int) -> None:
    distance = probe.seq_diff16(a, b)
    assert -0x8000 <= distance < 0x8000
    assert (b + distance) & 0xFFFF == a


@given(timestamps, timestamps)
def test_distance_of_two_timestamps_adds_back_to_the_first(a: int, b: int) -> None:
    distance = probe.ts_diff32(a, b)
    assert -(2**31) <= distance < 2**31
    assert (b + distance) & 0xFFFFFFFF == a


@given(st.integers(1 << 16, 1 << 48), seqs)
def test_unwrapping_finds_the_nearest_number_with_the_same_low_bits(highest: int, seq: int) -> None:
    found = probe.unwrap16(highest, seq)
    assert found & 0xFFFF == seq
    assert -0x8000 <= found - highest < 0x8000


@given(st.integers(0, 0xFFFF), st.lists(st.integers(-300, 3000), max_size=300))
def test_a_stream_is_followed_over_any_number_of_wraps(first: int, steps: list[int]) -> None:
    true_seq = highest = (1 << 16) + first
    for step in steps:
        true_seq = max(1 << 16, true_seq + step)
        assert probe.unwrap16(highest, true_seq & 0xFFFF) == true_seq
        highest = max(highest, true_seq)
        true_seq = highest

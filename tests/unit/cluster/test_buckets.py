from hypothesis import given
from hypothesis import strategies as st

from sfu.cluster.buckets import BucketTable, Rate

RATES = st.builds(Rate, per_s=st.floats(0.1, 50), burst=st.floats(1, 20))
GAPS = st.lists(st.floats(0, 3), min_size=1, max_size=200)


@given(RATES, GAPS)
def test_no_stretch_of_time_lets_more_through_than_burst_and_rate(rate: Rate, gaps: list[float]) -> None:
    table, now_s, taken = BucketTable(rate), 0.0, []
    for gap in gaps:
        now_s += gap
        if table.take("key", now_s) == 0.0:
            taken.append(now_s)
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            allowed = rate.burst + (taken[last] - taken[first]) * rate.per_s
            assert last - first + 1 <= allowed + 1e-6


@given(RATES, GAPS)
def test_who_waits_as_told_is_let_through(rate: Rate, gaps: list[float]) -> None:
    table, now_s = BucketTable(rate), 0.0
    for gap in gaps:
        now_s += gap
        wait_s = table.take("key", now_s)
        if wait_s:
            now_s += wait_s + 1e-6
            assert table.take("key", now_s) == 0.0


@given(st.lists(st.sampled_from("abcdef"), max_size=60))
def test_keys_do_not_share_tokens(keys: list[str]) -> None:
    table = BucketTable(Rate(per_s=0.001, burst=2))
    outcomes = [(key, table.take(key, 0.0) == 0.0) for key in keys]
    for key in set(keys):
        assert sum(through for name, through in outcomes if name == key) == min(2, keys.count(key))


def test_memory_is_bounded_and_the_longest_silent_is_forgotten() -> None:
    table = BucketTable(Rate(per_s=0.001, burst=1), capacity=100)
    for index in range(10_000):
        table.take(f"address-{index}", 0.0)
    assert len(table) == 100
    assert table.take("address-9999", 0.0) > 0.0
    assert table.take("address-0", 0.0) == 0.0


def test_a_rate_of_zero_does_not_limit() -> None:
    table = BucketTable(Rate(per_s=0, burst=0))
    assert all(table.take("key", 0.0) == 0.0 for _ in range(1000))
    assert len(table) == 0


def test_a_clock_that_steps_back_gives_nothing_away() -> None:
    table = BucketTable(Rate(per_s=1, burst=1))
    assert table.take("key", 100.0) == 0.0
    assert table.take("key", 50.0) > 0.0
    assert table.take("key", 100.5) > 0.0
    assert table.take("key", 101.6) == 0.0

from hypothesis import given
from hypothesis import strategies as st

from sfu._fastpath.values import EncodingRow, Snapshot, SubscriptionRow
from sfu.media.counters import MICROSECONDS, Reading


def reading(at_s: float, packets: int, *, lost: int = 0) -> Reading:
    encoding = EncodingRow(7, 0, 1, True, packets, 1000 * packets, 1, lost, 0, 0, 0, 0, 127)
    subscription = SubscriptionRow(9, 0, 0, packets, 1000 * packets, 0, 0, 0, 64, 0)
    snapshot = Snapshot({"rtp_in": packets}, {}, (), (), (encoding,), (subscription,))
    return Reading(int(at_s * MICROSECONDS), snapshot)


@given(st.integers(0, 10**9), st.integers(0, 10**6), st.integers(1, 60))
def test_rates_are_differences_over_time(before: int, more: int, seconds: int) -> None:
    earlier, later = reading(100, before), reading(100 + seconds, before + more)
    assert later.counters_per_s(earlier)["rtp_in"] == more / seconds
    _, received = later.encoding_rates(earlier)[7, 0]
    assert (received.packets_per_s, received.bits_bps) == (more / seconds, 8000 * more / seconds)
    _, sent = later.subscription_rates(earlier)[9]
    assert sent.packets_per_s == more / seconds


def test_loss_is_of_the_interval() -> None:
    _, rate = reading(2, 190, lost=110).encoding_rates(reading(1, 100, lost=100))[7, 0]
    assert rate.loss == 0.1


def test_a_stream_that_is_new_has_no_rate_yet() -> None:
    empty = Reading(0, Snapshot({}, {}, ()))
    _, rate = reading(1, 100).encoding_rates(empty)[7, 0]
    assert rate.packets_per_s == 0


def test_two_readings_at_one_instant_divide_by_no_zero() -> None:
    same = reading(1, 100)
    assert same.encoding_rates(same)[7, 0][1].packets_per_s == 0


def test_a_viewers_loss_is_what_it_reported() -> None:
    _, rate = reading(2, 2).subscription_rates(reading(1, 1))[9]
    assert rate.loss == 0.25

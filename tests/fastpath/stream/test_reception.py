"""Reception statistics against a floating-point model of RFC 3550 appendix A."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from tests.fastpath.probes import stream_probe as probe

CLOCK_RATE = 90_000
FIRST = 1 << 16


@dataclass
class Model:
    """RFC 3550 A.3 and A.8 in plain Python: all packets kept, all sums redone at every report."""

    seqs: list[int] = field(default_factory=list)
    expected_prior: int = 0
    received_prior: int = 0
    jitter: float = 0.0
    transit: float | None = None
    highest: int = -1

    def on_packet(self, ext_seq: int, rtp_ts: int, now_us: int) -> None:
        self.seqs.append(ext_seq)
        if ext_seq <= self.highest:
            return
        self.highest = ext_seq
        transit = now_us * CLOCK_RATE / 1_000_000 - rtp_ts
        if self.transit is not None:
            self.jitter += (abs(transit - self.transit) - self.jitter) / 16
        self.transit = transit

    def report(self) -> tuple[int, int]:
        expected = self.highest - self.seqs[0] + 1
        lost = expected - len(self.seqs)
        interval = expected - self.expected_prior
        lost_interval = interval - (len(self.seqs) - self.received_prior)
        self.expected_prior, self.received_prior = expected, len(self.seqs)
        fraction = min(255, lost_interval * 256 // interval) if interval > 0 and lost_interval > 0 else 0
        return fraction, lost


# steps of (seq, rtp_ts in units, time in us)
steps = st.tuples(st.integers(-20, 40), st.integers(0, 9000), st.integers(0, 100_000))


@given(st.integers(0, 0xFFFF), st.lists(st.lists(steps, min_size=1, max_size=30), min_size=1, max_size=8))
def test_reports_agree_with_the_model(first: int, intervals: list[list[tuple[int, int, int]]]) -> None:
    reception, model = probe.Reception(CLOCK_RATE), Model()
    seq, rtp_ts, now_us = FIRST + first, 0, 5_000_000
    for interval in intervals:
        for seq_step, ts_step, time_step in interval:
            seq, rtp_ts, now_us = max(FIRST, seq + seq_step), rtp_ts + ts_step, now_us + time_step
            reception.on_packet(seq, rtp_ts & 0xFFFFFFFF, now_us)
            model.on_packet(seq, rtp_ts, now_us)
        report = reception.report(7, now_us)
        assert report is not None
        fraction, lost = model.report()
        assert (report["ssrc"], report["fraction_lost"], report["lost"]) == (7, fraction, lost)
        assert report["ext_seq"] == model.highest - (model.seqs[0] & ~0xFFFF)
        assert abs(report["jitter"] - model.jitter) <= 3


def test_nothing_is_reported_before_the_first_packet() -> None:
    assert probe.Reception(CLOCK_RATE).report(1, 1) is None


def test_half_the_packets_missing_is_half_of_256() -> None:
    reception = probe.Reception(CLOCK_RATE)
    for seq in range(FIRST, FIRST + 200, 2):
        reception.on_packet(seq, 0, 0)
    reception.report(1, 0)
    for seq in range(FIRST + 200, FIRST + 400, 2):
        reception.on_packet(seq, 0, 0)
    report = reception.report(1, 0)
    assert report is not None
    assert report["fraction_lost"] == 128
    assert report["lost"] == 199


def test_an_interval_without_packets_reports_no_loss() -> None:
    reception = probe.Reception(CLOCK_RATE)
    reception.on_packet(FIRST, 0, 0)
    reception.report(1, 0)
    report = reception.report(1, 1_000_000)
    assert report is not None
    assert report["fraction_lost"] == 0


def test_duplicates_make_cumulative_loss_negative_but_never_the_fraction() -> None:
    reception = probe.Reception(CLOCK_RATE)
    for _ in range(10):
        reception.on_packet(FIRST, 0, 0)
    report = reception.report(1, 0)
    assert report is not None
    assert (report["fraction_lost"], report["lost"]) == (0, -9)


def test_cumulative_loss_stops_at_24_bits() -> None:
    reception = probe.Reception(CLOCK_RATE)
    reception.on_packet(FIRST, 0, 0)
    reception.on_packet(FIRST + (1 << 40), 0, 0)
    report = reception.report(1, 0)
    assert report is not None
    assert report["lost"] == 0x7FFFFF


def test_a_new_time_base_is_not_jitter() -> None:
    reception = probe.Reception(CLOCK_RATE)
    reception.on_packet(FIRST, 0, 0)
    reception.on_packet(FIRST + 1, 0x7000_0000, 20_000)
    reception.on_packet(FIRST + 2, 0x7000_0000 + 1800, 40_000)
    report = reception.report(1, 40_000)
    assert report is not None
    assert report["jitter"] == 0


@given(st.integers(1, 2**64 - 1), st.integers(0, 60_000_000))
def test_last_sender_report_is_echoed_with_its_age(ntp: int, age_us: int) -> None:
    reception = probe.Reception(CLOCK_RATE)
    reception.on_packet(FIRST, 0, 0)
    reception.on_sr(ntp, 1_000)
    report = reception.report(1, 1_000 + age_us)
    assert report is not None
    assert report["lsr"] == (ntp >> 16) & 0xFFFFFFFF
    assert report["dlsr"] == (age_us * 65536 // 1_000_000 if report["lsr"] else 0)


@given(st.integers(1 << 16, 2**48), st.integers(0, 30_000), st.integers(1, 5_000_000))
def test_round_trip_is_what_neither_side_held(sent_ntp: int, dlsr: int, rtt_us: int) -> None:
    lsr = (sent_ntp >> 16) & 0xFFFFFFFF
    now_ntp = sent_ntp + (dlsr << 16) + (rtt_us << 32) // 1_000_000
    measured = probe.round_trip_us(lsr, dlsr, now_ntp)
    assert lsr == 0 or abs(measured - rtt_us) <= 32


def test_an_impossible_delay_gives_no_round_trip() -> None:
    assert probe.round_trip_us(1000, 0xFFFF, 1001 << 16) == 0
    assert probe.round_trip_us(0, 0, 1 << 32) == 0

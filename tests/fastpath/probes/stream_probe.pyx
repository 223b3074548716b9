"""Python faces of reception, nack and twcc for the tests."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from sfu._fastpath.stream cimport nack, reception, serial, twcc
from sfu._fastpath.wire.rtcp cimport ReportBlock


def seq_diff16(int a, int b) -> int:
    return serial.seq_diff16(<uint16_t>a, <uint16_t>b)


def ts_diff32(unsigned long long a, unsigned long long b) -> int:
    return serial.ts_diff32(<uint32_t>a, <uint32_t>b)


def unwrap16(unsigned long long highest, int seq) -> int:
    return serial.unwrap16(highest, <uint16_t>seq)


def round_trip_us(uint32_t lsr, uint32_t dlsr, uint64_t now_ntp) -> int:
    cdef ReportBlock block
    block.lsr = lsr
    block.dlsr = dlsr
    return reception.round_trip_us(&block, now_ntp)


cdef class Reception:
    cdef reception.Reception state

    def __init__(self, uint32_t clock_rate) -> None:
        reception.reception_init(&self.state, clock_rate)

    def on_packet(self, uint64_t ext_seq, uint32_t rtp_ts, uint64_t now_us) -> None:
        reception.reception_on_packet(&self.state, ext_seq, rtp_ts, now_us)

    def on_sr(self, uint64_t ntp, uint64_t now_us) -> None:
        reception.reception_on_sr(&self.state, ntp, now_us)

    def lost(self) -> int:
        return reception.reception_lost(&self.state)

    def report(self, uint32_t ssrc, uint64_t now_us) -> dict[str, int] | None:
        cdef ReportBlock block
        if not reception.reception_report(&self.state, ssrc, now_us, &block):
            return None
        return {
            "ssrc": block.ssrc,
            "fraction_lost": block.fraction_lost,
            "lost": block.lost,
            "ext_seq": block.ext_seq,
            "jitter": block.jitter,
            "lsr": block.lsr,
            "dlsr": block.dlsr,
        }


cdef class NackList:
    cdef nack.NackList state

    def __init__(self) -> None:
        nack.nack_init(&self.state)

    def on_packet(self, uint64_t ext_seq, uint64_t now_us) -> int:
        return nack.nack_on_packet(&self.state, ext_seq, now_us)

    def poll(self, uint64_t now_us, uint32_t rtt_us=0, int capacity=nack.NACK_WINDOW) -> list[int]:
        cdef uint16_t[nack.NACK_WINDOW] seqs
        cdef int n = nack.nack_poll(&self.state, now_us, rtt_us, seqs, capacity)
        return [seqs[i] for i in range(n)]

    @property
    def next_us(self) -> int:
        return nack.nack_next_us(&self.state)

    @property
    def counters(self) -> dict[str, int]:
        return {
            "missing": self.state.missing,
            "requested": self.state.requested,
            "recovered": self.state.recovered,
            "given_up": self.state.given_up,
        }

    def spin_in_order(self, uint64_t first, int count) -> None:
        """`count` packets in order, for timing."""
        cdef int i
        with nogil:
            for i in range(count):
                nack.nack_on_packet(&self.state, first + <uint64_t>i, 0)


cdef class TwccRecorder:
    cdef twcc.TwccRecorder state

    def __init__(self) -> None:
        twcc.twcc_init(&self.state)

    def on_packet(self, int seq, uint64_t now_us) -> None:
        twcc.twcc_on_packet(&self.state, <uint16_t>seq, now_us)

    def pending(self) -> bool:
        return twcc.twcc_pending(&self.state)

    def build(self, uint32_t sender_ssrc=1, uint32_t media_ssrc=2, int capacity=1200) -> bytes:
        cdef uint8_t[1500] out
        if capacity > 1500:
            raise ValueError(capacity)
        cdef int n = twcc.twcc_build(&self.state, sender_ssrc, media_ssrc, out, capacity)
        return PyBytes_FromStringAndSize(<char*>out, n)


def twcc_parse(bytes body, int capacity=65535) -> dict[str, object] | int:
    """The feedback as a dict (arrivals in ticks, None where lost), or the negative Drop."""
    cdef twcc.TwccFeedback feedback
    cdef int32_t[65535] ticks
    cdef int n = twcc.twcc_parse(body, <int>len(body), &feedback, ticks, capacity)
    if n < 0:
        return n
    return {
        "base_seq": feedback.base_seq,
        "reference_time": feedback.reference_time,
        "feedback_count": feedback.feedback_count,
        "ticks": [None if ticks[i] == twcc.TWCC_LOST else ticks[i] for i in range(n)],
    }

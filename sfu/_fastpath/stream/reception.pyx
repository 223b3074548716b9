"""What a receiver knows about one RTP stream; see reception.pxd."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from sfu._fastpath.wire.rtcp cimport ReportBlock

cdef enum:
    MICROSECONDS = 1000000
    LOST_MAX = 0x7FFFFF     # cumulative loss is a signed 24 bit field
    LOST_MIN = -0x800000
    JUMP_S = 5              # a larger step of rtp_ts against time is a new time base, not jitter


cdef void reception_init(Reception* r, uint32_t clock_rate) noexcept nogil:
    """Forget everything: the next packet is the first one. `clock_rate` is that of the payload, in Hz."""
    memset(r, 0, sizeof(Reception))
    r.clock_rate = clock_rate


cdef void reception_on_packet(Reception* r, uint64_t ext_seq, uint32_t rtp_ts, uint64_t now_us) noexcept nogil:
    """Account one packet. Jitter follows packets in order only: a repaired one says nothing about the path."""
    cdef uint32_t transit
    if not r.started:
        r.started = True
        r.base_seq = ext_seq
        r.highest_seq = ext_seq
        r.first_us = now_us
        r.received = 1
        r.transit = 0 - rtp_ts
        return
    r.received += 1
    if <int64_t>(ext_seq - r.highest_seq) <= 0:
        return
    r.highest_seq = ext_seq
    transit = <uint32_t>((now_us - r.first_us) * r.clock_rate // MICROSECONDS) - rtp_ts
    account_jitter(r, transit)


cdef inline void account_jitter(Reception* r, uint32_t transit) noexcept nogil:
    """One step of RFC 3550 A.8 in integers."""
    cdef int32_t step = <int32_t>(transit - r.transit)
    cdef uint32_t distance = <uint32_t>(-step if step < 0 else step)
    r.transit = transit
    if distance < JUMP_S * r.clock_rate:
        r.jitter_q4 += distance - ((r.jitter_q4 + 8) >> 4)


cdef void reception_on_sr(Reception* r, uint64_t ntp, uint64_t now_us) noexcept nogil:
    """Remember a Sender Report for LSR and DLSR."""
    r.last_sr = <uint32_t>(ntp >> 16)
    r.last_sr_us = now_us


cdef int64_t reception_lost(const Reception* r) noexcept nogil:
    """Packets expected less packets received (RFC 3550 A.3); negative when duplicates prevail."""
    if not r.started:
        return 0
    return <int64_t>(r.highest_seq - r.base_seq + 1 - r.received)


cdef bint reception_report(Reception* r, uint32_t ssrc, uint64_t now_us, ReportBlock* out) noexcept nogil:
    """Fill the report block for the interval since the last call and start a new one. False before the first packet."""
    cdef uint64_t expected, expected_interval
    cdef int64_t lost, lost_interval
    if not r.started:
        return False
    expected = r.highest_seq - r.base_seq + 1
    lost = reception_lost(r)
    expected_interval = expected - r.expected_prior
    lost_interval = <int64_t>(expected_interval - (r.received - r.received_prior))
    r.expected_prior = expected
    r.received_prior = r.received
    out.ssrc = ssrc
    out.fraction_lost = 0
    if lost_interval > 0:
        out.fraction_lost = <uint8_t>min(<uint64_t>255, <uint64_t>lost_interval * 256 // expected_interval)
    out.lost = max(LOST_MIN, min(LOST_MAX, lost))
    out.ext_seq = <uint32_t>(r.highest_seq - (r.base_seq & ~<uint64_t>0xFFFF))
    out.jitter = r.jitter_q4 >> 4
    out.lsr = r.last_sr
    out.dlsr = <uint32_t>(((now_us - r.last_sr_us) << 16) // MICROSECONDS) if r.last_sr else 0
    return True


cdef uint32_t round_trip_us(const ReportBlock* block, uint64_t now_ntp) noexcept nogil:
    """Round-trip time from a report about our own stream (RFC 3550 6.4.1); 0 when it tells nothing.

    `now_ntp` is on the clock of the Sender Reports we sent. A negative result (clock step, hostile DLSR) is 0.
    """
    cdef int32_t units = <int32_t>(<uint32_t>(now_ntp >> 16) - block.lsr - block.dlsr)
    if block.lsr == 0 or units <= 0:
        return 0
    return <uint32_t>min(<uint64_t>0xFFFFFFFF, (<uint64_t>units * MICROSECONDS) >> 16)

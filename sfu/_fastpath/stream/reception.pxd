"""What a receiver knows about one RTP stream, and the report block it sends back (RFC 3550 6.4, A.1, A.3, A.8)."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from sfu._fastpath.wire.rtcp cimport ReportBlock


cdef struct Reception:
    uint64_t base_seq         # ext_seq of the first packet
    uint64_t highest_seq      # highest ext_seq so far
    uint64_t received         # packets, duplicates included
    uint64_t expected_prior   # at the last report
    uint64_t received_prior
    uint64_t first_us         # arrival of the first packet
    uint64_t last_sr_us       # arrival of the last Sender Report
    uint32_t last_sr          # middle 32 bits of its NTP time, 0 before the first
    uint32_t clock_rate       # Hz
    uint32_t transit          # arrival - rtp_ts of the newest packet, RTP units, modulo 2^32
    uint32_t jitter_q4        # RTP units, four fractional bits
    bint started


cdef void reception_init(Reception* r, uint32_t clock_rate) noexcept nogil
cdef void reception_on_packet(Reception* r, uint64_t ext_seq, uint32_t rtp_ts, uint64_t now_us) noexcept nogil
cdef void reception_on_sr(Reception* r, uint64_t ntp, uint64_t now_us) noexcept nogil
cdef bint reception_report(Reception* r, uint32_t ssrc, uint64_t now_us, ReportBlock* out) noexcept nogil
cdef int64_t reception_lost(const Reception* r) noexcept nogil
cdef uint32_t round_trip_us(const ReportBlock* block, uint64_t now_ntp) noexcept nogil

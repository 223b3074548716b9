"""Transport-wide congestion control feedback: draft-holmer-rmcat-transport-wide-cc-extensions-01.

`TwccRecorder` remembers when each transport-wide seq came and writes the feedback message; `twcc_parse` reads one.
Times are in ticks of 250 us, the unit of the receive deltas; the reference time is a tick counter shifted by 8.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    TWCC_WINDOW = 1024             # newest sequence numbers remembered, a power of two
    TWCC_MIN_CAPACITY = 512        # room twcc_build needs; one message then always reaches a received packet
    TWCC_TICK_US = 250
    TWCC_LOST = -0x80000000        # in twcc_parse output: this packet did not come


cdef struct TwccRecorder:
    uint64_t highest_seq                # newest unwrapped seq
    uint64_t next_seq                   # first one the next message reports
    bint started
    uint8_t feedback_count
    uint32_t[TWCC_WINDOW] ticks         # arrival by seq modulo window, modulo 2^32; 0: has not come


cdef struct TwccFeedback:
    uint16_t base_seq
    uint16_t status_count
    int32_t reference_time              # signed 24 bit, units of 64 ms
    uint8_t feedback_count


cdef void twcc_init(TwccRecorder* t) noexcept nogil
cdef void twcc_on_packet(TwccRecorder* t, uint16_t seq, uint64_t now_us) noexcept nogil
cdef bint twcc_pending(const TwccRecorder* t) noexcept nogil
cdef int twcc_build(TwccRecorder* t, uint32_t sender_ssrc, uint32_t media_ssrc, uint8_t* out,
                    int capacity) noexcept nogil
cdef int twcc_parse(const uint8_t* body, int n, TwccFeedback* out, int32_t* ticks, int capacity) noexcept nogil

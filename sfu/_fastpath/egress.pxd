# One source packet x one Subscription -> at most one protected datagram.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from sfu._fastpath.core cimport Core
from sfu._fastpath.stream.history cimport SourcePacket
from sfu._fastpath.tables cimport Encoding, Subscription, Track

cdef enum:
    GATHER_LISTENERS = 32          # from so many on, one fan-out takes longer than the next packet of the frame
    GATHER_US_PER_LISTENER = 2
    GATHER_MAX_US = 500

# How long an unfinished frame's run may wait for its next packet. A frame is of use only when it is whole, and one
# fan-out of a run costs half of one for each packet: with many listeners a short wait makes the frame's end earlier.
cdef inline uint64_t gather_us(const Core* c, const Encoding* encoding) noexcept nogil:
    if not encoding.track.is_video or not c.batch.gso:
        return 0
    if c.holding:
        return c.hold_us
    if encoding.listener_count < GATHER_LISTENERS:
        return 0
    return min(min(GATHER_US_PER_LISTENER * encoding.listener_count, <uint32_t> GATHER_MAX_US), c.hold_us)

cdef void queue_for_run(Core* c, Encoding* encoding, SourcePacket* packet) noexcept nogil
cdef void forward_run(Core* c, Encoding* encoding) noexcept nogil
cdef void forward_due_runs(Core* c, uint64_t now_us) noexcept nogil
cdef void forget_run(Core* c, Encoding* encoding) noexcept nogil
cdef bint retransmit(Core* c, Subscription* subscription, uint16_t out_seq, uint64_t now_us) noexcept nogil

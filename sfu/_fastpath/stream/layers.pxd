# Which Layer a Subscription gets: pure decisions on plain values.
from libc.stdint cimport uint8_t, uint32_t
from sfu._fastpath.stream.history cimport PACKET_FRAME_START, PACKET_KEYFRAME, PACKET_LAYER_SYNC, SourcePacket

# The Encoding to use: the wished one if it is live, else the nearest live one below it, else the lowest above;
# without a wish (-1) the highest live one. -1: none is live.
cdef inline int choose_encoding(uint32_t live, int count, int wish) noexcept nogil:
    cdef int i
    cdef int top = wish if 0 <= wish < count else count - 1
    for i in range(top, -1, -1):
        if live >> i & 1:
            return i
    for i in range(top + 1, count):
        if live >> i & 1:
            return i
    return -1

# The highest temporal id to forward from this packet on. Down at any frame start; up one layer at a time at a
# switching-up point of that layer, or all at once on a keyframe (RFC 7741 section 4.2, Y bit).
cdef inline uint8_t step_temporal(uint8_t current, int wish, const SourcePacket* packet) noexcept nogil:
    cdef uint8_t wanted = <uint8_t> wish if wish >= 0 else 7
    if not packet.flags & PACKET_FRAME_START or wanted == current:
        return current
    if wanted < current or packet.flags & PACKET_KEYFRAME:
        return wanted
    if packet.temporal_id == current + 1 and packet.flags & PACKET_LAYER_SYNC:
        return current + 1
    return current

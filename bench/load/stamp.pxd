# What the load client writes into every media payload behind the codec's own bytes, and how a receiver checks it.
#
#   0  magic (32)   4  stream id (16)   6  bytes of stamp and filler (16)   8  packet counter (32)
#   12 reserved (32)   16  send time in us (64)   24 ... filler: a piece of one fixed table, chosen by the counter
#
# The counter runs with the publisher's sequence numbers, so a forwarder that loses a packet and closes the gap is
# found out; the filler is compared byte for byte.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy
from sfu._fastpath.wire.endian cimport load_be16, load_be32, load_be64, store_be16, store_be32, store_be64

cdef enum StreamKind:
    STREAM_VIDEO = 0
    STREAM_AUDIO
    STREAM_RTX

cdef enum:
    VP8_DESCRIPTOR_BYTES = 6               # X, I, L, T present; 15-bit picture id (RFC 7741 section 4.2)
    VP8_HEAD_BYTES = 10                    # room of a keyframe's uncompressed header (RFC 6386 section 9.1)
    OPUS_HEAD_BYTES = 1                    # TOC (RFC 6716 section 3.1)
    STAMP_MAGIC = 0x48575354
    STAMP_BYTES = 24
    FILLER_BYTES = 4096
    FILLER_SPAN = 2048                     # offsets used; the rest covers the longest payload

cdef struct Stamp:
    uint32_t counter
    uint16_t stream
    uint64_t sent_us

cdef inline void filler_make(uint8_t* table) noexcept nogil:
    cdef uint32_t x = 0x9E3779B9
    cdef int i
    for i in range(FILLER_BYTES):
        x ^= x << 13
        x ^= x >> 17
        x ^= x << 5
        table[i] = <uint8_t> (x >> 11)

cdef inline const uint8_t* filler_at(const uint8_t* table, uint32_t counter) noexcept nogil:
    return table + (counter * 61) % FILLER_SPAN

cdef inline void stamp_write(uint8_t* p, int n, const uint8_t* table, const Stamp* stamp) noexcept nogil:
    """Fills exactly n >= STAMP_BYTES bytes."""
    store_be32(p, STAMP_MAGIC)
    store_be16(p + 4, stamp.stream)
    store_be16(p + 6, <uint16_t> n)
    store_be32(p + 8, stamp.counter)
    store_be32(p + 12, 0)
    store_be64(p + 16, stamp.sent_us)
    memcpy(p + STAMP_BYTES, filler_at(table, stamp.counter), n - STAMP_BYTES)

cdef inline bint stamp_read(const uint8_t* p, int n, const uint8_t* table, Stamp* stamp) noexcept nogil:
    """False: these n bytes are not exactly what `stamp_write` made."""
    if n < STAMP_BYTES or n > FILLER_BYTES - FILLER_SPAN or load_be32(p) != STAMP_MAGIC or load_be16(p + 6) != n:
        return False
    stamp.stream = load_be16(p + 4)
    stamp.counter = load_be32(p + 8)
    stamp.sent_us = load_be64(p + 16)
    return memcmp(p + STAMP_BYTES, filler_at(table, stamp.counter), n - STAMP_BYTES) == 0

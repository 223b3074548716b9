"""Serial-number arithmetic of RTP (RFC 3550 A.1, RFC 1982): sequence numbers and timestamps that wrap."""

from libc.stdint cimport int16_t, int32_t, int64_t, uint16_t, uint32_t, uint64_t

# A stream unwrapped by us starts one cycle up, so that a packet from before its first one has a place too.
cdef enum:
    FIRST_CYCLE = 0x10000


cdef inline int16_t seq_diff16(uint16_t a, uint16_t b) noexcept nogil:
    """Signed distance a - b: positive when `a` is newer, -32768 when they are half a cycle apart."""
    return <int16_t><uint16_t>(a - b)


cdef inline int32_t ts_diff32(uint32_t a, uint32_t b) noexcept nogil:
    """Signed distance a - b of two RTP timestamps: positive when `a` is later."""
    return <int32_t>(a - b)


cdef inline uint64_t unwrap16(uint64_t highest, uint16_t seq) noexcept nogil:
    """The ext_seq nearest to `highest` whose low 16 bits are `seq`.

    Plain 64 bit arithmetic: below zero it wraps, which is why a stream should start at FIRST_CYCLE + seq.
    """
    return highest + <uint64_t><int64_t>seq_diff16(seq, <uint16_t>highest)

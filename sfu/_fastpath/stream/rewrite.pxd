# The outgoing numbering of one Subscription: one continuous RTP stream made of segments of source streams.
#
# A segment maps `out_seq = source_seq - seq_offset`. Leaving a source packet out (temporal layer, padding) closes
# the hole at once, so later packets move down by one; `dropped` remembers where, for packets that come late.
# Numbers are unwrapped; both sides start one cycle up (FIRST_CYCLE), so ROC = (ext_seq >> 16) - 1.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    DROPPED_KEPT = 128
    SKIP_CLOSED = 0                # the hole is closed, nothing to send
    SKIP_FILL = 1                  # a later packet already went out: the reserved out_seq must be filled
    SKIP_IGNORE = 2                # before the segment or already left out

cdef struct Rewrite:
    bint started
    bint at_boundary               # the newest packet sent ended its frame
    bint has_picture_id
    uint64_t out_highest           # newest out ext_seq
    uint32_t out_ts                # its rtp_ts
    uint64_t out_us                # when it was sent
    int64_t seq_offset
    uint64_t floor_seq             # first source packet of the segment
    uint64_t source_highest
    uint32_t ts_offset             # out_ts = source_ts + ts_offset
    uint16_t picture_id_offset     # modulo 2^15
    uint8_t tl0_offset
    uint16_t out_picture_id
    uint8_t out_tl0
    uint16_t skipped_picture_id
    bint has_skipped_picture
    uint32_t dropped_count
    uint32_t dropped[DROPPED_KEPT]           # low 32 bits of source ext_seq
    uint8_t dropped_picture[DROPPED_KEPT]    # 1: a whole picture was left out from here on

cdef struct Mapped:                # where one source packet goes
    uint64_t out_seq
    uint32_t ts_offset
    uint16_t picture_id_offset
    uint8_t tl0_offset
    bint newest                    # of what went out; a late packet can be it when what came before was left out

cdef void rewrite_start(Rewrite* r, uint64_t source_seq, uint32_t ts_offset, uint16_t first_out_seq) noexcept nogil
cdef void rewrite_jump(Rewrite* r, uint64_t source_seq) noexcept nogil
cdef void rewrite_ids_continue(Rewrite* r, uint16_t picture_id, uint8_t tl0) noexcept nogil
cdef bint rewrite_late(const Rewrite* r, uint64_t source_seq, Mapped* out) noexcept nogil
cdef int rewrite_skip(Rewrite* r, uint64_t source_seq, int picture_id, Mapped* out) noexcept nogil

# False: the packet has no place in the outgoing stream (before the segment, left out, or forgotten).
cdef inline bint rewrite_map(const Rewrite* r, uint64_t source_seq, Mapped* out) noexcept nogil:
    if source_seq <= r.source_highest:
        return rewrite_late(r, source_seq, out)
    out.out_seq = <uint64_t> (<int64_t> source_seq - r.seq_offset)
    out.ts_offset = r.ts_offset
    out.picture_id_offset = r.picture_id_offset
    out.tl0_offset = r.tl0_offset
    out.newest = True
    return True

# An out_seq went out that carries no picture.
cdef inline void rewrite_filled(Rewrite* r, uint64_t out_seq, uint32_t out_ts) noexcept nogil:
    if out_seq > r.out_highest:
        r.out_highest = out_seq
        r.out_ts = out_ts

cdef inline void rewrite_sent(Rewrite* r, uint64_t source_seq, const Mapped* m, uint32_t out_ts, bint ends_frame,
                              uint64_t now_us) noexcept nogil:
    if source_seq > r.source_highest:
        r.source_highest = source_seq
        r.has_skipped_picture = False
    if not m.newest:
        return
    r.out_highest = m.out_seq
    r.out_ts = out_ts
    r.out_us = now_us
    r.at_boundary = ends_frame

cdef inline void rewrite_ids_sent(Rewrite* r, uint16_t out_picture_id, uint8_t out_tl0) noexcept nogil:
    r.has_picture_id = True
    r.out_picture_id = out_picture_id
    r.out_tl0 = out_tl0

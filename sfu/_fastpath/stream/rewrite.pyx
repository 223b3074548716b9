"""Segments, late packets and left-out packets of one outgoing RTP stream (see rewrite.pxd)."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from sfu._fastpath.stream.serial cimport FIRST_CYCLE


cdef void rewrite_start(Rewrite* r, uint64_t source_seq, uint32_t ts_offset, uint16_t first_out_seq) noexcept nogil:
    """Begins a segment at `source_seq`, right behind what went out before (or at `first_out_seq` if nothing did)."""
    cdef uint64_t next_out = r.out_highest + 1 if r.started else <uint64_t> FIRST_CYCLE + first_out_seq
    r.seq_offset = <int64_t> source_seq - <int64_t> next_out
    r.floor_seq = source_seq
    r.source_highest = source_seq - 1
    r.ts_offset = ts_offset
    r.started = True
    r.dropped_count = 0
    r.has_skipped_picture = False


cdef void rewrite_jump(Rewrite* r, uint64_t source_seq) noexcept nogil:
    """Goes on at a far later `source_seq` with a hole of one packet.

    Some such jumps in a row would take a receiver that loses a packet out of the rollover cycle (RFC 3711 section
    3.3.1), for good; the hole tells it that something is missing.
    """
    rewrite_start(r, source_seq, r.ts_offset, 0)
    r.seq_offset -= 1


cdef void rewrite_ids_continue(Rewrite* r, uint16_t picture_id, uint8_t tl0) noexcept nogil:
    """The picture with these source ids comes right behind the last one sent (RFC 7741 section 4.2)."""
    if r.has_picture_id:
        r.picture_id_offset = (r.out_picture_id + 1 - picture_id) & 0x7fff
        r.tl0_offset = <uint8_t> (r.out_tl0 + 1 - tl0)
    else:
        r.picture_id_offset = 0
        r.tl0_offset = 0


cdef bint rewrite_late(const Rewrite* r, uint64_t source_seq, Mapped* out) noexcept nogil:
    """Finds the offset that was in force at `source_seq` by walking back over the packets left out since."""
    cdef int64_t offset = r.seq_offset
    cdef uint16_t picture_id_offset = r.picture_id_offset
    cdef uint32_t i = r.dropped_count
    cdef uint32_t oldest = r.dropped_count - DROPPED_KEPT if r.dropped_count > DROPPED_KEPT else 0
    cdef uint32_t low = <uint32_t> source_seq
    cdef uint32_t at
    if source_seq < r.floor_seq:
        return False
    while i > oldest:
        at = (i - 1) % DROPPED_KEPT
        if <int> (r.dropped[at] - low) < 0:
            break
        if r.dropped[at] == low:
            return False
        offset -= 1
        if r.dropped_picture[at]:
            picture_id_offset = (picture_id_offset + 1) & 0x7fff
        i -= 1
    if i == oldest and oldest > 0:
        return False
    out.out_seq = <uint64_t> (<int64_t> source_seq - offset)
    out.ts_offset = r.ts_offset
    out.picture_id_offset = picture_id_offset
    out.tl0_offset = r.tl0_offset
    out.newest = out.out_seq > r.out_highest
    return True


cdef int rewrite_skip(Rewrite* r, uint64_t source_seq, int picture_id, Mapped* out) noexcept nogil:
    """Leaves a source packet out; `picture_id` is -1 where there is none. SKIP_FILL: `out` is the seq to fill."""
    cdef uint32_t at
    if source_seq <= r.source_highest:
        return SKIP_FILL if rewrite_late(r, source_seq, out) else SKIP_IGNORE
    at = r.dropped_count % DROPPED_KEPT
    r.dropped[at] = <uint32_t> source_seq
    r.dropped_picture[at] = 0
    if picture_id >= 0 and not (r.has_skipped_picture and r.skipped_picture_id == picture_id):
        r.has_skipped_picture = True
        r.skipped_picture_id = <uint16_t> picture_id
        r.dropped_picture[at] = 1
        r.picture_id_offset = (r.picture_id_offset - 1) & 0x7fff
    r.dropped_count += 1
    r.seq_offset += 1
    r.source_highest = source_seq
    return SKIP_CLOSED

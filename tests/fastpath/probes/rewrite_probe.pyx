"""A Python face of the outgoing numbering for the tests."""

from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from sfu._fastpath.stream.rewrite cimport (
    SKIP_FILL, Mapped, Rewrite as Numbering, rewrite_filled, rewrite_ids_continue, rewrite_ids_sent, rewrite_map,
    rewrite_sent, rewrite_skip, rewrite_start,
)


cdef class Rewrite:
    """One outgoing stream. Source numbers are unwrapped; results are unwrapped too."""

    cdef Numbering state

    def __cinit__(self) -> None:
        memset(&self.state, 0, sizeof(self.state))

    def start(self, uint64_t source_seq, uint32_t ts_offset, uint16_t first_out_seq) -> None:
        rewrite_start(&self.state, source_seq, ts_offset, first_out_seq)

    def continue_ids(self, uint16_t picture_id, int tl0) -> None:
        rewrite_ids_continue(&self.state, picture_id, tl0)

    def send(self, uint64_t source_seq, uint32_t rtp_ts, *, picture_id=None, tl0=0, ends_frame=True) -> tuple | None:
        """(out_seq, out rtp_ts, out picture id, out TL0PICIDX) of a packet that is sent; None: it has no place."""
        cdef Mapped mapped
        if not rewrite_map(&self.state, source_seq, &mapped):
            return None
        out_ts = (rtp_ts + mapped.ts_offset) & 0xFFFFFFFF
        rewrite_sent(&self.state, source_seq, &mapped, out_ts, ends_frame, 0)
        if picture_id is None:
            return mapped.out_seq, out_ts, None, None
        out_id, out_tl0 = (picture_id + mapped.picture_id_offset) & 0x7FFF, (tl0 + mapped.tl0_offset) & 0xFF
        if mapped.newest:
            rewrite_ids_sent(&self.state, out_id, out_tl0)
        return mapped.out_seq, out_ts, out_id, out_tl0

    def skip(self, uint64_t source_seq, *, picture_id=None) -> int | None:
        """The out_seq that has to be filled, or None."""
        cdef Mapped mapped
        cdef int picture = -1 if picture_id is None else picture_id
        if rewrite_skip(&self.state, source_seq, picture, &mapped) == SKIP_FILL:
            rewrite_filled(&self.state, mapped.out_seq, 0)
            return mapped.out_seq
        return None

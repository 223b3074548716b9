"""The VP8 payload descriptor (RFC 7741 section 4.2) and the frame type behind it (section 4.3)."""

from libc.stdint cimport uint8_t, uint16_t

from sfu._fastpath.wire.drops cimport DROP_RTP_MALFORMED
from sfu._fastpath.wire.endian cimport load_be16, store_be16

cdef struct Vp8Descriptor:
    uint8_t descriptor_bytes
    bint start_of_partition        # S, and PID is 0: the first packet of a frame
    bint keyframe                  # known at start_of_partition only
    bint has_picture_id
    bint picture_id_15bit
    bint has_tl0
    bint has_tid
    bint layer_sync                # Y: refers to nothing above temporal layer 0
    uint16_t picture_id
    uint8_t tl0_pic_idx
    uint8_t tid
    uint8_t picture_id_offset      # of these fields in the payload, 0 if not there
    uint8_t tl0_offset


cdef inline int vp8_parse(const uint8_t* payload, int n, Vp8Descriptor* out) noexcept nogil:
    """0, or DROP_RTP_MALFORMED if the descriptor is cut off or nothing follows it."""
    cdef int at = 1
    cdef int drop
    if n < 1:
        return DROP_RTP_MALFORMED
    out.has_picture_id = out.picture_id_15bit = out.has_tl0 = out.has_tid = out.layer_sync = False
    out.picture_id = out.tl0_pic_idx = out.tid = out.picture_id_offset = out.tl0_offset = 0
    if payload[0] & 0x80:
        drop = vp8_parse_extension(payload, n, out, &at)
        if drop:
            return drop
    if at >= n:
        return DROP_RTP_MALFORMED
    out.descriptor_bytes = <uint8_t>at
    out.start_of_partition = (payload[0] & 0x17) == 0x10
    out.keyframe = out.start_of_partition and not payload[at] & 0x01
    return 0


cdef inline int vp8_parse_extension(const uint8_t* payload, int n, Vp8Descriptor* out, int* end) noexcept nogil:
    """The bytes that X announces: I, L, T and K, and the fields they announce."""
    cdef int at = 2
    cdef uint8_t flags
    if n < 2:
        return DROP_RTP_MALFORMED
    flags = payload[1]
    if flags & 0x80:
        if n < at + 2:
            return DROP_RTP_MALFORMED
        out.has_picture_id = True
        out.picture_id_15bit = (payload[at] & 0x80) != 0
        out.picture_id_offset = <uint8_t>at
        out.picture_id = load_be16(payload + at) & 0x7fff if out.picture_id_15bit else payload[at]
        at += 2 if out.picture_id_15bit else 1
    if flags & 0x40:
        if n < at + 1:
            return DROP_RTP_MALFORMED
        out.has_tl0 = True
        out.tl0_offset = <uint8_t>at
        out.tl0_pic_idx = payload[at]
        at += 1
    if flags & 0x30:
        if n < at + 1:
            return DROP_RTP_MALFORMED
        if flags & 0x20:
            out.has_tid = True
            out.tid = payload[at] >> 6
            out.layer_sync = (payload[at] & 0x20) != 0
        at += 1
    end[0] = at
    return 0


cdef inline void vp8_write_ids(uint8_t* payload, const Vp8Descriptor* d, uint16_t picture_id, uint8_t tl0) noexcept nogil:
    """Overwrites picture id and TL0PICIDX where `d`, parsed from these bytes, has them; the id keeps its width."""
    if d.has_picture_id:
        if d.picture_id_15bit:
            store_be16(payload + d.picture_id_offset, 0x8000 | (picture_id & 0x7fff))
        else:
            payload[d.picture_id_offset] = picture_id & 0x7f
    if d.has_tl0:
        payload[d.tl0_offset] = tl0

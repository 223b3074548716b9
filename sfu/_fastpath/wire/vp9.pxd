"""The VP9 payload descriptor (RFC 9628 section 4.2)."""

from libc.stdint cimport uint8_t, uint16_t

from sfu._fastpath.wire.drops cimport DROP_RTP_MALFORMED
from sfu._fastpath.wire.endian cimport load_be16

cdef enum:
    VP9_MAX_REFERENCES = 3

cdef struct Vp9Descriptor:
    uint16_t descriptor_bytes
    uint16_t picture_id
    bint keyframe                  # first packet of a frame that needs no earlier picture, lowest spatial layer
    bint start_of_frame            # B; a frame is one spatial layer of a picture
    bint end_of_frame              # E
    bint inter_predicted           # P
    bint flexible                  # F
    bint has_picture_id
    bint picture_id_15bit
    bint has_layers                # L: the next four are there
    bint switching_up              # U
    bint inter_layer               # D
    uint8_t tid
    uint8_t sid
    bint has_tl0                   # layers in non-flexible mode
    uint8_t tl0_pic_idx
    bint has_structure             # V
    uint8_t picture_id_offset      # of these fields in the payload, 0 if not there
    uint8_t tl0_offset


cdef inline int vp9_parse(const uint8_t* payload, int n, Vp9Descriptor* out) noexcept nogil:
    """0, or DROP_RTP_MALFORMED if the descriptor is cut off or nothing follows it."""
    cdef int at = 1
    cdef uint8_t flags
    if n < 1:
        return DROP_RTP_MALFORMED
    flags = payload[0]
    out.has_picture_id = (flags & 0x80) != 0
    out.inter_predicted = (flags & 0x40) != 0
    out.has_layers = (flags & 0x20) != 0
    out.flexible = (flags & 0x10) != 0
    out.start_of_frame = (flags & 0x08) != 0
    out.end_of_frame = (flags & 0x04) != 0
    out.has_structure = (flags & 0x02) != 0
    at = vp9_parse_picture_id(payload, n, at, out)
    at = vp9_parse_layers(payload, n, at, out)
    if out.flexible and out.inter_predicted:
        at = vp9_skip_references(payload, n, at)
    if out.has_structure:
        at = vp9_skip_structure(payload, n, at)
    if at < 0 or at >= n:
        return DROP_RTP_MALFORMED
    out.descriptor_bytes = <uint16_t>at
    out.keyframe = out.start_of_frame and not out.inter_predicted and out.sid == 0
    return 0


# Each step takes where it starts, or -1 after a failure, and returns where the next one does, or -1.

cdef inline int vp9_parse_picture_id(const uint8_t* payload, int n, int at, Vp9Descriptor* out) noexcept nogil:
    out.picture_id = out.picture_id_offset = 0
    out.picture_id_15bit = False
    if not out.has_picture_id:
        return at
    if n < at + 2:
        return -1
    out.picture_id_offset = <uint8_t>at
    out.picture_id_15bit = (payload[at] & 0x80) != 0
    if out.picture_id_15bit:
        out.picture_id = load_be16(payload + at) & 0x7fff
        return at + 2
    out.picture_id = payload[at]
    return at + 1


cdef inline int vp9_parse_layers(const uint8_t* payload, int n, int at, Vp9Descriptor* out) noexcept nogil:
    out.tid = out.sid = out.tl0_pic_idx = out.tl0_offset = 0
    out.switching_up = out.inter_layer = False
    out.has_tl0 = out.has_layers and not out.flexible
    if at < 0 or not out.has_layers:
        return at
    if n < at + (2 if out.has_tl0 else 1):
        return -1
    out.tid = payload[at] >> 5
    out.switching_up = (payload[at] & 0x10) != 0
    out.sid = (payload[at] >> 1) & 0x07
    out.inter_layer = (payload[at] & 0x01) != 0
    at += 1
    if out.has_tl0:
        out.tl0_offset = <uint8_t>at
        out.tl0_pic_idx = payload[at]
        at += 1
    return at


cdef inline int vp9_skip_references(const uint8_t* payload, int n, int at) noexcept nogil:
    """P_DIFF with N set when another follows, at most three."""
    cdef int _i
    for _i in range(VP9_MAX_REFERENCES):
        if at < 0 or at >= n:
            return -1
        at += 1
        if not payload[at - 1] & 0x01:
            return at
    return -1


cdef inline int vp9_skip_structure(const uint8_t* payload, int n, int at) noexcept nogil:
    """The scalability structure (RFC 9628 section 4.2.1)."""
    cdef uint8_t flags
    cdef int pictures, _i
    if at < 0 or at >= n:
        return -1
    flags = payload[at]
    at += 1
    if flags & 0x10:
        at += 4 * ((flags >> 5) + 1)
    if not flags & 0x08:
        return at
    if at >= n:
        return -1
    pictures = payload[at]
    at += 1
    for _i in range(pictures):
        if at >= n:
            return -1
        at += 1 + ((payload[at] >> 2) & 0x03)
    return at

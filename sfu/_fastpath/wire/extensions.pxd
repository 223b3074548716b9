"""RTP header extension elements, one-byte and two-byte form (RFC 8285 sections 4.2 and 4.3)."""

from libc.stdint cimport uint8_t, uint16_t
from libc.string cimport memcpy, memset

from sfu._fastpath.wire.endian cimport store_be16
from sfu._fastpath.wire.rtp cimport RtpHeader

# The URIs are in `extensions.py`, which a test holds equal to this.
cdef enum ExtType:
    EXT_NONE = 0
    EXT_MID
    EXT_RID
    EXT_REPAIRED_RID
    EXT_AUDIO_LEVEL
    EXT_ABS_SEND_TIME
    EXT_TRANSPORT_CC
    EXT_PLAYOUT_DELAY
    EXT_VIDEO_ORIENTATION
    EXT_DEPENDENCY_DESCRIPTOR
    EXT_ABS_CAPTURE_TIME
    EXT_VIDEO_CONTENT_TYPE
    EXT_VIDEO_TIMING
    EXT_COLOR_SPACE
    EXT_TOFFSET
    EXT_VIDEO_LAYERS_ALLOCATION
    EXT_TYPE_COUNT

cdef enum:
    EXT_PROFILE_ONE_BYTE = 0xbede
    EXT_PROFILE_TWO_BYTE = 0x1000  # the low four bits are "appbits"
    EXT_ONE_BYTE_MAX_ID = 14
    EXT_ONE_BYTE_STOP_ID = 15
    EXT_ONE_BYTE_MAX_LENGTH = 16

cdef struct ExtIds:
    uint8_t id[EXT_TYPE_COUNT]     # negotiated id of each ExtType; 0 = not negotiated

cdef struct ExtElement:
    const uint8_t* data            # into the packet
    uint8_t id
    uint8_t length

cdef struct ExtCursor:
    const uint8_t* at
    const uint8_t* end
    bint two_byte

cdef struct ExtWriter:
    uint8_t* start
    int capacity
    int used                       # bytes of elements behind the block's 4 byte header
    bint two_byte


cdef inline void ext_open(ExtCursor* c, const uint8_t* packet, const RtpHeader* h) noexcept nogil:
    """Points at the elements of the packet that `h` was parsed from; an unknown profile has none."""
    c.at = packet + h.ext_offset
    c.end = c.at
    c.two_byte = (h.ext_profile & 0xfff0) == EXT_PROFILE_TWO_BYTE
    if c.two_byte or h.ext_profile == EXT_PROFILE_ONE_BYTE:
        c.end = c.at + h.ext_bytes


cdef inline bint ext_next(ExtCursor* c, ExtElement* e) noexcept nogil:
    """The next element, over padding. False at the end, at id 15 (one-byte form) or where an element is cut off."""
    cdef int head = 2 if c.two_byte else 1
    while c.at < c.end and c.at[0] == 0:
        c.at += 1
    if c.end - c.at < head:
        c.at = c.end
        return False
    if c.two_byte:
        e.id = c.at[0]
        e.length = c.at[1]
    else:
        e.id = c.at[0] >> 4
        e.length = (c.at[0] & 0x0f) + 1
        if e.id == 0 or e.id == EXT_ONE_BYTE_STOP_ID:
            c.at = c.end
            return False
    if c.end - c.at < head + e.length:
        c.at = c.end
        return False
    e.data = c.at + head
    c.at += head + e.length
    return True


cdef inline void ext_writer_open(ExtWriter* w, uint8_t* p, int capacity, bint two_byte) noexcept nogil:
    """Starts an extension block of at most `capacity` bytes at `p`, right behind the fixed header."""
    w.start = p
    w.capacity = capacity
    w.used = 0
    w.two_byte = two_byte


cdef inline int ext_write(ExtWriter* w, uint8_t id, const uint8_t* data, int length) noexcept nogil:
    """Adds one element. 0, or -1 (nothing written) if it does not fit the block or the block's form."""
    cdef int head = 2 if w.two_byte else 1
    cdef uint8_t* p
    if id == 0 or length < 0 or length > 255:
        return -1
    if not w.two_byte and (id > EXT_ONE_BYTE_MAX_ID or length == 0 or length > EXT_ONE_BYTE_MAX_LENGTH):
        return -1
    if ((4 + w.used + head + length + 3) & ~3) > w.capacity:
        return -1
    p = w.start + 4 + w.used
    if w.two_byte:
        p[0] = id
        p[1] = <uint8_t>length
    else:
        p[0] = <uint8_t>((id << 4) | (length - 1))
    if length:
        memcpy(p + head, data, length)
    w.used += head + length
    return 0


cdef inline int ext_writer_close(ExtWriter* w) noexcept nogil:
    """Pads to 32 bits and writes the block's header. Its total bytes; 0 if there is no element, so no block."""
    cdef int padded = (w.used + 3) & ~3
    if w.used == 0:
        return 0
    memset(w.start + 4 + w.used, 0, padded - w.used)
    store_be16(w.start, EXT_PROFILE_TWO_BYTE if w.two_byte else EXT_PROFILE_ONE_BYTE)
    store_be16(w.start + 2, <uint16_t>(padded >> 2))
    return 4 + padded

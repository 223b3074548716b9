"""H.264 payload structures (RFC 6184 section 5): is there the start of a keyframe in this packet?"""

from libc.stdint cimport uint8_t

from sfu._fastpath.wire.drops cimport DROP_RTP_MALFORMED
from sfu._fastpath.wire.endian cimport load_be16

cdef enum NalType:
    NAL_SLICE = 1
    NAL_PARTITION_A = 2
    NAL_IDR = 5
    NAL_SEI = 6
    NAL_SPS = 7
    NAL_PPS = 8
    NAL_AUD = 9
    NAL_STAP_A = 24
    NAL_STAP_B = 25
    NAL_MTAP16 = 26
    NAL_MTAP24 = 27
    NAL_FU_A = 28
    NAL_FU_B = 29

cdef struct H264Payload:
    bint keyframe                  # an IDR slice starts in here
    bint has_sps
    bint has_pps
    bint start_of_frame            # a first slice (first_mb_in_slice 0), or what goes before it, starts in here
    uint8_t nal_type               # of the payload itself: 1 to 23, an aggregate, or the FU's inner type


cdef inline int h264_parse(const uint8_t* payload, int n, H264Payload* out) noexcept nogil:
    """0, or DROP_RTP_MALFORMED for an empty or cut-off structure or a reserved type (0, 30, 31)."""
    cdef uint8_t type
    cdef int head
    out.keyframe = out.has_sps = out.has_pps = out.start_of_frame = False
    if n < 1:
        return DROP_RTP_MALFORMED
    type = payload[0] & 0x1f
    out.nal_type = type
    if 1 <= type <= 23:
        note_nal(type, payload + 1, n - 1, out)
        return 0
    if type == NAL_FU_A or type == NAL_FU_B:
        head = 2 if type == NAL_FU_A else 4
        if n <= head:
            return DROP_RTP_MALFORMED
        out.nal_type = payload[1] & 0x1f
        if payload[1] & 0x80:
            note_nal(out.nal_type, payload + head, n - head, out)
        return 0
    if NAL_STAP_A <= type <= NAL_MTAP24:
        return h264_walk(payload, n, type, out)
    return DROP_RTP_MALFORMED


cdef inline int h264_walk(const uint8_t* payload, int n, uint8_t type, H264Payload* out) noexcept nogil:
    """The NAL units of an aggregation packet (RFC 6184 section 5.7): size, DOND and time offset before each."""
    cdef int at = 1 if type == NAL_STAP_A else 3
    cdef int prefix = 3 if type == NAL_MTAP16 else 4 if type == NAL_MTAP24 else 0
    cdef int size
    if at >= n:
        return DROP_RTP_MALFORMED
    while at < n:
        if n - at < 2:
            return DROP_RTP_MALFORMED
        size = load_be16(payload + at)
        at += 2 + prefix
        if size == 0 or size > n - at:
            return DROP_RTP_MALFORMED
        note_nal(payload[at] & 0x1f, payload + at + 1, size - 1, out)
        at += size
    return 0


cdef inline void note_nal(uint8_t type, const uint8_t* body, int n, H264Payload* out) noexcept nogil:
    """Takes in one NAL unit that starts here; `body` is what follows its header."""
    if type == NAL_IDR:
        out.keyframe = True
    elif type == NAL_SPS:
        out.has_sps = True
    elif type == NAL_PPS:
        out.has_pps = True
    if NAL_SEI <= type <= NAL_AUD:
        out.start_of_frame = True
    elif type == NAL_IDR or type == NAL_SLICE or type == NAL_PARTITION_A:
        # first_mb_in_slice is the first Exp-Golomb code of a slice: 0 is a single 1 bit
        if n > 0 and body[0] & 0x80:
            out.start_of_frame = True

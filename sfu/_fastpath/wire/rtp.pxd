"""RTP headers (RFC 3550 section 5.1); header extensions are walked by `extensions.pxd`."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from sfu._fastpath.wire.drops cimport DROP_RTP_MALFORMED
from sfu._fastpath.wire.endian cimport load_be16, load_be32, store_be16, store_be32

cdef enum:
    RTP_FIXED_BYTES = 12
    RTP_MAX_BYTES = 65535

cdef struct RtpHeader:
    uint32_t ssrc
    uint32_t rtp_ts
    uint16_t seq
    uint16_t header_bytes          # fixed part, CSRC list and extension block: where the payload starts
    uint16_t ext_offset            # of the first extension element (behind the block's own 4 bytes); 0 without X
    uint16_t ext_bytes             # of the elements, padding included
    uint16_t ext_profile           # "defined by profile": 0xbede, 0x1000 to 0x100f, or anything else
    uint8_t pt
    uint8_t csrc_count
    bint marker
    bint padding


cdef inline int rtp_parse(const uint8_t* p, int n, RtpHeader* out) noexcept nogil:
    """Reads the header only, so it works on protected packets. 0, or DROP_RTP_MALFORMED if anything is cut off."""
    cdef int at
    if n < RTP_FIXED_BYTES or n > RTP_MAX_BYTES or p[0] >> 6 != 2:
        return DROP_RTP_MALFORMED
    out.padding = (p[0] & 0x20) != 0
    out.csrc_count = p[0] & 0x0f
    out.marker = (p[1] & 0x80) != 0
    out.pt = p[1] & 0x7f
    out.seq = load_be16(p + 2)
    out.rtp_ts = load_be32(p + 4)
    out.ssrc = load_be32(p + 8)
    out.ext_offset = out.ext_bytes = out.ext_profile = 0
    at = RTP_FIXED_BYTES + 4 * out.csrc_count
    if p[0] & 0x10:
        if at + 4 > n:
            return DROP_RTP_MALFORMED
        out.ext_profile = load_be16(p + at)
        if 4 * load_be16(p + at + 2) > n - at - 4:
            return DROP_RTP_MALFORMED
        out.ext_bytes = <uint16_t>(4 * load_be16(p + at + 2))
        out.ext_offset = <uint16_t>(at + 4)
        at += 4 + out.ext_bytes
    if at > n:
        return DROP_RTP_MALFORMED
    out.header_bytes = <uint16_t>at
    return 0


cdef inline int rtp_padding(const uint8_t* payload, int n) noexcept nogil:
    """The padding count of a decrypted payload whose header has P set: 1 to n, or -DROP_RTP_MALFORMED."""
    if n < 1 or payload[n - 1] == 0 or payload[n - 1] > n:
        return -<int>DROP_RTP_MALFORMED
    return payload[n - 1]


cdef inline void rtp_write_header(uint8_t* p, uint8_t pt, bint marker, uint16_t seq, uint32_t rtp_ts, uint32_t ssrc,
                                  bint has_ext, bint padding) noexcept nogil:
    """Writes the 12 fixed bytes, without CSRCs."""
    p[0] = 0x80 | (0x10 if has_ext else 0) | (0x20 if padding else 0)
    p[1] = (0x80 if marker else 0) | (pt & 0x7f)
    store_be16(p + 2, seq)
    store_be32(p + 4, rtp_ts)
    store_be32(p + 8, ssrc)

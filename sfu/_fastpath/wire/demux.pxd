"""Which protocol a datagram of a bundled Transport speaks (RFC 7983 section 7, RFC 5761 section 4)."""

from libc.stdint cimport uint8_t

cdef enum Protocol:
    PROTOCOL_STUN
    PROTOCOL_DTLS
    PROTOCOL_RTP
    PROTOCOL_RTCP
    PROTOCOL_TURN_CHANNEL
    PROTOCOL_OTHER


cdef inline int classify(const uint8_t* p, int n) noexcept nogil:
    """The Protocol of a datagram, from its first two bytes; PROTOCOL_OTHER when it belongs to none of them.

    RTCP packet types are 192 to 223; as RTP these would be the payload types 64 to 95 with the marker set, which
    RFC 5761 keeps free.
    """
    cdef uint8_t first
    if n < 1:
        return PROTOCOL_OTHER
    first = p[0]
    if 128 <= first <= 191:
        if n < 2:
            return PROTOCOL_OTHER
        return PROTOCOL_RTCP if 192 <= p[1] <= 223 else PROTOCOL_RTP
    if first <= 3:
        return PROTOCOL_STUN
    if 20 <= first <= 63:
        return PROTOCOL_DTLS
    if 64 <= first <= 79:
        return PROTOCOL_TURN_CHANNEL
    return PROTOCOL_OTHER

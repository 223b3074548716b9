# Every reason why a datagram or packet is not forwarded. One counter each; the names are the `reason` labels of
# `headwater_drops_total` (a test holds `sfu/_fastpath/drops.py` equal to this).
#
# The first part, down to DROP_RTCP_MALFORMED, is about received datagrams: each of them is counted once, as rtp_in,
# rtcp_in, stun_in or dtls_in, or as exactly one of these. The rest is about packets on their way to one Subscription
# or to another Worker: one datagram can cost many of them or none.
cdef enum Drop:
    DROP_NONE = 0
    # the datagram as such
    DROP_EMPTY
    DROP_TOO_LARGE
    DROP_NOT_CLASSIFIED            # RFC 7983 range without a protocol here
    DROP_UNKNOWN_SOURCE            # media or DTLS from an address no Transport has nominated
    # STUN (RFC 8489, RFC 8445)
    DROP_STUN_MALFORMED
    DROP_STUN_UNKNOWN_UFRAG
    DROP_STUN_BAD_INTEGRITY
    DROP_STUN_BAD_FINGERPRINT
    DROP_STUN_NOT_REQUEST
    DROP_STUN_TOO_MANY             # more checks than any ICE agent sends
    DROP_STUN_WRONG_WORKER         # hint names another Worker or Node and it could not be handed on
    # punts
    DROP_PUNT_FULL
    # SRTP (RFC 3711)
    DROP_NO_KEYS
    DROP_AUTH_FAILED
    DROP_REPLAYED
    DROP_TOO_OLD
    # RTP (RFC 3550)
    DROP_RTP_MALFORMED
    DROP_RTP_PADDING_ONLY
    DROP_RTP_DUPLICATE
    DROP_RTP_UNKNOWN_SSRC
    DROP_RTP_UNKNOWN_PT
    DROP_RTX_MALFORMED
    DROP_TOO_MANY_SSRCS
    # RTCP
    DROP_RTCP_MALFORMED
    # a packet that one Subscription does not send
    DROP_SUBSCRIPTION_NO_CODEC
    DROP_AWAITING_KEYFRAME
    DROP_LAYER_FILTERED
    DROP_LATE
    # sending
    DROP_SEND_FAILED
    DROP_SEND_BUFFER_FULL
    DROP_RING_FULL                 # Worker to Worker
    DROP_MIRROR_GONE               # a packet of another Worker's Track whose mirror was removed here
    DROP_HISTORY_MISS              # NACK for a packet that history no longer holds
    DROP_COUNT

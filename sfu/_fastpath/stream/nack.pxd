"""Which packets of one RTP stream are missing, and when to ask for each of them (RFC 4585 6.2.1).

A window of the newest NACK_WINDOW sequence numbers: one bit says missing, one 8 byte entry says when to ask again.
Everything is plain bytes; a packet in order with nothing missing costs two compares and a store.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    NACK_WINDOW = 512                # sequence numbers, a power of two
    NACK_WORDS = NACK_WINDOW // 64
    NACK_TRIES = 10                  # requests per packet, then it is given up
    NACK_REORDER_US = 10000          # a hole is asked for after this time
    NACK_REORDER_PACKETS = 2         # or once this many packets came after it
    NACK_SPACING_US = 20000          # least time between two requests for one packet
    NACK_SPACING_MAX_US = 400000     # where the back-off ends, unless the round trip is longer
    NACK_RTT_MAX_US = 2000000        # a round trip beyond this is not believed


cdef struct MissingPacket:
    uint32_t due_us      # low 32 bits of the time of the next request
    uint16_t due_seq     # first request also once this seq has come
    uint8_t tries


cdef struct NackList:
    uint64_t highest_seq          # newest ext_seq
    uint64_t next_us              # earliest time nack_poll may have something to say, UINT64_MAX if nothing is missing
    uint64_t fresh_seq            # earliest due_seq of a packet not yet asked for, UINT64_MAX if there is none
    uint64_t requested            # counters: requests made, repeats included
    uint64_t recovered            # missing packets that came after all
    uint64_t given_up             # missing packets that never came
    int missing                   # bits set in missing_bits
    bint started
    uint64_t[NACK_WORDS] missing_bits     # by ext_seq modulo NACK_WINDOW
    MissingPacket[NACK_WINDOW] entries


cdef void nack_init(NackList* n) noexcept nogil
cdef int nack_on_gap(NackList* n, uint64_t ext_seq, uint64_t now_us) noexcept nogil
cdef int nack_poll(NackList* n, uint64_t now_us, uint32_t rtt_us, uint16_t* seqs, int capacity) noexcept nogil


cdef inline int nack_on_packet(NackList* n, uint64_t ext_seq, uint64_t now_us) noexcept nogil:
    """Account one packet, new, late or repeated. Returns how many packets are newly missing.

    -1: the gap is wider than the window, all requests are off; only a keyframe helps.
    """
    if ext_seq == n.highest_seq + 1 and n.missing == 0:
        n.highest_seq = ext_seq
        return 0
    return nack_on_gap(n, ext_seq, now_us)


cdef inline uint64_t nack_next_us(const NackList* n) noexcept nogil:
    """When nack_poll wants to be called next; UINT64_MAX if nothing is missing."""
    return n.next_us

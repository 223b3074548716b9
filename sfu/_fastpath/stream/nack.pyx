"""Which packets of one RTP stream are missing; see nack.pxd."""

from libc.stdint cimport UINT64_MAX, int32_t, int64_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from sfu._fastpath.stream.serial cimport seq_diff16

cdef extern from *:
    int __builtin_ctzll(unsigned long long) nogil


cdef void nack_init(NackList* n) noexcept nogil:
    """Forget everything: the next packet is the first one."""
    memset(n, 0, sizeof(NackList))
    n.highest_seq = UINT64_MAX - 1      # no packet is in order before the first one
    n.next_us = UINT64_MAX
    n.fresh_seq = UINT64_MAX


cdef int nack_on_gap(NackList* n, uint64_t ext_seq, uint64_t now_us) noexcept nogil:
    """The general case of nack_on_packet: first packet, gap, late packet, or in order while others are missing."""
    cdef int64_t step = <int64_t>(ext_seq - n.highest_seq)
    if not n.started:
        n.started = True
        n.highest_seq = ext_seq
        return 0
    if step <= 0:
        if step > -NACK_WINDOW:
            forget(n, ext_seq, &n.recovered)
        return 0
    if step > NACK_WINDOW:
        n.given_up += n.missing
        clear(n)
        n.highest_seq = ext_seq
        return -1
    add_missing(n, ext_seq, now_us)
    forget(n, ext_seq, &n.given_up)
    n.highest_seq = ext_seq
    if ext_seq >= n.fresh_seq:
        n.next_us = min(n.next_us, now_us)
    return <int>(step - 1)


cdef inline void clear(NackList* n) noexcept nogil:
    memset(n.missing_bits, 0, sizeof(n.missing_bits))
    n.missing = 0
    n.next_us = UINT64_MAX
    n.fresh_seq = UINT64_MAX


cdef inline void forget(NackList* n, uint64_t ext_seq, uint64_t* counter) noexcept nogil:
    """Take the packet in the slot of `ext_seq` off the list, if it is there, and count why."""
    cdef int slot = <int>(ext_seq & (NACK_WINDOW - 1))
    cdef uint64_t bit = <uint64_t>1 << (slot & 63)
    if n.missing_bits[slot >> 6] & bit:
        n.missing_bits[slot >> 6] &= ~bit
        n.missing -= 1
        counter[0] += 1
        if n.missing == 0:
            n.next_us = UINT64_MAX
            n.fresh_seq = UINT64_MAX


cdef inline void add_missing(NackList* n, uint64_t ext_seq, uint64_t now_us) noexcept nogil:
    """Put everything between the highest packet and `ext_seq` on the list; what leaves the window is given up."""
    cdef uint64_t seq = n.highest_seq + 1
    cdef uint64_t due_seq = ext_seq + NACK_REORDER_PACKETS - 1
    cdef int slot
    while seq < ext_seq:
        forget(n, seq, &n.given_up)
        slot = <int>(seq & (NACK_WINDOW - 1))
        n.missing_bits[slot >> 6] |= <uint64_t>1 << (slot & 63)
        n.missing += 1
        n.entries[slot].due_us = <uint32_t>(now_us + NACK_REORDER_US)
        n.entries[slot].due_seq = <uint16_t>due_seq
        n.entries[slot].tries = 0
        n.fresh_seq = min(n.fresh_seq, due_seq)
        n.next_us = min(n.next_us, now_us + NACK_REORDER_US)
        seq += 1


cdef int nack_poll(NackList* n, uint64_t now_us, uint32_t rtt_us, uint16_t* seqs, int capacity) noexcept nogil:
    """Write the seqs to ask for now, oldest first (ascending modulo 2^16), at most `capacity`; returns how many.

    A packet is asked for at most NACK_TRIES times, spaced by the round trip (at least NACK_SPACING_US) with a linear
    back-off. Call it when nack_next_us() has come; calling it earlier returns 0 at no cost.
    """
    cdef uint64_t seq, first = n.highest_seq - (NACK_WINDOW - 1)
    cdef uint64_t spacing_us = max(<uint32_t>NACK_SPACING_US, min(rtt_us, <uint32_t>NACK_RTT_MAX_US))
    cdef int distance = 0, count = 0, slot
    if now_us < n.next_us:
        return 0
    n.next_us = UINT64_MAX
    n.fresh_seq = UINT64_MAX
    distance = next_missing(n, first, 0)
    while distance < NACK_WINDOW:
        seq = first + <uint64_t>distance
        slot = <int>(seq & (NACK_WINDOW - 1))
        if count < capacity and is_due(n, &n.entries[slot], now_us):
            if n.entries[slot].tries == NACK_TRIES:
                forget(n, seq, &n.given_up)
                distance = next_missing(n, first, distance + 1)
                continue
            seqs[count] = <uint16_t>seq
            count += 1
            request(n, &n.entries[slot], now_us, spacing_us)
        note_next(n, &n.entries[slot], now_us)
        distance = next_missing(n, first, distance + 1)
    return count


cdef inline int next_missing(const NackList* n, uint64_t first, int distance) noexcept nogil:
    """The least d >= `distance` for which first + d is missing, NACK_WINDOW if there is none."""
    cdef int slot
    cdef uint64_t word
    while distance < NACK_WINDOW:
        slot = <int>((first + <uint64_t>distance) & (NACK_WINDOW - 1))
        word = n.missing_bits[slot >> 6] >> (slot & 63)
        if word:
            return min(<int>NACK_WINDOW, distance + __builtin_ctzll(word))
        distance += 64 - (slot & 63)
    return NACK_WINDOW


cdef inline bint is_due(const NackList* n, const MissingPacket* entry, uint64_t now_us) noexcept nogil:
    if entry.tries == 0 and seq_diff16(<uint16_t>n.highest_seq, entry.due_seq) >= 0:
        return True
    return <int32_t>(<uint32_t>now_us - entry.due_us) >= 0


cdef inline void request(NackList* n, MissingPacket* entry, uint64_t now_us, uint64_t spacing_us) noexcept nogil:
    cdef uint64_t wait_us = spacing_us + spacing_us * entry.tries // 4
    entry.tries += 1
    entry.due_us = <uint32_t>(now_us + min(wait_us, max(spacing_us, <uint64_t>NACK_SPACING_MAX_US)))
    n.requested += 1


cdef inline void note_next(NackList* n, const MissingPacket* entry, uint64_t now_us) noexcept nogil:
    """Keep next_us and fresh_seq the earliest of all entries."""
    cdef int32_t wait_us = max(0, <int32_t>(entry.due_us - <uint32_t>now_us))
    n.next_us = min(n.next_us, now_us + <uint64_t>wait_us)
    if entry.tries == 0:
        n.fresh_seq = min(n.fresh_seq, n.highest_seq + <uint64_t>max(0, seq_diff16(entry.due_seq, <uint16_t>n.highest_seq)))

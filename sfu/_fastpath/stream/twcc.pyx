"""Transport-wide congestion control feedback; see twcc.pxd. Section numbers are those of the draft."""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from sfu._fastpath.stream.serial cimport FIRST_CYCLE, unwrap16
from sfu._fastpath.wire.drops cimport DROP_RTCP_MALFORMED
from sfu._fastpath.wire.endian cimport load_be16, load_be24, store_be16, store_be24, store_be32

cdef enum:
    RTPFB = 205
    FMT_TRANSPORT_CC = 15
    HEADER_BYTES = 20           # up to and including the feedback packet count (3.1)
    BODY_BYTES = 16             # the same without the RTCP header
    RUN_MAX = 0x1FFF            # 13 bit run length (3.1.3)
    MASK = TWCC_WINDOW - 1


cdef enum Status:               # packet status symbols (3.1.1)
    STATUS_LOST = 0
    STATUS_SMALL = 1            # received, 8 bit delta
    STATUS_LARGE = 2            # received, signed 16 bit delta


cdef struct Draft:
    # One message while it is put together.
    uint8_t[TWCC_WINDOW] status
    int16_t[TWCC_WINDOW] delta          # of the received ones, in order
    uint32_t first_tick                 # of the reference time
    int statuses
    int deltas
    int delta_bytes


cdef void twcc_init(TwccRecorder* t) noexcept nogil:
    """Forget everything: the next packet is the first one."""
    memset(t, 0, sizeof(TwccRecorder))


cdef void twcc_on_packet(TwccRecorder* t, uint16_t seq, uint64_t now_us) noexcept nogil:
    """Remember the arrival of one packet. Its first arrival counts; one older than the window is ignored.

    A late packet moves the start of the next message back to itself: what was told as lost is told again as received.
    """
    cdef uint64_t ext_seq
    cdef uint32_t tick = <uint32_t>(now_us // TWCC_TICK_US)
    if tick == 0:
        tick = 1
    if not t.started:
        t.started = True
        t.next_seq = FIRST_CYCLE + <uint64_t>seq
        t.highest_seq = t.next_seq
        t.ticks[seq & MASK] = tick
        return
    ext_seq = unwrap16(t.highest_seq, seq)
    if <int64_t>(ext_seq - t.highest_seq) > 0:
        advance(t, ext_seq)
    elif t.highest_seq - ext_seq >= TWCC_WINDOW or t.ticks[ext_seq & MASK] != 0:
        return
    elif ext_seq < t.next_seq:
        t.next_seq = ext_seq
    t.ticks[ext_seq & MASK] = tick


cdef inline void advance(TwccRecorder* t, uint64_t ext_seq) noexcept nogil:
    """Move the window up to `ext_seq`; after a jump wider than the window it starts anew there."""
    cdef uint64_t seq
    if ext_seq - t.highest_seq >= TWCC_WINDOW:
        memset(t.ticks, 0, sizeof(t.ticks))
        t.next_seq = ext_seq
    else:
        seq = t.highest_seq + 1
        while seq < ext_seq:
            t.ticks[seq & MASK] = 0
            seq += 1
        if ext_seq - t.next_seq >= TWCC_WINDOW:
            t.next_seq = ext_seq - MASK
    t.highest_seq = ext_seq


cdef bint twcc_pending(const TwccRecorder* t) noexcept nogil:
    """True if twcc_build has something to report."""
    return t.started and t.next_seq <= t.highest_seq


cdef int twcc_build(TwccRecorder* t, uint32_t sender_ssrc, uint32_t media_ssrc, uint8_t* out,
                    int capacity) noexcept nogil:
    """Write one feedback message (3.1) into `out`; returns its bytes, a multiple of 4.

    0: nothing to report, or `capacity` below TWCC_MIN_CAPACITY. Call again until 0: a message ends early where a delta
    does not fit 16 bits or `capacity` is reached.
    """
    cdef Draft draft
    cdef int used, padded
    if capacity < TWCC_MIN_CAPACITY or not twcc_pending(t):
        return 0
    collect(t, &draft, capacity)
    store_be16(out, <uint16_t>(0x8000 | FMT_TRANSPORT_CC << 8 | RTPFB))
    store_be32(out + 4, sender_ssrc)
    store_be32(out + 8, media_ssrc)
    store_be16(out + 12, <uint16_t>t.next_seq)
    store_be16(out + 14, <uint16_t>draft.statuses)
    store_be24(out + 16, draft.first_tick >> 8)
    out[19] = t.feedback_count
    used = write_chunks(&draft, out + HEADER_BYTES) + HEADER_BYTES
    used += write_deltas(&draft, out + used)
    padded = (used + 3) & ~3
    memset(out + used, 0, padded - used)
    store_be16(out + 2, <uint16_t>(padded // 4 - 1))
    t.feedback_count += 1
    t.next_seq += <uint64_t>draft.statuses
    return padded


cdef void collect(const TwccRecorder* t, Draft* draft, int capacity) noexcept nogil:
    """Statuses and deltas from next_seq on, as many as fit `capacity` for sure and one reference time."""
    cdef uint64_t seq = t.next_seq
    cdef uint32_t tick, previous = 0
    cdef int32_t delta
    cdef int size, chunk_bytes
    draft.statuses = 0
    draft.deltas = 0
    draft.delta_bytes = 0
    draft.first_tick = 0
    while seq <= t.highest_seq:
        tick = t.ticks[seq & MASK]
        size = 0
        if tick != 0:
            if draft.deltas == 0:
                draft.first_tick = tick
                previous = tick & ~<uint32_t>0xFF
            delta = <int32_t>(tick - previous)
            if delta < -0x8000 or delta > 0x7FFF:
                return
            size = 1 if 0 <= delta <= 0xFF else 2
        chunk_bytes = 2 * (draft.statuses // 7 + 1)     # a chunk holds seven statuses or more
        if HEADER_BYTES + chunk_bytes + draft.delta_bytes + size + 3 > capacity:
            return
        draft.status[draft.statuses] = <uint8_t>size
        draft.statuses += 1
        if size:
            draft.delta[draft.deltas] = <int16_t>delta
            draft.deltas += 1
            draft.delta_bytes += size
            previous = tick
        seq += 1


cdef int write_chunks(const Draft* draft, uint8_t* out) noexcept nogil:
    """Packet chunks (3.1.2): one-bit vectors where they do, runs from seven up, two-bit vectors otherwise."""
    cdef int at = 0, used = 0, rest, run, small
    while at < draft.statuses:
        rest = draft.statuses - at
        run = run_length(draft.status + at, min(rest, <int>RUN_MAX))
        small = small_length(draft.status + at, min(rest, 14))
        if run >= 14 or run == rest or (run >= 7 and small < min(rest, 14)):
            store_be16(out + used, <uint16_t>(draft.status[at] << 13 | run))
            at += run
        elif small == min(rest, 14):
            store_be16(out + used, vector(draft.status + at, small, 1))
            at += small
        else:
            store_be16(out + used, vector(draft.status + at, min(rest, 7), 2))
            at += min(rest, 7)
        used += 2
    return used


cdef inline int run_length(const uint8_t* status, int most) noexcept nogil:
    cdef int n = 1
    while n < most and status[n] == status[0]:
        n += 1
    return n


cdef inline int small_length(const uint8_t* status, int most) noexcept nogil:
    """How many statuses from here on a one-bit vector can tell."""
    cdef int n = 0
    while n < most and status[n] != STATUS_LARGE:
        n += 1
    return n


cdef inline uint16_t vector(const uint8_t* status, int n, int bits) noexcept nogil:
    """A status vector chunk (3.1.4) of `n` symbols of `bits` bits; the rest of it is zero."""
    cdef int value = 0x8000 if bits == 1 else 0xC000
    cdef int shift = 14, i
    for i in range(n):
        shift -= bits
        value |= status[i] << shift
    return <uint16_t>value


cdef int write_deltas(const Draft* draft, uint8_t* out) noexcept nogil:
    """Receive deltas (3.1.5)."""
    cdef int i, used = 0
    for i in range(draft.deltas):
        if 0 <= draft.delta[i] <= 0xFF:
            out[used] = <uint8_t>draft.delta[i]
            used += 1
        else:
            store_be16(out + used, <uint16_t>draft.delta[i])
            used += 2
    return used


cdef int twcc_parse(const uint8_t* body, int n, TwccFeedback* out, int32_t* ticks, int capacity) noexcept nogil:
    """Read a feedback message without its 4 byte RTCP header (as RtcpBlock.body).

    ticks[i] is the arrival of base_seq + i in ticks after the reference time, or TWCC_LOST. Returns how many there are,
    or -DROP_RTCP_MALFORMED: truncated, a reserved symbol, or more statuses than `capacity`.
    """
    cdef int at, total, i
    cdef int64_t arrival = 0
    if n < BODY_BYTES:
        return -<int>DROP_RTCP_MALFORMED
    out.base_seq = load_be16(body + 8)
    out.status_count = load_be16(body + 10)
    out.reference_time = <int32_t>(load_be24(body + 12) << 8) >> 8
    out.feedback_count = body[15]
    total = out.status_count
    if total > capacity:
        return -<int>DROP_RTCP_MALFORMED
    at = read_chunks(body, n, ticks, total)
    if at < 0:
        return at
    for i in range(total):
        if at + ticks[i] > n:
            return -<int>DROP_RTCP_MALFORMED
        if ticks[i] == STATUS_LOST:
            ticks[i] = TWCC_LOST
        elif ticks[i] == STATUS_SMALL:
            arrival += body[at]
            at += 1
            ticks[i] = <int32_t>arrival
        else:
            arrival += <int16_t>load_be16(body + at)
            at += 2
            ticks[i] = <int32_t>arrival
    return total


cdef int read_chunks(const uint8_t* body, int n, int32_t* status, int total) noexcept nogil:
    """Expand the chunks into `total` symbols, which are also delta sizes. Returns where the deltas start."""
    cdef int at = BODY_BYTES, done = 0, i, run, bits, symbol
    cdef uint16_t chunk
    while done < total:
        if at + 2 > n:
            return -<int>DROP_RTCP_MALFORMED
        chunk = load_be16(body + at)
        at += 2
        bits = 2 if chunk & 0x4000 else 1
        run = 14 // bits if chunk & 0x8000 else chunk & RUN_MAX
        for i in range(min(run, total - done)):
            symbol = chunk >> 13 & 3
            if chunk & 0x8000:
                symbol = chunk >> (14 - bits * (i + 1)) & (3 if bits == 2 else 1)
            if symbol > STATUS_LARGE:
                return -<int>DROP_RTCP_MALFORMED
            status[done] = symbol
            done += 1
    return at

"""Layer selection: targets, keyframe waits and switches.

A Subscription listens to `current` (which it forwards) and, while it waits for a keyframe, to `target`. It switches
only where its own stream is between two frames: if the keyframe comes while `current` is inside a frame, the
keyframe's place is remembered and the switch happens at that frame's end, from history.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t
from sfu._fastpath.core cimport NOTICE_TRACK, notify, tick_soon
from sfu._fastpath.stream.history cimport PACKET_KEYFRAME, PACKET_VP8_IDS, history_find
from sfu._fastpath.stream.layers cimport choose_encoding
from sfu._fastpath.stream.rewrite cimport Rewrite, rewrite_ids_continue, rewrite_start
from sfu._fastpath.tables cimport NO_INDEX, Transport, forget_sent, index_of, listeners_add, listeners_remove

cdef enum:
    BOUNDARY_WAIT_US = 100000      # longest wait for the end of a frame that may never come
    HEAD_START_PACKETS = 64        # most packets a joiner gets at once
    HEAD_START_US = 500000
    STEP_LIMIT_S = 10              # a mapped timestamp further ahead than this is not believed


cdef void want_keyframe(Core* c, Encoding* encoding) noexcept nogil:
    """Asks for a keyframe of just this Encoding; requests merge, feedback sends them."""
    if not encoding.keyframe_wanted:
        encoding.keyframe_wanted = True
        tick_soon(c)


cdef void note_keyframe(Encoding* encoding, const SourcePacket* packet, uint64_t now_us) noexcept nogil:
    """Remembers where the newest keyframe begins.

    Several of its packets can be starting points (H.264: parameter sets, then each slice); the first one counts.
    """
    if packet.ext_seq < encoding.keyframe_seq:
        if packet.rtp_ts == encoding.keyframe_ts:
            encoding.keyframe_seq = packet.ext_seq
        return
    if encoding.keyframe_seq and packet.rtp_ts == encoding.keyframe_ts:
        return
    encoding.keyframes += 1
    encoding.keyframe_us = now_us
    encoding.keyframe_ts = packet.rtp_ts
    encoding.keyframe_seq = 0 if encoding.track.muted else packet.ext_seq
    encoding.keyframe_wanted = False


cdef void reselect(Core* c, Subscription* s) noexcept nogil:
    """Aims at the Encoding that wish and live Encodings call for now; at none while nothing may or can be sent."""
    cdef const Transport* transport = &c.tables.transports[s.transport]
    cdef int wanted
    cdef Encoding* encoding
    if s.track == NULL or s.track.muted or s.paused or transport.tx == NULL or not transport.has_remote:
        detach(c, s)
        return
    wanted = choose_encoding(s.track.live, s.track.encoding_count, s.wish_encoding)
    if wanted < 0:
        return
    encoding = s.track.encodings[wanted]
    if s.target == encoding:
        return
    drop_target(c, s)
    if s.current == encoding:
        return
    if listeners_add(encoding, index_of(s.handle), &s.target_slot):
        s.target = encoding
        if s.is_video and not start_from_history(s, encoding):
            want_keyframe(c, encoding)


cdef bint start_from_history(Subscription* s, const Encoding* encoding) noexcept nogil:
    """A fresh keyframe and all that followed may still be in history: then nobody has to be asked for another.

    Only where nothing is being shown, and only a burst a receiver can take.
    """
    if (s.current != NULL or encoding.keyframe_seq == 0 or encoding.nacks.missing
            or encoding.highest_seq - encoding.keyframe_seq > HEAD_START_PACKETS
            or encoding.last_packet_us - encoding.keyframe_us > HEAD_START_US):
        return False
    s.pending_key_seq = encoding.keyframe_seq
    s.pending_since_us = encoding.keyframe_us
    return True


cdef void reselect_all(Core* c, Track* track) noexcept nogil:
    cdef uint32_t i = track.first_subscription
    while i != <uint32_t> NO_INDEX:
        reselect(c, &c.tables.subscriptions[i])
        i = c.tables.subscriptions[i].next_of_track


cdef void reselect_transport(Core* c, const Transport* transport) noexcept nogil:
    """Starts or stops all Subscriptions of a Transport that just became able or unable to send."""
    cdef uint32_t i = transport.first_subscription
    while i != <uint32_t> NO_INDEX:
        reselect(c, &c.tables.subscriptions[i])
        i = c.tables.subscriptions[i].next_of_transport


cdef void drop_target(Core* c, Subscription* s) noexcept nogil:
    cdef Encoding* target = s.target
    s.target = NULL
    s.pending_key_seq = 0
    if target == NULL:
        return
    listeners_remove(c.tables, target, s.target_slot)
    if target.listener_count == 0 and target.track.export_count == 0:
        target.keyframe_wanted = False


cdef void drop_current(Core* c, Subscription* s) noexcept nogil:
    cdef Encoding* current = s.current
    s.current = NULL
    if current != NULL:
        listeners_remove(c.tables, current, s.current_slot)


cdef void detach(Core* c, Subscription* s) noexcept nogil:
    """Listens to nothing; the outgoing numbering stays for what comes next."""
    drop_target(c, s)
    drop_current(c, s)


cdef void restart_listeners(Core* c, Encoding* encoding) noexcept nogil:
    """The Encoding's source began anew (other SSRC): everybody on it waits for its keyframe again.

    Its numbers may come again with other packets, so a NACK for an old one must not find a new one (one SRTP index
    never carries two packets, RFC 3711 section 9.1).
    """
    cdef uint32_t i = encoding.track.first_subscription
    cdef Subscription* s
    while i != <uint32_t> NO_INDEX:
        s = &c.tables.subscriptions[i]
        forget_sent(s)
        if s.current == encoding:
            drop_current(c, s)
            reselect(c, s)
        elif s.target == encoding:
            s.pending_key_seq = 0
        i = s.next_of_track


cdef void mark_live(Core* c, Encoding* encoding, bint live) noexcept nogil:
    cdef Track* track = encoding.track
    encoding.live = live
    encoding.leaving = False
    if live:
        track.live |= 1u << encoding.number
    else:
        track.live &= ~(1u << encoding.number)
    notify(c, c.track_notices, NOTICE_TRACK, index_of(track.handle), track.handle, track.live)
    reselect_all(c, track)


cdef bint switch_on_offer(Core* c, Subscription* s, const SourcePacket* packet) noexcept nogil:
    """A packet of `target` came. True: the Subscription has switched, replay from `rewrite.floor_seq`."""
    if packet.flags & PACKET_KEYFRAME:
        note_offer(s, packet)
    if s.pending_key_seq == 0:
        return False
    if (s.current == NULL or not s.current.live or s.rewrite.at_boundary
            or packet.arrival_us - s.pending_since_us > BOUNDARY_WAIT_US):
        return switch_to_target(c, s)
    return False


cdef void note_offer(Subscription* s, const SourcePacket* packet) noexcept nogil:
    """The newest keyframe of `target` counts, from its first starting point on (H.264 has one in each slice)."""
    cdef const SourcePacket* key = NULL
    if s.pending_key_seq:
        key = history_find(&s.target.history, s.pending_key_seq)
    if key != NULL and key.rtp_ts == packet.rtp_ts:
        s.pending_key_seq = min(s.pending_key_seq, packet.ext_seq)
    elif packet.ext_seq > s.pending_key_seq:
        s.pending_key_seq = packet.ext_seq
        s.pending_since_us = packet.arrival_us


cdef bint switch_at_boundary(Core* c, Subscription* s, const SourcePacket* next_packet) noexcept nogil:
    """`current` ended a frame (NULL), or is about to begin the next one with `next_packet` without a marker seen."""
    if s.pending_key_seq == 0:
        return False
    if next_packet == NULL:
        if not s.rewrite.at_boundary:
            return False
    elif next_packet.rtp_ts + s.rewrite.ts_offset == s.rewrite.out_ts:
        return False
    return switch_to_target(c, s)


cdef bint switch_to_target(Core* c, Subscription* s) noexcept nogil:
    cdef Encoding* target = s.target
    cdef Encoding* old = s.current
    cdef const SourcePacket* key = history_find(&target.history, s.pending_key_seq)
    if key == NULL:
        s.pending_key_seq = 0
        want_keyframe(c, target)
        return False
    rewrite_start(&s.rewrite, key.ext_seq, segment_timestamp(s, old, target, key) - key.rtp_ts,
                  <unsigned short> (s.ssrc >> 7 & 0x7fff))
    if key.flags & PACKET_VP8_IDS:
        rewrite_ids_continue(&s.rewrite, key.picture_id, key.tl0_pic_idx)
    s.temporal = <unsigned char> s.wish_temporal if s.wish_temporal >= 0 else 7
    s.raised_seq = 0
    drop_current(c, s)
    s.current = target
    s.current_slot = s.target_slot
    s.target = NULL
    s.pending_key_seq = 0
    s.next_sr_us = 0
    c.counters.layer_switches += 1
    return True


cdef uint32_t segment_timestamp(const Subscription* s, const Encoding* old, const Encoding* new,
                                const SourcePacket* key) noexcept nogil:
    """The outgoing rtp_ts of a segment's first packet.

    Two Encodings of one Track are aligned by their sender reports (RFC 3550 section 6.4.1); otherwise the time that
    passed since the last packet counts. It always moves forward.
    """
    cdef const Rewrite* r = &s.rewrite
    cdef uint32_t elapsed, mapped
    cdef int64_t ntp_step
    if not r.started:
        return key.rtp_ts
    elapsed = 1
    if key.arrival_us > r.out_us:
        elapsed = <uint32_t> ((key.arrival_us - r.out_us) * s.clock_rate // 1000000) + 1
    if old == NULL or old.track != new.track or not old.has_sr or not new.has_sr:
        return r.out_ts + elapsed
    ntp_step = <int64_t> (new.sr_ntp - old.sr_ntp)
    mapped = (old.sr_rtp_ts + <uint32_t> ((ntp_step >> 16) * <int64_t> s.clock_rate >> 16)
              + (key.rtp_ts - new.sr_rtp_ts) + r.ts_offset)
    if <int32_t> (mapped - r.out_ts) <= 0:
        return r.out_ts + 1
    if mapped - r.out_ts > elapsed + STEP_LIMIT_S * s.clock_rate:
        return r.out_ts + elapsed
    return mapped

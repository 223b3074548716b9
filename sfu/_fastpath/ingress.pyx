"""RTP in: find the Encoding, unprotect into its history, parse, account, queue for forwarding."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset
from sfu._fastpath.core cimport RELAY_PACKET, count_drop, tick_soon
from sfu._fastpath.egress cimport forget_run, queue_for_run
from sfu._fastpath.ring cimport ring_commit, ring_reserve
from sfu._fastpath.selection cimport mark_live, note_keyframe, restart_listeners, want_keyframe
from sfu._fastpath.stream.history cimport (
    MAX_EXTENSION_STORE_BYTES, MAX_KEPT_EXTENSIONS, MAX_PAYLOAD_BYTES, PACKET_KEYFRAME, PACKET_MARKER,
    PACKET_PADDING_ONLY, PACKET_RECOVERED, SourcePacket, history_find, history_slot,
)
from sfu._fastpath.stream.nack cimport nack_init, nack_on_packet
from sfu._fastpath.stream.payload cimport CODEC_NONE, describe_payload
from sfu._fastpath.stream.reception cimport reception_init, reception_on_packet
from sfu._fastpath.stream.serial cimport FIRST_CYCLE, unwrap16
from sfu._fastpath.stream.srtp cimport ReplayWindow, replay_check, replay_commit, unprotect
from sfu._fastpath.stream.twcc cimport twcc_on_packet
from sfu._fastpath.tables cimport (
    MAX_RETIRED, MAX_SSRCS, NO_INDEX, TRANSPORT_MEDIA_IN, PublishState, SsrcEntry, track_get,
)
from sfu._fastpath.wire.drops cimport (
    DROP_MIRROR_GONE, DROP_NO_KEYS, DROP_REPLAYED, DROP_RING_FULL, DROP_RTP_DUPLICATE, DROP_RTP_MALFORMED,
    DROP_RTP_PADDING_ONLY, DROP_RTP_UNKNOWN_PT, DROP_RTP_UNKNOWN_SSRC, DROP_RTX_MALFORMED, DROP_TOO_LARGE,
    DROP_TOO_MANY_SSRCS, DROP_TOO_OLD,
)
from sfu._fastpath.wire.endian cimport load_be16
from sfu._fastpath.wire.extensions cimport (
    EXT_ABS_SEND_TIME, EXT_AUDIO_LEVEL, EXT_MID, EXT_NONE, EXT_REPAIRED_RID, EXT_RID, EXT_TRANSPORT_CC,
    EXT_TYPE_COUNT, EXT_VIDEO_LAYERS_ALLOCATION, ExtCursor, ExtElement, ext_next, ext_open,
)
from sfu._fastpath.wire.rtp cimport RtpHeader, rtp_padding, rtp_parse

cdef enum:
    NO_PAYLOAD_TYPE = 255
    DIRECT_PACKETS = 16            # how far ahead a packet is believed before it is authenticated
    REBIND_SPACING_US = 100000     # least time between two new sources of one Encoding

cdef struct Labels:                # what header extensions say about a packet's origin
    const uint8_t* mid
    const uint8_t* rid
    const uint8_t* repaired_rid
    uint8_t mid_bytes, rid_bytes, repaired_rid_bytes


cdef void receive_rtp(Core* c, Transport* transport, Datagram* d, uint64_t now_us) noexcept nogil:
    """An RTP packet from a Transport's address."""
    cdef RtpHeader h
    cdef SsrcEntry* entry
    cdef int refused = rtp_parse(d.data, <int> d.bytes, &h)
    if refused:
        count_drop(c, refused)
        return
    if transport.rx == NULL:
        count_drop(c, DROP_NO_KEYS)
        return
    if d.bytes > h.header_bytes + MAX_PAYLOAD_BYTES:
        count_drop(c, DROP_TOO_LARGE)
        return
    entry = find_ssrc(transport.publish, h.ssrc)
    if entry == NULL:
        entry = bind_new_ssrc(c, transport, d, &h, now_us)
        if entry == NULL:
            return
    if entry.is_rtx:
        receive_rtx(c, transport, entry.encoding, d, &h, now_us)
    else:
        receive_primary(c, transport, entry.encoding, d, &h, now_us)


cdef SsrcEntry* find_ssrc(PublishState* publish, uint32_t ssrc) noexcept nogil:
    cdef int i
    if publish == NULL:
        return NULL
    for i in range(publish.ssrc_count):
        if publish.ssrcs[i].ssrc == ssrc:
            return &publish.ssrcs[i]
    return NULL


cdef void receive_primary(Core* c, Transport* transport, Encoding* e, Datagram* d, const RtpHeader* h,
                          uint64_t now_us) noexcept nogil:
    """A packet of the Encoding's own SSRC, decrypted straight into its history slot.

    History is the replay list too (RFC 3711 section 3.3.2): what is not in there has not come, or is too old. So a
    packet that was asked for again under its own SSRC may be late by as much as history holds.
    Whoever forges one far ahead must not wipe a packet that somebody may still ask for: until it has proved to be
    authentic, such a one stays beside the history.
    """
    cdef uint64_t ext_seq = unwrap16(e.highest_seq, h.seq) if e.started else <uint64_t> FIRST_CYCLE + h.seq
    cdef bint near = not e.started or ext_seq <= e.highest_seq + DIRECT_PACKETS
    cdef SourcePacket* packet = history_slot(&e.history, ext_seq)
    cdef int n
    if e.track.codec_of[h.pt] == CODEC_NONE:
        count_drop(c, DROP_RTP_UNKNOWN_PT)
        return
    if ext_seq < FIRST_CYCLE or ext_seq + e.history.mask < e.highest_seq:
        count_drop(c, DROP_TOO_OLD)
        return
    if packet.ext_seq == ext_seq:
        count_drop(c, DROP_RTP_DUPLICATE if packet.flags & PACKET_RECOVERED else DROP_REPLAYED)
        return
    if near:
        packet.ext_seq = 0
    n = unprotect(c.engine, transport.rx, d.data, <int> d.bytes, h.header_bytes, <uint32_t> (ext_seq >> 16) - 1,
                  &packet.payload[0] if near else &c.plain[0])
    if n < 0:
        count_drop(c, -n)
        return
    if not near:
        packet.ext_seq = 0
        memcpy(packet.payload, c.plain, n)
    authenticated(c, transport, d, now_us)
    packet.flags = PACKET_MARKER if h.marker else 0
    packet.payload_type = h.pt
    packet.rtp_ts = h.rtp_ts
    if not keep(c, transport, e, packet, d, h, n, now_us):
        return
    if not e.started or ext_seq > e.highest_seq:
        e.highest_ts = h.rtp_ts
    reception_on_packet(&e.reception, ext_seq, h.rtp_ts, now_us)
    accept(c, transport, e, packet, ext_seq, now_us)


cdef void receive_rtx(Core* c, Transport* transport, Encoding* e, Datagram* d, const RtpHeader* h,
                      uint64_t now_us) noexcept nogil:
    """A retransmission: the original seq leads the payload (RFC 4588 section 4). Often only probing padding."""
    cdef uint64_t rtx_seq = unwrap16(e.rtx_highest, h.seq) if e.rtx_started else <uint64_t> FIRST_CYCLE + h.seq
    cdef uint64_t ext_seq
    cdef uint8_t primary = e.track.rtx_apt[h.pt]
    cdef SourcePacket* packet
    cdef int padding
    cdef int n = replay_check(&e.rtx_window, rtx_seq) if rtx_seq >= FIRST_CYCLE else DROP_TOO_OLD
    if n == 0 and primary == NO_PAYLOAD_TYPE:
        n = DROP_RTP_UNKNOWN_PT
    if n:
        count_drop(c, n)
        return
    n = unprotect(c.engine, transport.rx, d.data, <int> d.bytes, h.header_bytes, <uint32_t> (rtx_seq >> 16) - 1, c.plain)
    if n < 0:
        count_drop(c, -n)
        return
    replay_commit(&e.rtx_window, rtx_seq)
    if not e.rtx_started or rtx_seq > e.rtx_highest:
        e.rtx_highest = rtx_seq
    e.rtx_started = True
    authenticated(c, transport, d, now_us)
    account_transport_cc(transport, e.track, d, h, now_us)
    if h.padding:
        padding = rtp_padding(c.plain, n)
        if padding < 0:
            count_drop(c, DROP_RTX_MALFORMED)
            return
        n -= padding
    if n < 2 or n - 2 > MAX_PAYLOAD_BYTES:
        count_drop(c, DROP_RTP_PADDING_ONLY if n == 0 else DROP_RTX_MALFORMED)
        return
    if not e.started:
        count_drop(c, DROP_RTP_UNKNOWN_SSRC)
        return
    ext_seq = unwrap16(e.highest_seq, load_be16(c.plain))
    if ext_seq < FIRST_CYCLE or ext_seq + e.history.mask < e.highest_seq or ext_seq > e.highest_seq:
        count_drop(c, DROP_TOO_OLD)
        return
    if history_find(&e.history, ext_seq) != NULL:
        count_drop(c, DROP_RTP_DUPLICATE)
        return
    packet = history_slot(&e.history, ext_seq)
    packet.ext_seq = 0
    memcpy(packet.payload, c.plain + 2, n - 2)
    packet.flags = PACKET_RECOVERED | (PACKET_MARKER if h.marker else 0) | (PACKET_PADDING_ONLY if n == 2 else 0)
    packet.payload_type = primary
    packet.rtp_ts = h.rtp_ts
    packet.payload_bytes = <uint16_t> (n - 2)
    packet.arrival_us = now_us
    keep_extensions(packet, e, d, h)
    e.recovered += 1
    accept(c, transport, e, packet, ext_seq, now_us)


cdef inline void authenticated(Core* c, Transport* transport, const Datagram* d, uint64_t now_us) noexcept nogil:
    transport.heard_us = now_us
    transport.packets_in += 1
    transport.bytes_in += d.bytes


cdef bint keep(Core* c, Transport* transport, Encoding* e, SourcePacket* packet, const Datagram* d,
               const RtpHeader* h, int payload_bytes, uint64_t now_us) noexcept nogil:
    """Fills the packet's fields from header and extensions; False: refused and counted."""
    cdef int padding = 0
    if h.padding:
        padding = rtp_padding(packet.payload, payload_bytes)
        if padding < 0:
            count_drop(c, DROP_RTP_MALFORMED)
            return False
    packet.payload_bytes = <uint16_t> (payload_bytes - padding)
    packet.arrival_us = now_us
    if packet.payload_bytes == 0:
        packet.flags |= PACKET_PADDING_ONLY
    keep_extensions(packet, e, d, h)
    account_transport_cc(transport, e.track, d, h, now_us)
    return True


cdef void keep_extensions(SourcePacket* packet, Encoding* e, const Datagram* d, const RtpHeader* h) noexcept nogil:
    """Copies the extensions that go end to end; hop-by-hop ones (mid, rid, send times, transport-cc) are left out."""
    cdef ExtCursor cursor
    cdef ExtElement element
    cdef int kind
    cdef int used = 0
    cdef int count = 0
    packet.extension_count = 0
    if h.ext_bytes == 0:
        return
    ext_open(&cursor, d.data, h)
    while ext_next(&cursor, &element):
        kind = extension_type(e.track, element.id)
        if kind == EXT_AUDIO_LEVEL and element.length >= 1:
            e.audio_level_q8 += (((element.data[0] & 0x7f) << 8) - <int> e.audio_level_q8) // 8
        if (kind == EXT_NONE or kind == EXT_MID or kind == EXT_RID or kind == EXT_REPAIRED_RID
                or kind == EXT_ABS_SEND_TIME or kind == EXT_TRANSPORT_CC or kind == EXT_VIDEO_LAYERS_ALLOCATION):
            continue
        if count == MAX_KEPT_EXTENSIONS or used + element.length > MAX_EXTENSION_STORE_BYTES:
            break
        packet.extensions[count].type = <uint8_t> kind
        packet.extensions[count].length = element.length
        packet.extensions[count].offset = <uint8_t> used
        memcpy(packet.extension_store + used, element.data, element.length)
        used += element.length
        count += 1
    packet.extension_count = <uint8_t> count


cdef inline int extension_type(const Track* track, uint8_t number) noexcept nogil:
    cdef int i
    for i in range(1, EXT_TYPE_COUNT):
        if track.ext_ids.id[i] == number:
            return i
    return EXT_NONE


cdef void account_transport_cc(Transport* transport, const Track* track, const Datagram* d, const RtpHeader* h,
                               uint64_t now_us) noexcept nogil:
    cdef ExtCursor cursor
    cdef ExtElement element
    cdef uint8_t number = track.ext_ids.id[<int> EXT_TRANSPORT_CC]
    if number == 0 or h.ext_bytes == 0 or transport.publish == NULL:
        return
    ext_open(&cursor, d.data, h)
    while ext_next(&cursor, &element):
        if element.id == number and element.length >= 2:
            twcc_on_packet(&transport.publish.twcc, load_be16(element.data), now_us)
            transport.publish.twcc_media_ssrc = h.ssrc
            return


cdef void accept(Core* c, Transport* transport, Encoding* e, SourcePacket* packet, uint64_t ext_seq,
                 uint64_t now_us) noexcept nogil:
    """The packet is real and new: publish it to history, counters, repair and fan-out."""
    cdef bint first = not e.started
    c.counters.rtp_in += 1
    packet.ext_seq = ext_seq
    describe_payload(packet, e.track.codec_of[packet.payload_type])
    if first or ext_seq > e.highest_seq:
        e.highest_seq = ext_seq
    e.started = True
    if first:
        nack_init(&e.nacks)
        if not transport.state & TRANSPORT_MEDIA_IN:
            transport.state |= TRANSPORT_MEDIA_IN
            tick_soon(c)
    if nack_on_packet(&e.nacks, ext_seq, now_us) < 0 and e.track.is_video:
        want_keyframe(c, e)
    spread(c, e, packet, now_us)


cdef void spread(Core* c, Encoding* e, SourcePacket* packet, uint64_t now_us) noexcept nogil:
    """Liveness, keyframe bookkeeping, mirrors on other Workers, the run for local Subscriptions."""
    e.packets += 1
    e.bytes += packet.payload_bytes
    e.last_packet_us = now_us
    if packet.flags & PACKET_KEYFRAME and e.track.is_video:
        note_keyframe(e, packet, now_us)
    if not e.live and not packet.flags & PACKET_PADDING_ONLY:
        e.live_since_us = now_us
        mark_live(c, e, True)
    if e.track.muted:
        return
    if e.track.export_count:
        relay_packet(c, e, packet)
    if e.listener_count:
        queue_for_run(c, e, packet)


cdef void relay_packet(Core* c, Encoding* e, const SourcePacket* packet) noexcept nogil:
    """Copies the packet into the ring of every Worker that mirrors this Track."""
    cdef int i
    cdef RelaySlot* slot
    for i in range(e.track.export_count):
        slot = <RelaySlot*> ring_reserve(c.peers_out[e.track.exports[i].worker])
        if slot == NULL:
            count_drop(c, DROP_RING_FULL)
            continue
        slot.kind = RELAY_PACKET
        slot.track = e.track.exports[i].mirror
        slot.encoding = e.number
        slot.bytes = e.incarnation
        memcpy(&slot.packet, packet, sizeof(SourcePacket) - MAX_PAYLOAD_BYTES + packet.payload_bytes)
        ring_commit(c.peers_out[e.track.exports[i].worker])
        c.relayed_to[e.track.exports[i].worker] = True
        c.counters.relayed_out += 1


cdef void receive_relayed(Core* c, const RelaySlot* slot, uint64_t now_us) noexcept nogil:
    """A packet of a mirrored Track from another Worker."""
    cdef Track* track = track_get(c.tables, slot.track)
    cdef Encoding* e
    cdef SourcePacket* packet
    if track == NULL or slot.encoding >= <uint32_t> track.encoding_count:
        count_drop(c, DROP_MIRROR_GONE)
        return
    e = track.encodings[slot.encoding]
    c.counters.relayed_in += 1
    if slot.bytes != e.incarnation:
        restart(c, e)
        e.incarnation = slot.bytes
    packet = history_slot(&e.history, slot.packet.ext_seq)
    memcpy(packet, &slot.packet, sizeof(SourcePacket) - MAX_PAYLOAD_BYTES + slot.packet.payload_bytes)
    if not e.started or packet.ext_seq > e.highest_seq:
        e.highest_seq = packet.ext_seq
    e.started = True
    spread(c, e, packet, now_us)


cdef SsrcEntry* bind_new_ssrc(Core* c, Transport* transport, Datagram* d, const RtpHeader* h,
                              uint64_t now_us) noexcept nogil:
    """A new SSRC: authenticate first, then find its Encoding by mid, rid or payload type (RFC 8843 section 9.2).

    What comes late from a source that another one has replaced, or is replayed, does not bring it back.
    """
    cdef Labels labels
    cdef Track* track
    cdef Encoding* encoding
    cdef bint is_rtx
    cdef int n
    if transport.publish == NULL or is_retired(transport.publish, h.ssrc):
        count_drop(c, DROP_RTP_UNKNOWN_SSRC)
        return NULL
    n = unprotect(c.engine, transport.rx, d.data, <int> d.bytes, h.header_bytes, 0, c.plain)
    if n < 0:
        count_drop(c, -n)
        return NULL
    track = find_track(c, transport, d, h, &labels)
    if track == NULL:
        count_drop(c, DROP_RTP_UNKNOWN_SSRC)
        return NULL
    is_rtx = track.rtx_apt[h.pt] != NO_PAYLOAD_TYPE
    encoding = find_encoding(track, &labels, is_rtx)
    if encoding == NULL:
        count_drop(c, DROP_RTP_UNKNOWN_SSRC)
        return NULL
    if (not is_rtx and encoding.bound and now_us - encoding.bound_us < REBIND_SPACING_US
            or not bind_known_ssrc(c, transport, encoding, h.ssrc, is_rtx)):
        count_drop(c, DROP_TOO_MANY_SSRCS)
        return NULL
    if not is_rtx:
        encoding.bound_us = now_us
    return find_ssrc(transport.publish, h.ssrc)


cdef Track* find_track(Core* c, Transport* transport, const Datagram* d, const RtpHeader* h, Labels* labels) noexcept nogil:
    """By mid if the packet has one, else the first Track whose payload types know this one."""
    cdef uint32_t i = transport.first_track
    cdef Track* track
    cdef Track* by_payload_type = NULL
    while i != <uint32_t> NO_INDEX:
        track = &c.tables.tracks[i]
        i = track.next_of_transport
        if track.codec_of[h.pt] == CODEC_NONE and track.rtx_apt[h.pt] == NO_PAYLOAD_TYPE:
            continue
        read_labels(track, d, h, labels)
        if labels.mid_bytes:
            if labels.mid_bytes == track.mid_bytes and memcmp(labels.mid, track.mid, track.mid_bytes) == 0:
                return track
        elif by_payload_type == NULL:
            by_payload_type = track
    if by_payload_type != NULL:
        read_labels(by_payload_type, d, h, labels)
    return by_payload_type


cdef void read_labels(const Track* track, const Datagram* d, const RtpHeader* h, Labels* labels) noexcept nogil:
    cdef ExtCursor cursor
    cdef ExtElement element
    cdef int kind
    labels.mid_bytes = labels.rid_bytes = labels.repaired_rid_bytes = 0
    if h.ext_bytes == 0:
        return
    ext_open(&cursor, d.data, h)
    while ext_next(&cursor, &element):
        kind = extension_type(track, element.id)
        if kind == EXT_MID:
            labels.mid, labels.mid_bytes = element.data, element.length
        elif kind == EXT_RID:
            labels.rid, labels.rid_bytes = element.data, element.length
        elif kind == EXT_REPAIRED_RID:
            labels.repaired_rid, labels.repaired_rid_bytes = element.data, element.length


cdef Encoding* find_encoding(Track* track, const Labels* labels, bint is_rtx) noexcept nogil:
    """By rid, or the only Encoding there is. An RTX stream without repaired-rid may still carry the rid."""
    cdef const uint8_t* rid = labels.rid
    cdef uint8_t n = labels.rid_bytes
    cdef int i
    if is_rtx and labels.repaired_rid_bytes:
        rid, n = labels.repaired_rid, labels.repaired_rid_bytes
    if n:
        for i in range(track.encoding_count):
            if track.encodings[i].rid_bytes == n and memcmp(track.encodings[i].rid, rid, n) == 0:
                return track.encodings[i]
    if track.encoding_count == 1 and track.encodings[0].rid_bytes == 0:
        return track.encodings[0]
    return NULL


cdef bint bind_known_ssrc(Core* c, Transport* transport, Encoding* e, uint32_t ssrc, bint is_rtx) noexcept nogil:
    """Binds an SSRC to an Encoding; one that was bound before means the source started anew."""
    cdef PublishState* publish = transport.publish
    cdef SsrcEntry* entry = NULL
    if is_rtx and e.rtx_bound:
        entry = find_ssrc(publish, e.rtx_ssrc)
    elif not is_rtx and e.bound:
        entry = find_ssrc(publish, e.ssrc)
        retire(publish, e.ssrc)
        restart(c, e)
    if entry == NULL:
        if publish.ssrc_count == MAX_SSRCS:
            return False
        entry = &publish.ssrcs[publish.ssrc_count]
        publish.ssrc_count += 1
    entry.ssrc = ssrc
    entry.is_rtx = is_rtx
    entry.encoding = e
    if is_rtx:
        e.rtx_ssrc, e.rtx_bound, e.rtx_started = ssrc, True, False
        memset(&e.rtx_window, 0, sizeof(ReplayWindow))
    else:
        e.ssrc, e.bound = ssrc, True
    return True


cdef void retire(PublishState* publish, uint32_t ssrc) noexcept nogil:
    publish.retired[publish.retired_count % MAX_RETIRED] = ssrc
    publish.retired_count += 1


cdef bint is_retired(const PublishState* publish, uint32_t ssrc) noexcept nogil:
    cdef uint32_t i
    for i in range(min(publish.retired_count, <uint32_t> MAX_RETIRED)):
        if publish.retired[i] == ssrc:
            return True
    return False


cdef void restart(Core* c, Encoding* e) noexcept nogil:
    """Forgets the old source of an Encoding; numbering towards viewers goes on."""
    cdef uint32_t i
    forget_run(c, e)
    for i in range(e.history.mask + 1):
        e.history.slots[i].ext_seq = 0
    e.started = False
    e.highest_seq = 0
    e.incarnation += 1
    e.keyframe_seq = 0
    e.has_sr = False
    nack_init(&e.nacks)
    reception_init(&e.reception, e.track.clock_rate)
    restart_listeners(c, e)

"""One SRTCP datagram: sender reports of publishers, reception reports and requests of viewers (RFC 3550, RFC 4585)."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset
from sfu._fastpath.core cimport RELAY_SENDER_REPORT, count_drop
from sfu._fastpath.egress cimport retransmit
from sfu._fastpath.ring cimport ring_commit, ring_reserve
from sfu._fastpath.selection cimport want_keyframe
from sfu._fastpath.stream.reception cimport reception_on_sr
from sfu._fastpath.stream.srtp cimport replay_check, replay_commit, unprotect_rtcp
from sfu._fastpath.tables cimport MAX_RTCP_SENDERS, NO_INDEX, Encoding, RtcpSender, Subscription, Track, track_get
from sfu._fastpath.wire.drops cimport DROP_NO_KEYS, DROP_RING_FULL, DROP_RTCP_MALFORMED
from sfu._fastpath.wire.endian cimport load_be32
from sfu._fastpath.wire.rtcp cimport (
    RTCP_BYE, RTCP_PSFB, RTCP_RR, RTCP_RTPFB, RTCP_SR, ReportBlock, RtcpBlock, RtcpCursor, SenderReport,
    rtcp_bye_count, rtcp_bye_ssrc, rtcp_fb_media_ssrc, rtcp_fir_items, rtcp_is_pli, rtcp_nack_items, rtcp_next,
    rtcp_open, rtcp_read_fir, rtcp_read_nack, rtcp_read_report, rtcp_read_sr, rtcp_report_count,
)

cdef enum:
    SENDER_SSRC_AT = 4
    NACK_WINDOW_US = 1000000
    NACKS_PER_WINDOW = 2048        # seqs one Subscription may ask for in a window
    MAX_RTT_US = 10000000


cdef void receive_rtcp(Core* c, Transport* transport, Datagram* d, uint64_t now_us) noexcept nogil:
    """Authenticates, then acts on each block; a broken compound counts once and its good blocks count too."""
    cdef RtcpCursor cursor
    cdef RtcpBlock block
    cdef RtcpSender* sender
    cdef uint32_t index = 0
    cdef int n, more, replayed
    if transport.rx == NULL:
        count_drop(c, DROP_NO_KEYS)
        return
    n = unprotect_rtcp(c.engine, transport.rx, d.data, <int> d.bytes, &index)
    if n < 0:
        count_drop(c, -n)
        return
    sender = rtcp_sender(transport, load_be32(d.data + SENDER_SSRC_AT))
    replayed = replay_check(&sender.window, index)
    if replayed:
        count_drop(c, replayed)
        return
    replay_commit(&sender.window, index)
    transport.heard_us = now_us
    transport.packets_in += 1
    transport.bytes_in += d.bytes
    rtcp_open(&cursor, d.data, n)
    more = rtcp_next(&cursor, &block)
    while more == 1:
        receive_block(c, transport, &block, now_us)
        more = rtcp_next(&cursor, &block)
    if more < 0:
        count_drop(c, DROP_RTCP_MALFORMED)
    else:
        c.counters.rtcp_in += 1


cdef RtcpSender* rtcp_sender(Transport* transport, uint32_t ssrc) noexcept nogil:
    """The SSRC's replay state, new if it was never heard; only for SSRCs that were authenticated."""
    cdef uint32_t known = min(transport.rtcp_sender_count, <uint32_t> MAX_RTCP_SENDERS)
    cdef RtcpSender* sender
    cdef uint32_t i
    for i in range(known):
        if transport.rtcp_senders[i].ssrc == ssrc:
            return &transport.rtcp_senders[i]
    sender = &transport.rtcp_senders[transport.rtcp_sender_count % MAX_RTCP_SENDERS]
    transport.rtcp_sender_count += 1
    memset(sender, 0, sizeof(RtcpSender))
    sender.ssrc = ssrc
    return sender


cdef void receive_block(Core* c, Transport* transport, const RtcpBlock* block, uint64_t now_us) noexcept nogil:
    cdef int i
    cdef ReportBlock report
    if block.type == RTCP_SR:
        receive_sender_report(c, transport, block, now_us)
    if block.type == RTCP_SR or block.type == RTCP_RR:
        c.counters.reports_in += 1
        for i in range(rtcp_report_count(block)):
            if rtcp_read_report(block, i, &report) == 0:
                receive_report(c, transport, &report, now_us)
    elif block.type == RTCP_RTPFB:
        receive_nack(c, transport, block, now_us)
    elif block.type == RTCP_PSFB:
        receive_keyframe_request(c, transport, block)
    elif block.type == RTCP_BYE:
        for i in range(rtcp_bye_count(block)):
            receive_bye(transport, rtcp_bye_ssrc(block, i))


cdef Encoding* encoding_of(Transport* transport, uint32_t ssrc) noexcept nogil:
    cdef int i
    if transport.publish != NULL:
        for i in range(transport.publish.ssrc_count):
            if transport.publish.ssrcs[i].ssrc == ssrc and not transport.publish.ssrcs[i].is_rtx:
                return transport.publish.ssrcs[i].encoding
    return NULL


cdef Subscription* subscription_of(Core* c, Transport* transport, uint32_t ssrc) noexcept nogil:
    cdef uint32_t i = transport.first_subscription
    while i != <uint32_t> NO_INDEX:
        if c.tables.subscriptions[i].ssrc == ssrc:
            return &c.tables.subscriptions[i]
        i = c.tables.subscriptions[i].next_of_transport
    return NULL


cdef void receive_sender_report(Core* c, Transport* transport, const RtcpBlock* block, uint64_t now_us) noexcept nogil:
    """The publisher's RTP-to-NTP mapping of one Encoding, kept and passed to its mirrors."""
    cdef SenderReport report
    cdef Encoding* e
    if rtcp_read_sr(block, &report):
        return
    e = encoding_of(transport, report.ssrc)
    if e == NULL:
        return
    reception_on_sr(&e.reception, report.ntp, now_us)
    keep_mapping(c, e, report.ntp, report.rtp_ts, now_us)


cdef void keep_mapping(Core* c, Encoding* e, uint64_t ntp, uint32_t rtp_ts, uint64_t arrival_us) noexcept nogil:
    cdef int i
    cdef RelaySlot* slot
    e.sr_ntp = ntp
    e.sr_rtp_ts = rtp_ts
    e.sr_arrival_us = arrival_us
    e.has_sr = True
    for i in range(e.track.export_count):
        slot = <RelaySlot*> ring_reserve(c.peers_out[e.track.exports[i].worker])
        if slot == NULL:
            count_drop(c, DROP_RING_FULL)
            continue
        slot.kind = RELAY_SENDER_REPORT
        slot.track = e.track.exports[i].mirror
        slot.encoding = e.number
        slot.ntp = ntp
        slot.rtp_ts = rtp_ts
        slot.arrival_us = arrival_us
        ring_commit(c.peers_out[e.track.exports[i].worker])
        c.relayed_to[e.track.exports[i].worker] = True


cdef void receive_relayed_report(Core* c, const RelaySlot* slot) noexcept nogil:
    cdef Track* track = track_get(c.tables, slot.track)
    if track != NULL and slot.encoding < <uint32_t> track.encoding_count:
        keep_mapping(c, track.encodings[slot.encoding], slot.ntp, slot.rtp_ts, slot.arrival_us)


cdef void receive_relayed_keyframe(Core* c, const RelaySlot* slot) noexcept nogil:
    cdef Track* track = track_get(c.tables, slot.track)
    if track != NULL and slot.encoding < <uint32_t> track.encoding_count:
        want_keyframe(c, track.encodings[slot.encoding])


cdef void receive_report(Core* c, Transport* transport, const ReportBlock* report, uint64_t now_us) noexcept nogil:
    """A viewer's reception report; with our SR's time in it also the round trip (RFC 3550 section 6.4.1)."""
    cdef Subscription* s = subscription_of(c, transport, report.ssrc)
    cdef uint64_t held_us
    if s == NULL:
        return
    s.fraction_lost = report.fraction_lost
    s.jitter = report.jitter
    if report.lsr and report.lsr == s.sr_mid_ntp:
        held_us = <uint64_t> report.dlsr * 1000000 >> 16
        if now_us > s.sr_sent_us + held_us and now_us - s.sr_sent_us - held_us < MAX_RTT_US:
            transport.rtt_us = <uint32_t> (now_us - s.sr_sent_us - held_us)


cdef void receive_nack(Core* c, Transport* transport, const RtcpBlock* block, uint64_t now_us) noexcept nogil:
    """Generic NACK (RFC 4585 section 6.2.1): each named seq again, within the Subscription's allowance."""
    cdef Subscription* s = subscription_of(c, transport, rtcp_fb_media_ssrc(block))
    cdef uint16_t pid, blp
    cdef int i, bit
    if s == NULL:
        return
    if now_us - s.nack_window_us > NACK_WINDOW_US:
        s.nack_window_us = now_us
        s.nacks_in_window = 0
    for i in range(rtcp_nack_items(block)):
        rtcp_read_nack(block, i, &pid, &blp)
        for bit in range(17):
            if bit and not blp >> (bit - 1) & 1:
                continue
            s.nacks_in_window += 1
            if s.nacks_in_window > NACKS_PER_WINDOW:
                return
            s.nacks += 1
            c.counters.nacks_in += 1
            retransmit(c, s, <uint16_t> (pid + bit), now_us)


cdef void receive_keyframe_request(Core* c, Transport* transport, const RtcpBlock* block) noexcept nogil:
    """PLI (RFC 4585 section 6.3.1) and FIR (RFC 5104 section 4.3.1): one request, merged upstream."""
    cdef uint32_t ssrc
    cdef uint8_t seq
    cdef int i
    if rtcp_is_pli(block):
        ask_source(c, subscription_of(c, transport, rtcp_fb_media_ssrc(block)))
    for i in range(rtcp_fir_items(block)):
        rtcp_read_fir(block, i, &ssrc, &seq)
        ask_source(c, subscription_of(c, transport, ssrc))


cdef void ask_source(Core* c, Subscription* s) noexcept nogil:
    if s == NULL:
        return
    s.plis += 1
    c.counters.plis_in += 1
    if s.target != NULL:
        want_keyframe(c, s.target)
    elif s.current != NULL:
        want_keyframe(c, s.current)


cdef void receive_bye(Transport* transport, uint32_t ssrc) noexcept nogil:
    """Takes effect with a tick (`serve_encoding`): news of who is live costs all viewers, so no packet makes it."""
    cdef Encoding* e = encoding_of(transport, ssrc)
    if e != NULL:
        e.leaving = e.live

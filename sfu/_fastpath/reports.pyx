"""Towards publishers: keyframe requests, NACK, transport-wide feedback, reception reports, REMB. Towards viewers:
sender reports that keep the publisher's RTP-to-NTP mapping.

Immediate feedback goes as a minimal compound, RR + SDES + feedback (RFC 4585 section 3.1), so that far ends without
reduced-size RTCP take it too.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from sfu._fastpath.batch cimport batch_commit, batch_reserve
from sfu._fastpath.core cimport RELAY_KEYFRAME, RelaySlot, count_drop
from sfu._fastpath.ring cimport ring_commit, ring_reserve
from sfu._fastpath.selection cimport mark_live
from sfu._fastpath.stream.nack cimport nack_next_us, nack_poll
from sfu._fastpath.stream.reception cimport reception_report
from sfu._fastpath.stream.srtp cimport protect_rtcp
from sfu._fastpath.stream.twcc cimport twcc_build, twcc_pending
from sfu._fastpath.tables cimport (
    FEEDBACK_FIR, FEEDBACK_NACK, FEEDBACK_PLI, FEEDBACK_REMB, FEEDBACK_TRANSPORT_CC, MAX_SSRCS, NO_INDEX,
    Encoding, PublishState, Subscription, Track, Transport,
)
from sfu._fastpath.wire.drops cimport DROP_RING_FULL
from sfu._fastpath.wire.rtcp cimport (
    ReportBlock, SenderReport, rtcp_write_fir, rtcp_write_nack, rtcp_write_pli, rtcp_write_remb, rtcp_write_rr, rtcp_write_sdes_cname,
    rtcp_write_sr,
)

cdef enum:
    RTCP_CAPACITY = 1200
    REPORT_INTERVAL_US = 1000000
    TWCC_INTERVAL_US = 50000
    SENDER_REPORT_INTERVAL_US = 1500000
    KEYFRAME_SPACING_US = 500000   # least time between two requests for one Encoding
    NOT_LIVE_AFTER_US = 1500000
    LEAVE_SPACING_US = 1000000     # an Encoding that comes and goes is followed once in this time
    DEFAULT_RTT_US = 60000
    MAX_NACKED = 256
    CYCLE_TICKS = 100              # ticks in which every Subscription is looked at once
    LOSS_HIGH_256 = 26             # 10 %
    LOSS_LOW_256 = 5               # 2 %
    MIN_REMB_BPS = 100000

cdef const char* REPORTER_CNAME = b"headwater"
cdef enum:
    REPORTER_CNAME_BYTES = 9


cdef void report_upstream(Core* c, uint64_t now_us) noexcept nogil:
    """One pass over all Tracks: liveness, keyframe requests, NACKs; publishing Transports' periodic reports."""
    cdef uint32_t i
    cdef int k
    cdef Track* track
    for i in range(c.tables.track_high):
        track = &c.tables.tracks[i]
        if track.handle == 0:
            continue
        for k in range(track.encoding_count):
            serve_encoding(c, track, track.encodings[k], now_us)
        if track.transport != <uint32_t> NO_INDEX and c.tables.transports[track.transport].first_track == i:
            report_to_publisher(c, &c.tables.transports[track.transport], now_us)


cdef void serve_encoding(Core* c, Track* track, Encoding* e, uint64_t now_us) noexcept nogil:
    if e.live and (e.leaving and now_us > e.live_since_us + LEAVE_SPACING_US
                   or now_us > e.last_packet_us + NOT_LIVE_AFTER_US):
        mark_live(c, e, False)
    if e.keyframe_wanted and (e.live or not e.started):
        ask_keyframe(c, track, e, now_us)
    if track.feedback & FEEDBACK_NACK and nack_next_us(&e.nacks) <= now_us and track.transport != <uint32_t> NO_INDEX:
        ask_missing(c, &c.tables.transports[track.transport], e, now_us)


cdef void ask_keyframe(Core* c, Track* track, Encoding* e, uint64_t now_us) noexcept nogil:
    """PLI, or FIR where only that was negotiated; from a mirror, the request crosses to the source's Worker."""
    cdef Transport* transport
    cdef uint8_t* p
    cdef int n
    if now_us - e.keyframe_asked_us < KEYFRAME_SPACING_US:
        return
    if track.transport == <uint32_t> NO_INDEX:
        relay_keyframe_request(c, track, e)
        e.keyframe_asked_us = now_us
        return
    transport = &c.tables.transports[track.transport]
    if not e.bound or transport.tx == NULL or not transport.has_remote:
        return
    e.keyframe_asked_us = now_us
    e.plis_sent += 1
    c.counters.plis_out += 1
    p = batch_reserve(&c.batch)
    n = open_compound(transport, p, NULL, 0)
    if track.feedback & FEEDBACK_PLI or not track.feedback & FEEDBACK_FIR:
        n += rtcp_write_pli(p + n, RTCP_CAPACITY - n, transport.reporter_ssrc, e.ssrc)
    else:
        n += rtcp_write_fir(p + n, RTCP_CAPACITY - n, transport.reporter_ssrc, e.ssrc, e.fir_seq)
        e.fir_seq += 1
    send_rtcp(c, transport, p, n)


cdef void relay_keyframe_request(Core* c, Track* track, Encoding* e) noexcept nogil:
    cdef RelaySlot* slot = <RelaySlot*> ring_reserve(c.peers_out[track.source_worker])
    if slot == NULL:
        count_drop(c, DROP_RING_FULL)
        return
    slot.kind = RELAY_KEYFRAME
    slot.track = track.source_track
    slot.encoding = e.number
    ring_commit(c.peers_out[track.source_worker])
    c.relayed_to[track.source_worker] = True


cdef void ask_missing(Core* c, Transport* transport, Encoding* e, uint64_t now_us) noexcept nogil:
    cdef uint16_t missing[MAX_NACKED]
    cdef uint8_t* p
    cdef int n
    cdef int count
    if transport.tx == NULL or not transport.has_remote:
        return
    count = nack_poll(&e.nacks, now_us, transport.rtt_us if transport.rtt_us else DEFAULT_RTT_US, missing, MAX_NACKED)
    if count == 0:
        return
    p = batch_reserve(&c.batch)
    n = open_compound(transport, p, NULL, 0)
    n += rtcp_write_nack(p + n, RTCP_CAPACITY - n, transport.reporter_ssrc, e.ssrc, missing, count)
    c.counters.nacks_out += count
    send_rtcp(c, transport, p, n)


cdef int open_compound(const Transport* transport, uint8_t* p, const ReportBlock* blocks, int count) noexcept nogil:
    """RR with `count` blocks and SDES CNAME; returns the bytes written."""
    cdef int n = rtcp_write_rr(p, RTCP_CAPACITY, transport.reporter_ssrc, blocks, count)
    return n + rtcp_write_sdes_cname(
        p + n, RTCP_CAPACITY - n, transport.reporter_ssrc, <const uint8_t*> REPORTER_CNAME, REPORTER_CNAME_BYTES)


cdef void send_rtcp(Core* c, Transport* transport, uint8_t* p, int n) noexcept nogil:
    """Protects the compound that lies at the batch's free end and commits it."""
    n = protect_rtcp(c.engine, transport.tx, p, n, transport.rtcp_index)
    transport.rtcp_index = (transport.rtcp_index + 1) & 0x7fffffff
    if n > 0:
        transport.packets_out += 1
        transport.bytes_out += n
        batch_commit(&c.batch, transport, <uint32_t> n)


cdef void report_to_publisher(Core* c, Transport* transport, uint64_t now_us) noexcept nogil:
    cdef PublishState* publish = transport.publish
    if publish == NULL or transport.tx == NULL or not transport.has_remote:
        return
    if publish.feedback & FEEDBACK_TRANSPORT_CC and now_us >= publish.next_twcc_us and twcc_pending(&publish.twcc):
        publish.next_twcc_us = now_us + TWCC_INTERVAL_US
        send_transport_cc(c, transport)
    if now_us >= publish.next_report_us:
        publish.next_report_us = now_us + REPORT_INTERVAL_US
        send_reception(c, transport, now_us)


cdef void send_transport_cc(Core* c, Transport* transport) noexcept nogil:
    cdef uint8_t* p = batch_reserve(&c.batch)
    cdef int n = open_compound(transport, p, NULL, 0)
    cdef int written = twcc_build(&transport.publish.twcc, transport.reporter_ssrc, transport.publish.twcc_media_ssrc,
                                  p + n, RTCP_CAPACITY - n)
    if written > 0:
        c.counters.twcc_out += 1
        send_rtcp(c, transport, p, n + written)


cdef void send_reception(Core* c, Transport* transport, uint64_t now_us) noexcept nogil:
    """One report block for each Encoding that was received; REMB behind it where that is all the far end knows."""
    cdef PublishState* publish = transport.publish
    cdef ReportBlock blocks[MAX_SSRCS]
    cdef uint32_t ssrcs[MAX_SSRCS]
    cdef int count = 0
    cdef int i, n
    cdef uint8_t* p
    publish.last_fraction_lost = 0
    for i in range(publish.ssrc_count):
        if publish.ssrcs[i].is_rtx or not publish.ssrcs[i].encoding.started or count == 31:
            continue
        if reception_report(&publish.ssrcs[i].encoding.reception, publish.ssrcs[i].ssrc, now_us, &blocks[count]):
            ssrcs[count] = publish.ssrcs[i].ssrc
            publish.last_fraction_lost = max(publish.last_fraction_lost, blocks[count].fraction_lost)
            count += 1
    p = batch_reserve(&c.batch)
    n = open_compound(transport, p, blocks, count)
    if publish.feedback & FEEDBACK_REMB and not publish.feedback & FEEDBACK_TRANSPORT_CC and count:
        step_remb(c, publish)
        n += rtcp_write_remb(p + n, RTCP_CAPACITY - n, transport.reporter_ssrc, publish.remb_bps, ssrcs, count)
    c.counters.reports_out += 1
    send_rtcp(c, transport, p, n)


cdef void step_remb(Core* c, PublishState* publish) noexcept nogil:
    """A loss-driven limit for far ends that know only REMB: down by half the loss above 10 %, up 8 % below 2 %."""
    cdef uint64_t bps = publish.remb_bps if publish.remb_bps else c.max_publish_bps
    if publish.last_fraction_lost > LOSS_HIGH_256:
        bps = bps * (512 - publish.last_fraction_lost) // 512
    elif publish.last_fraction_lost < LOSS_LOW_256:
        bps = bps * 108 // 100 + 1000
    publish.remb_bps = <uint32_t> max(<uint64_t> MIN_REMB_BPS, min(bps, <uint64_t> c.max_publish_bps))


cdef void report_downstream(Core* c, uint64_t now_us) noexcept nogil:
    """Sender reports to a slice of the Subscriptions; each comes round about once in CYCLE_TICKS ticks."""
    cdef Subscription* s
    cdef uint32_t high = c.tables.subscription_high
    if high == 0:
        return
    for _ in range(high // CYCLE_TICKS + 1):
        c.sr_cursor = (c.sr_cursor + 1) % high
        s = &c.tables.subscriptions[c.sr_cursor]
        if s.handle and s.packets_sent and s.current != NULL and s.current.has_sr and now_us >= s.next_sr_us:
            send_sender_report(c, s, s.current, now_us)


cdef void send_sender_report(Core* c, Subscription* s, const Encoding* e, uint64_t now_us) noexcept nogil:
    """The publisher's own RTP-to-NTP line, read at this moment, in the Subscription's numbering."""
    cdef Transport* transport = &c.tables.transports[s.transport]
    cdef SenderReport report
    cdef uint64_t elapsed_us = now_us - e.sr_arrival_us if now_us > e.sr_arrival_us else 0
    cdef uint8_t* p
    cdef int n
    if transport.tx == NULL or not transport.has_remote:
        return
    s.next_sr_us = now_us + SENDER_REPORT_INTERVAL_US
    report.ssrc = s.ssrc
    report.ntp = e.sr_ntp + (elapsed_us // 1000000 << 32) + ((elapsed_us % 1000000 << 32) // 1000000)
    report.rtp_ts = e.sr_rtp_ts + <uint32_t> (elapsed_us * s.clock_rate // 1000000) + s.rewrite.ts_offset
    report.packets = s.packets_sent
    report.octets = s.octets_sent
    s.sr_mid_ntp = <uint32_t> (report.ntp >> 16)
    s.sr_sent_us = now_us
    p = batch_reserve(&c.batch)
    n = rtcp_write_sr(p, RTCP_CAPACITY, &report)
    n += rtcp_write_sdes_cname(p + n, RTCP_CAPACITY - n, s.ssrc, s.cname, s.cname_bytes)
    c.counters.reports_out += 1
    send_rtcp(c, transport, p, n)

from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from sfu._fastpath.stream.srtp cimport unprotect_rtcp
from sfu._fastpath.wire.endian cimport store_be16, store_be32
from sfu._fastpath.wire.extensions cimport (
    EXT_ABS_SEND_TIME, EXT_MID, EXT_REPAIRED_RID, EXT_RID, EXT_TRANSPORT_CC, ExtIds, ExtWriter, ext_write,
    ext_writer_close, ext_writer_open,
)
from sfu._fastpath.wire.rtcp cimport (
    RTCP_PSFB, RTCP_RTPFB, RtcpBlock, RtcpCursor, SenderReport, rtcp_fb_media_ssrc, rtcp_fir_items, rtcp_nack_items,
    rtcp_next, rtcp_open, rtcp_read_fir, rtcp_read_nack, rtcp_write_sdes_cname, rtcp_write_sr,
)
from sfu._fastpath.wire.rtp cimport rtp_write_header
from bench.load.ports cimport TX_BYTES, TxSlot, tx_commit_rtp
from bench.load.stamp cimport (
    OPUS_HEAD_BYTES, STAMP_BYTES, STREAM_AUDIO, STREAM_VIDEO, Stamp, VP8_DESCRIPTOR_BYTES, VP8_HEAD_BYTES, stamp_write,
)
from bench.load.transport cimport ICE_CHECKING, next_random, transport_commit_rtcp, transport_slot

cdef enum:
    RTP_HEADER_BYTES = 12
    EXTENSION_BYTES = 48
    FMT_NACK = 1
    FMT_TRANSPORT_CC = 15
    FMT_PLI = 1
    FMT_FIR = 4
    FMT_AFB = 15
    SMALLEST_FRAME_BYTES = 200
    BURST_US = 40_000
    PACING_PERCENT = 250
    UNIX_TO_NTP_S = 2208988800

cdef const uint8_t* CNAME = <const uint8_t*> b"headwater-load"


cdef SourceStream* source_add_stream(Outlet* outlet, Source* source, int kind, uint32_t clock_rate,
                                     uint64_t frame_us, int mean_bytes) noexcept nogil:
    """NULL: there are SOURCE_STREAMS already. The first frame comes at a random phase."""
    cdef SourceStream* stream
    if source.stream_count == SOURCE_STREAMS:
        return NULL
    stream = &source.streams[source.stream_count]
    memset(stream, 0, sizeof(SourceStream))
    stream.kind = kind
    stream.rtx_pt = -1
    stream.clock_rate = clock_rate
    stream.frame_us = frame_us
    stream.mean_bytes = mean_bytes
    stream.index = next_random(outlet) & 0x7FFF
    stream.mark = stream.index
    stream.rtx_index = next_random(outlet) & 0x7FFF
    stream.first_ts = <uint32_t> next_random(outlet)
    stream.next_frame_us = outlet.now_us + next_random(outlet) % frame_us
    stream.keyframe_wanted = True
    source.stream_count += 1
    return stream


cdef bint source_keep_history(SourceStream* stream) noexcept nogil:
    if stream.history == NULL:
        stream.history = <SentPacket*> calloc(HISTORY, sizeof(SentPacket))
    return stream.history != NULL


cdef void source_resume(Outlet* outlet, Source* source) noexcept nogil:
    cdef SourceStream* stream
    cdef uint64_t missed
    cdef int i
    for i in range(source.stream_count):
        stream = &source.streams[i]
        stream.debt_bytes = 0
        if outlet.now_us > stream.next_frame_us:
            missed = (outlet.now_us - stream.next_frame_us) // stream.frame_us + 1
            stream.next_frame_us += missed * stream.frame_us
            stream.frame_count += missed


cdef void source_free(Source* source) noexcept nogil:
    cdef int i
    for i in range(source.stream_count):
        free(source.streams[i].history)
        source.streams[i].history = NULL
    source.stream_count = 0
    source.used = False


cdef uint64_t source_tick(Outlet* outlet, SourceTally* tally, Source* source, Transport* transport) noexcept nogil:
    cdef SourceStream* stream
    cdef uint64_t due_us = outlet.now_us + 1_000_000
    cdef int i
    if transport.tx == NULL or transport.ice == ICE_CHECKING:
        return outlet.now_us + 10_000
    for i in range(source.stream_count):
        stream = &source.streams[i]
        if outlet.now_us >= stream.next_frame_us and stream.packets_left == 0:
            begin_frame(outlet, tally, source, stream)
        while stream.packets_left and outlet.now_us >= stream.next_packet_us:
            send_next(outlet, tally, source, stream, transport)
        if outlet.now_us >= stream.next_sr_us and stream.packets:
            send_report(outlet, stream, transport)
        if stream.packets_left:
            due_us = min(due_us, stream.next_packet_us)
        else:
            due_us = min(due_us, stream.next_frame_us)
    return due_us


cdef void begin_frame(Outlet* outlet, SourceTally* tally, Source* source, SourceStream* stream) noexcept nogil:
    cdef uint64_t elapsed = 1
    cdef int largest = source.packet_bytes - RTP_HEADER_BYTES - EXTENSION_BYTES // 2 - VP8_DESCRIPTOR_BYTES
    if outlet.now_us - stream.next_frame_us > SLIP_US:
        elapsed += (outlet.now_us - stream.next_frame_us) // stream.frame_us
        tally.slips += elapsed - 1
    stream.frame_count += elapsed
    stream.next_frame_us += elapsed * stream.frame_us
    stream.rtp_ts = stream.first_ts + <uint32_t> (stream.frame_count * stream.frame_us * stream.clock_rate // 1000000)
    stream.opens_frame = True
    stream.keyframe = False
    stream.next_packet_us = outlet.now_us
    tally.frames += 1
    if stream.kind == STREAM_AUDIO:
        stream.bytes_left = stream.mean_bytes - 20 + <int> (next_random(outlet) % 41)
        stream.packets_left = 1
        return
    if stream.keyframe_wanted and outlet.now_us - stream.last_keyframe_us >= KEYFRAME_EVERY_US:
        stream.keyframe = True
        stream.keyframe_wanted = False
        stream.last_keyframe_us = outlet.now_us
        tally.keyframes += 1
    stream.bytes_left = frame_bytes(outlet, stream)
    stream.packets_left = (stream.bytes_left + largest - 1) // largest
    stream.burst_bytes = <int64_t> stream.mean_bytes * BURST_US * PACING_PERCENT // 100 // <int64_t> stream.frame_us
    stream.picture_id = (stream.picture_id + 1) & 0x7FFF
    stream.tl0_pic_idx += 1


cdef int frame_bytes(Outlet* outlet, SourceStream* stream) noexcept nogil:
    """A keyframe is 5 to 8 means, the frames after it pay it back; others vary by a fifth."""
    cdef int64_t mean = stream.mean_bytes
    cdef int64_t size
    if stream.keyframe:
        size = mean * <int64_t> (500 + next_random(outlet) % 300) // 100
    else:
        size = mean * <int64_t> (80 + next_random(outlet) % 41) // 100
        size -= max(-mean // 2, min(mean // 2, stream.debt_bytes // 30))
    size = max(size, <int64_t> SMALLEST_FRAME_BYTES)
    stream.debt_bytes += size - mean
    return <int> size


cdef int write_extensions(Outlet* outlet, Source* source, SourceStream* stream, uint8_t* p, bint named,
                          int rid_type) noexcept nogil:
    cdef ExtIds* ids = &source.audio_extensions if stream.kind == STREAM_AUDIO else &source.video_extensions
    cdef ExtWriter writer
    cdef uint8_t value[4]
    ext_writer_open(&writer, p, EXTENSION_BYTES, False)
    if ids.id[<int> EXT_ABS_SEND_TIME]:
        store_be32(value, <uint32_t> (outlet.now_us * 262144 // 1000000) << 8)
        ext_write(&writer, ids.id[<int> EXT_ABS_SEND_TIME], value, 3)
    if ids.id[<int> EXT_TRANSPORT_CC]:
        store_be16(value, source.transport_seq)
        source.transport_seq += 1
        ext_write(&writer, ids.id[<int> EXT_TRANSPORT_CC], value, 2)
    if named and ids.id[<int> EXT_MID] and stream.mid_bytes:
        ext_write(&writer, ids.id[<int> EXT_MID], stream.mid, stream.mid_bytes)
    if named and ids.id[rid_type] and stream.rid_bytes:
        ext_write(&writer, ids.id[rid_type], stream.rid, stream.rid_bytes)
    return ext_writer_close(&writer)


cdef int write_media(Outlet* outlet, SourceStream* stream, uint8_t* payload, int n) noexcept nogil:
    """Codec bytes and the stamp: n bytes behind the payload descriptor; returns the whole length."""
    cdef Stamp stamp
    cdef uint8_t* p = payload
    stamp.counter = <uint32_t> stream.index
    stamp.stream = stream.id
    stamp.sent_us = outlet.now_us
    if stream.kind == STREAM_AUDIO:
        p[0] = 0xF8
        p += OPUS_HEAD_BYTES
    else:
        p[0] = 0x90 if stream.opens_frame else 0x80
        p[1] = 0xE0
        store_be16(p + 2, 0x8000 | stream.picture_id)
        p[4] = stream.tl0_pic_idx
        p[5] = 0x20
        p += VP8_DESCRIPTOR_BYTES
        memset(p, 0, VP8_HEAD_BYTES)
        p[0] = 0x10 if stream.keyframe else 0x11
        if stream.keyframe and stream.opens_frame:
            memcpy(p + 3, b"\x9d\x01\x2a\x80\x02\x68\x01", 7)
        p += VP8_HEAD_BYTES
    stamp_write(p, n, outlet.filler, &stamp)
    return <int> (p - payload) + n


cdef void send_next(Outlet* outlet, SourceTally* tally, Source* source, SourceStream* stream, Transport* transport) noexcept nogil:
    """The next packet of the frame; packets of one frame differ by at most one byte, the last are the larger."""
    cdef int share = stream.bytes_left // stream.packets_left
    cdef int head = OPUS_HEAD_BYTES if stream.kind == STREAM_AUDIO else VP8_HEAD_BYTES
    cdef bint last = stream.packets_left == 1
    cdef bint marker = last if stream.kind == STREAM_VIDEO else stream.packets == 0
    cdef TxSlot* slot = transport_slot(outlet, transport)
    cdef uint8_t* p = slot.packet
    cdef int at = RTP_HEADER_BYTES
    cdef int length
    at += write_extensions(outlet, source, stream, p + at, stream.packets < NAMED_PACKETS or stream.keyframe, EXT_RID)
    rtp_write_header(p, stream.pt, marker, <uint16_t> stream.index, stream.rtp_ts, stream.ssrc,
                     at > RTP_HEADER_BYTES, False)
    length = write_media(outlet, stream, p + at, max(share - head, STAMP_BYTES))
    remember(stream, p + at, length, marker)
    slot.n = at + length
    tx_commit_rtp(&outlet.tx, transport.tx, <uint32_t> (stream.index >> 16), at)
    tally.packets += 1
    tally.bytes += at + length
    stream.packets += 1
    stream.octets += length
    stream.index += 1
    stream.opens_frame = False
    stream.bytes_left -= share
    stream.packets_left -= 1
    stream.next_packet_us += gap_after(stream, share)


cdef uint64_t gap_after(SourceStream* stream, int sent_bytes) noexcept nogil:
    """As libwebrtc paces: at 2.5 times the bit rate, but what that allows in 40 ms leaves as one burst."""
    stream.burst_bytes -= sent_bytes
    if stream.burst_bytes > 0 or stream.kind == STREAM_AUDIO:
        return stream.pace_us
    return <uint64_t> sent_bytes * stream.frame_us * 100 // PACING_PERCENT // <uint64_t> stream.mean_bytes


cdef void remember(SourceStream* stream, const uint8_t* payload, int n, bint marker) noexcept nogil:
    cdef SentPacket* sent
    if stream.history == NULL or n > HISTORY_BYTES:
        return
    sent = &stream.history[stream.index % HISTORY]
    sent.seq = <uint16_t> stream.index
    sent.payload_bytes = <uint16_t> n
    sent.rtp_ts = stream.rtp_ts
    sent.marker = marker
    memcpy(sent.payload, payload, n)


cdef void send_report(Outlet* outlet, SourceStream* stream, Transport* transport) noexcept nogil:
    """SR + SDES. The NTP time is the monotonic clock: only its differences matter (RFC 3550 section 6.4.1)."""
    cdef SenderReport report
    cdef TxSlot* slot = transport_slot(outlet, transport)
    cdef uint64_t since_us = outlet.now_us + stream.frame_us - stream.next_frame_us
    cdef int n
    report.ssrc = stream.ssrc
    report.ntp = ((outlet.now_us // 1000000 + UNIX_TO_NTP_S) << 32) | ((outlet.now_us % 1000000 << 32) // 1000000)
    report.rtp_ts = stream.rtp_ts + <uint32_t> (since_us * stream.clock_rate // 1000000)
    report.packets = stream.packets
    report.octets = stream.octets
    stream.next_sr_us = outlet.now_us + SR_EVERY_US
    n = rtcp_write_sr(slot.packet, TX_BYTES, &report)
    n += rtcp_write_sdes_cname(slot.packet + n, TX_BYTES - n, stream.ssrc, CNAME, 14)
    transport_commit_rtcp(outlet, transport, slot, n)


cdef SourceStream* stream_of(Source* source, uint32_t ssrc) noexcept nogil:
    cdef int i
    for i in range(source.stream_count):
        if source.streams[i].ssrc == ssrc:
            return &source.streams[i]
    return NULL


cdef void source_receive_rtcp(Outlet* outlet, SourceTally* tally, Source* source, Transport* transport,
                              uint8_t* p, int n) noexcept nogil:
    cdef RtcpCursor cursor
    cdef RtcpBlock block
    cdef uint32_t index
    if transport.rx == NULL:
        return
    n = unprotect_rtcp(outlet.crypto, transport.rx, p, n, &index)
    if n < 0:
        return
    rtcp_open(&cursor, p, n)
    while rtcp_next(&cursor, &block) == 1:
        if block.type == RTCP_RTPFB and block.count == FMT_NACK:
            answer_nack(outlet, tally, source, &block, transport)
        elif block.type == RTCP_RTPFB and block.count == FMT_TRANSPORT_CC:
            tally.transport_cc += 1
        elif block.type == RTCP_PSFB and block.count == FMT_AFB:
            tally.remb += 1
        elif block.type == RTCP_PSFB:
            want_keyframe(tally, source, &block)


cdef void want_keyframe(SourceTally* tally, Source* source, const RtcpBlock* block) noexcept nogil:
    """PLI (RFC 4585 section 6.3.1) or FIR (RFC 5104 section 4.3.1): the next frame becomes a keyframe."""
    cdef SourceStream* stream = NULL
    cdef uint32_t ssrc = 0
    cdef uint8_t seq
    if block.count == FMT_PLI:
        stream = stream_of(source, rtcp_fb_media_ssrc(block))
    elif block.count == FMT_FIR and rtcp_fir_items(block) > 0:
        rtcp_read_fir(block, 0, &ssrc, &seq)
        stream = stream_of(source, ssrc)
    if stream != NULL:
        tally.keyframe_requests += 1
        stream.keyframe_wanted = True


cdef void answer_nack(Outlet* outlet, SourceTally* tally, Source* source, const RtcpBlock* block, Transport* transport) noexcept nogil:
    cdef SourceStream* stream = stream_of(source, rtcp_fb_media_ssrc(block))
    cdef uint16_t pid, blp
    cdef int i, bit
    if stream == NULL:
        return
    for i in range(rtcp_nack_items(block)):
        rtcp_read_nack(block, i, &pid, &blp)
        resend(outlet, tally, source, stream, transport, pid)
        for bit in range(16):
            if blp >> bit & 1:
                resend(outlet, tally, source, stream, transport, <uint16_t> (pid + bit + 1))


cdef void resend(Outlet* outlet, SourceTally* tally, Source* source, SourceStream* stream, Transport* transport,
                 uint16_t seq) noexcept nogil:
    """By RTX only (RFC 4588): the packet itself again would encrypt two headers under one nonce."""
    cdef SentPacket* sent
    cdef TxSlot* slot
    cdef int at = RTP_HEADER_BYTES
    tally.nacks += 1
    if stream.history == NULL or stream.rtx_pt < 0:
        return
    sent = &stream.history[(stream.index - <uint16_t> (stream.index - seq)) % HISTORY]
    if sent.seq != seq or sent.payload_bytes == 0:
        return
    slot = transport_slot(outlet, transport)
    at += write_extensions(outlet, source, stream, slot.packet + at, True, EXT_REPAIRED_RID)
    rtp_write_header(slot.packet, <uint8_t> stream.rtx_pt, sent.marker, <uint16_t> stream.rtx_index, sent.rtp_ts,
                     stream.rtx_ssrc, at > RTP_HEADER_BYTES, False)
    store_be16(slot.packet + at, seq)
    memcpy(slot.packet + at + 2, sent.payload, sent.payload_bytes)
    slot.n = at + 2 + sent.payload_bytes
    tx_commit_rtp(&outlet.tx, transport.tx, <uint32_t> (stream.rtx_index >> 16), at)
    stream.rtx_index += 1
    tally.rtx += 1

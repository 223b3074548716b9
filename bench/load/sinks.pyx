from libc.string cimport memset
from sfu._fastpath.stream.srtp cimport srtp_guess_index, unprotect, unprotect_rtcp
from sfu._fastpath.wire.endian cimport load_be16
from sfu._fastpath.wire.rtcp cimport (
    ReportBlock, RTCP_SR, RtcpBlock, RtcpCursor, SenderReport, rtcp_next, rtcp_open, rtcp_read_sr, rtcp_write_nack,
    rtcp_write_rr, rtcp_write_sdes_cname,
)
from sfu._fastpath.wire.rtp cimport RtpHeader, rtp_padding, rtp_parse
from sfu._fastpath.wire.vp8 cimport Vp8Descriptor, vp8_parse
from bench.load.histogram cimport histogram_add
from bench.load.ports cimport TX_BYTES, TxSlot
from bench.load.stamp cimport (
    OPUS_HEAD_BYTES, STREAM_AUDIO, STREAM_RTX, STREAM_VIDEO, Stamp, VP8_HEAD_BYTES, stamp_read,
)
from bench.load.transport cimport next_random, transport_commit_rtcp, transport_slot

cdef const uint8_t* CNAME = <const uint8_t*> b"headwater-load"


cdef void sink_receive_rtp(Outlet* outlet, const SinkRules* rules, SinkTally* tally, Sink* sink,
                           Transport* transport, uint8_t* p, int n) noexcept nogil:
    cdef RtpHeader header
    cdef SinkStream* stream
    cdef uint64_t index
    cdef int fresh
    if rules.loss_per_65536 and (next_random(outlet) & 0xFFFF) < rules.loss_per_65536:
        tally.thrown += 1
        return
    if transport.rx == NULL or rtp_parse(p, n, &header) != 0:
        tally.refused += 1
        return
    tally.packets += 1
    tally.bytes += n
    stream = find_stream(sink, &header)
    if stream == NULL:
        tally.unexpected += 1
        return
    index = srtp_guess_index(stream.highest, stream.started, header.seq)
    if not stream.started or stream.kind == STREAM_RTX or ((header.seq + sink.transport * 5) & rules.sample_mask) == 0:
        if not check_packet(outlet, tally, sink, stream, transport, &header, p, n, index):
            return
    if stream.kind == STREAM_RTX:
        account(stream, index)
        return
    fresh = account(stream, index)
    if fresh == 0:
        tally.duplicates += 1
    elif fresh < 0:
        tally.late += 1


cdef SinkStream* find_stream(Sink* sink, const RtpHeader* header) noexcept nogil:
    cdef int i, kind
    cdef SinkStream* stream
    for i in range(sink.stream_count):
        if sink.streams[i].ssrc == header.ssrc:
            return &sink.streams[i]
    if header.pt == sink.video_pt:
        kind = STREAM_VIDEO
    elif header.pt == sink.audio_pt:
        kind = STREAM_AUDIO
    elif header.pt == sink.rtx_pt:
        kind = STREAM_RTX
    else:
        return NULL
    if sink.stream_count == SINK_STREAMS:
        return NULL
    stream = &sink.streams[sink.stream_count]
    memset(stream, 0, sizeof(SinkStream))
    stream.ssrc = header.ssrc
    stream.kind = kind
    sink.stream_count += 1
    return stream


cdef int account(SinkStream* stream, uint64_t index) noexcept nogil:
    """1: the newest, -1: late but new, 0: seen before or too old to know."""
    cdef uint64_t gap, i
    cdef uint64_t bit = <uint64_t> 1 << (index & 63)
    cdef uint64_t* word = &stream.window[(index % WINDOW) >> 6]
    if not stream.started:
        stream.started = True
        stream.highest = index
        stream.base = index
        stream.first_seq = <uint32_t> index
        memset(stream.window, 0xFF, sizeof(stream.window))
    elif index > stream.highest:
        gap = index - stream.highest
        if gap == 1:
            word[0] |= bit
        else:
            if gap > WINDOW:
                memset(stream.window, 0, sizeof(stream.window))
            else:
                for i in range(stream.highest + 1, index):
                    stream.window[(i % WINDOW) >> 6] &= ~(<uint64_t> 1 << (i & 63))
            word[0] |= bit
            stream.missing += <uint32_t> (gap - 1)
            stream.nack_tries = 0
        stream.highest = index
    else:
        if stream.highest - index >= WINDOW or word[0] & bit:
            return 0
        word[0] |= bit
        if stream.missing:
            stream.missing -= 1
        stream.total_received += 1
        if index >= stream.base:
            stream.received += 1
        return -1
    stream.total_received += 1
    stream.received += 1
    return 1


cdef bint check_packet(Outlet* outlet, SinkTally* tally, Sink* sink, SinkStream* stream, Transport* transport,
                       const RtpHeader* header, uint8_t* p, int n, uint64_t index) noexcept nogil:
    """Decrypts in place and compares; False: the packet is not the far end's."""
    cdef uint8_t* payload = p + header.header_bytes
    cdef int length = unprotect(outlet.crypto, transport.rx, p, n, header.header_bytes, <uint32_t> (index >> 16), payload)
    cdef int padding = 0
    if length < 0:
        tally.refused += 1
        return False
    tally.checked += 1
    if transport.first_media_us == 0:
        transport.first_media_us = outlet.now_us
    if header.padding:
        padding = rtp_padding(payload, length)
        if padding < 0:
            tally.corrupt += 1
            return True
    length -= padding
    if stream.kind == STREAM_RTX:
        tally.rtx += 1
        if length > 2:
            recover(outlet, tally, sink, payload, length)
    elif length > 0:
        check_payload(outlet, tally, stream, payload, length, index)
    return True


cdef void check_payload(Outlet* outlet, SinkTally* tally, SinkStream* stream, const uint8_t* payload, int n,
                        uint64_t index) noexcept nogil:
    cdef Stamp stamp
    cdef uint64_t latency_us
    cdef int64_t offset
    if not read_payload(tally, stream, payload, n, outlet.filler, &stamp):
        tally.corrupt += 1
        return
    latency_us = outlet.now_us - stamp.sent_us if outlet.now_us > stamp.sent_us else 0
    histogram_add(&tally.audio_us if stream.kind == STREAM_AUDIO else &tally.video_us, latency_us)
    offset = <int64_t> stamp.counter - <int64_t> index
    if stream.offset_known and offset > stream.counter_offset:
        tally.silent_lost += <uint64_t> (offset - stream.counter_offset)
    stream.offset_known = True
    stream.counter_offset = offset


cdef bint read_payload(SinkTally* tally, SinkStream* stream, const uint8_t* payload, int n, const uint8_t* filler,
                       Stamp* stamp) noexcept nogil:
    cdef Vp8Descriptor descriptor
    cdef int head = OPUS_HEAD_BYTES
    if stream.kind == STREAM_VIDEO:
        if vp8_parse(payload, n, &descriptor) != 0:
            return False
        head = descriptor.descriptor_bytes + VP8_HEAD_BYTES
        if not stream.started and not descriptor.keyframe:
            tally.starts_without_keyframe += 1
    return n > head and stamp_read(payload + head, n - head, filler, stamp)


cdef void recover(Outlet* outlet, SinkTally* tally, Sink* sink, const uint8_t* payload, int n) noexcept nogil:
    """An RTX payload is the lost sequence number and the lost payload (RFC 4588 section 4)."""
    cdef SinkStream* stream
    cdef Stamp stamp
    cdef int i
    for i in range(sink.stream_count):
        stream = &sink.streams[i]
        if stream.kind == STREAM_VIDEO and stream.started:
            if not read_payload(tally, stream, payload + 2, n - 2, outlet.filler, &stamp):
                tally.corrupt += 1
            elif account(stream, srtp_guess_index(stream.highest, True, load_be16(payload))) == 0:
                tally.duplicates += 1


cdef void sink_receive_rtcp(Outlet* outlet, SinkTally* tally, Sink* sink, Transport* transport,
                            uint8_t* p, int n) noexcept nogil:
    cdef RtcpCursor cursor
    cdef RtcpBlock block
    cdef SenderReport report
    cdef uint32_t index
    cdef int i
    if transport.rx == NULL:
        return
    n = unprotect_rtcp(outlet.crypto, transport.rx, p, n, &index)
    if n < 0:
        tally.refused += 1
        return
    tally.rtcp += 1
    rtcp_open(&cursor, p, n)
    while rtcp_next(&cursor, &block) == 1:
        if block.type != RTCP_SR or rtcp_read_sr(&block, &report) != 0:
            continue
        for i in range(sink.stream_count):
            if sink.streams[i].ssrc == report.ssrc:
                sink.streams[i].sr_ntp = <uint32_t> (report.ntp >> 16)
                sink.streams[i].sr_us = outlet.now_us


cdef void sink_visit(Outlet* outlet, const SinkRules* rules, SinkTally* tally, Sink* sink,
                     Transport* transport) noexcept nogil:
    cdef int i
    if transport.tx == NULL:
        return
    if outlet.now_us >= sink.next_rr_us and sink.stream_count:
        sink.next_rr_us = outlet.now_us + RR_EVERY_US
        send_reports(outlet, sink, transport)
    if not rules.nack or sink.rtx_pt < 0:
        return
    for i in range(sink.stream_count):
        if sink.streams[i].missing and sink.streams[i].kind == STREAM_VIDEO:
            ask_again(outlet, tally, sink, &sink.streams[i], transport)


cdef void send_reports(Outlet* outlet, Sink* sink, Transport* transport) noexcept nogil:
    """A receiver report on every stream and a CNAME (RFC 3550 section 6.1)."""
    cdef ReportBlock blocks[SINK_STREAMS]
    cdef TxSlot* slot = transport_slot(outlet, transport)
    cdef int i
    cdef int n = 0
    for i in range(sink.stream_count):
        if sink.streams[i].started:
            fill_report(outlet, &sink.streams[i], &blocks[n])
            n += 1
    n = rtcp_write_rr(slot.packet, TX_BYTES, sink.ssrc, blocks, n)
    n += rtcp_write_sdes_cname(slot.packet + n, TX_BYTES - n, sink.ssrc, CNAME, 14)
    transport_commit_rtcp(outlet, transport, slot, n)


cdef void fill_report(Outlet* outlet, SinkStream* stream, ReportBlock* block) noexcept nogil:
    """RFC 3550 appendix A.3; jitter is not measured and reported as 0."""
    cdef uint32_t expected = <uint32_t> stream.highest - stream.first_seq + 1
    cdef uint32_t expected_now = expected - stream.rr_expected
    cdef uint32_t received_now = stream.total_received - stream.rr_received
    stream.rr_expected = expected
    stream.rr_received = stream.total_received
    memset(block, 0, sizeof(ReportBlock))
    block.ssrc = stream.ssrc
    if expected_now > received_now:
        block.fraction_lost = <uint8_t> (<uint64_t> (expected_now - received_now) * 255 // expected_now)
    block.lost = <int> (expected - stream.total_received)
    block.ext_seq = <uint32_t> stream.highest
    if stream.sr_us:
        block.lsr = stream.sr_ntp
        block.dlsr = <uint32_t> ((outlet.now_us - stream.sr_us) * 65536 // 1000000)


cdef void ask_again(Outlet* outlet, SinkTally* tally, Sink* sink, SinkStream* stream, Transport* transport) noexcept nogil:
    """NACKs what is missing in the younger half of the window; gives up after NACK_TRIES (RFC 4585 section 6.2.1)."""
    cdef uint16_t seqs[NACK_SEQS]
    cdef TxSlot* slot
    cdef uint64_t i
    cdef int n = 0
    if outlet.now_us < stream.next_nack_us:
        return
    if stream.nack_tries == NACK_TRIES:
        stream.missing = 0
        return
    for i in range(stream.highest - WINDOW // 2 if stream.highest > WINDOW // 2 else 0, stream.highest):
        if not stream.window[(i % WINDOW) >> 6] & (<uint64_t> 1 << (i & 63)) and n < NACK_SEQS:
            seqs[n] = <uint16_t> i
            n += 1
    stream.nack_tries += 1
    stream.next_nack_us = outlet.now_us + NACK_EVERY_US
    if n == 0:
        stream.missing = 0
        return
    tally.nacks += n
    slot = transport_slot(outlet, transport)
    transport_commit_rtcp(
        outlet, transport, slot, rtcp_write_nack(slot.packet, TX_BYTES, sink.ssrc, stream.ssrc, seqs, n)
    )


cdef void sink_mark(Sink* sink) noexcept nogil:
    cdef int i
    for i in range(sink.stream_count):
        sink.streams[i].base = sink.streams[i].highest + 1
        sink.streams[i].received = 0


cdef void sink_totals(const Sink* sink, uint64_t* expected, uint64_t* received) noexcept nogil:
    """What sequence numbers say was sent since the mark, and what came; RTX streams are not media of their own."""
    cdef int i
    for i in range(sink.stream_count):
        if sink.streams[i].kind != STREAM_RTX and sink.streams[i].started:
            expected[0] += sink.streams[i].highest + 1 - sink.streams[i].base
            received[0] += sink.streams[i].received

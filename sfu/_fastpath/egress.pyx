"""From an Encoding's run to datagrams: select, rewrite, remember, hand to the batch.

A run is the packets of one Encoding that came since the last forwarding. Each Subscription gets the whole run in one
go, so its packets lie side by side and leave as one GSO message.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from sfu._fastpath.batch cimport (
    SendBatch, batch_commit, batch_reserve, batch_run_bytes,
)
from sfu._fastpath.core cimport EXT_BLOCK_BYTES, count_drop
from sfu._fastpath.selection cimport switch_at_boundary, switch_on_offer
from sfu._fastpath.stream.history cimport (
    MAX_PAYLOAD_BYTES, PACKET_MARKER, PACKET_PADDING_ONLY, PACKET_VP8_IDS, history_find,
)
from sfu._fastpath.stream.layers cimport step_temporal
from sfu._fastpath.stream.rewrite cimport (
    SKIP_FILL, Mapped, rewrite_filled, rewrite_ids_sent, rewrite_jump, rewrite_map, rewrite_sent, rewrite_skip,
)
from sfu._fastpath.stream.srtp cimport ProtectJob
from sfu._fastpath.tables cimport (
    RUN_PACKETS, ExtProfile, SentRecord, Transport,
)
from sfu._fastpath.wire.drops cimport (
    DROP_AWAITING_KEYFRAME, DROP_HISTORY_MISS, DROP_LATE, DROP_LAYER_FILTERED, DROP_SUBSCRIPTION_NO_CODEC,
)
from sfu._fastpath.wire.endian cimport store_be16
from sfu._fastpath.wire.extensions cimport (
    EXT_MID, ExtWriter, ext_write, ext_writer_close, ext_writer_open,
)
from sfu._fastpath.wire.rtp cimport rtp_write_header

cdef enum:
    RTP_HEADER_BYTES = 12
    NO_PAYLOAD_TYPE = 255
    NO_PROFILE = 0xffff
    RECORD_EMPTY = 255
    RECORD_FILL = 254
    PAD_WITHIN_BYTES = 48          # sizes that differ by more are not made equal
    FILL_BYTES = 1                 # payload of a padding-only packet
    RESEND_SPACING_MS = 10
    RAISED_PACKETS = 512           # how long a step up to a higher temporal layer is remembered
    LONGEST_GAP = 16384            # a source that jumps further is not followed


cdef void queue_for_run(Core* c, Encoding* encoding, SourcePacket* packet) noexcept nogil:
    """Adds a received packet to its Encoding's run; a full run is forwarded at once."""
    if encoding.run_count == RUN_PACKETS:
        forward_run(c, encoding)
    if encoding.run_count == 0:
        encoding.run_opened_us = packet.arrival_us
    encoding.run[encoding.run_count] = packet.ext_seq
    encoding.run_count += 1
    if not encoding.run_listed and c.open_run_count < c.open_run_capacity:
        encoding.run_listed = True
        c.open_runs[c.open_run_count] = encoding
        c.open_run_count += 1


cdef void forward_due_runs(Core* c, uint64_t now_us) noexcept nogil:
    """Forwards the runs that are complete (marker) or have waited long enough (`gather_us`)."""
    cdef int kept = 0
    cdef int i
    cdef Encoding* encoding
    cdef SourcePacket* last
    for i in range(c.open_run_count):
        encoding = c.open_runs[i]
        if encoding.run_count and now_us - encoding.run_opened_us < gather_us(c, encoding):
            last = history_find(&encoding.history, encoding.run[encoding.run_count - 1])
            if last != NULL and not last.flags & PACKET_MARKER:
                c.open_runs[kept] = encoding
                kept += 1
                continue
        forward_run(c, encoding)
        encoding.run_listed = False
    c.open_run_count = kept


cdef void forget_run(Core* c, Encoding* encoding) noexcept nogil:
    """Takes a vanishing Encoding out of the list of open runs."""
    cdef int i
    cdef int kept = 0
    for i in range(c.open_run_count):
        if c.open_runs[i] != encoding:
            c.open_runs[kept] = c.open_runs[i]
            kept += 1
    c.open_run_count = kept
    encoding.run_count = 0
    encoding.run_listed = False


cdef void forward_run(Core* c, Encoding* encoding) noexcept nogil:
    """The fan-out: every listener gets every packet of the run."""
    cdef SourcePacket* packets[RUN_PACKETS]
    cdef int count = 0
    cdef int k
    cdef uint32_t i = 0
    cdef uint32_t index
    for k in range(encoding.run_count):
        packets[count] = history_find(&encoding.history, encoding.run[k])
        if packets[count] != NULL:
            c.ext_profile[count] = NO_PROFILE
            count += 1
    encoding.run_count = 0
    equalise(c, packets, count)
    while i < encoding.listener_count:
        index = encoding.listeners[i]
        for k in range(count):
            forward(c, &c.tables.subscriptions[index], encoding, packets[k], k)
        # a Subscription that moved to another Encoding left its place to the last listener
        if i < encoding.listener_count and encoding.listeners[i] == index:
            i += 1


cdef void equalise(Core* c, SourcePacket** packets, int count) noexcept nogil:
    """Sets `pad_to`: the payload size each packet is padded to, so that near-equal neighbours become equal.

    libwebrtc cuts a frame into packets that differ by a byte; the last of a run may stay shorter.
    """
    cdef int start = 0
    cdef int end, k
    cdef uint16_t low, high, size
    for k in range(count):
        c.pad_to[k] = packets[k].payload_bytes
    if not c.batch.gso or count < 2:
        return
    while start < count:
        low = high = packets[start].payload_bytes
        end = start + 1
        while end < count:
            size = packets[end].payload_bytes
            if (size if size > high else high) - (size if size < low else low) > PAD_WITHIN_BYTES:
                break
            low = size if size < low else low
            high = size if size > high else high
            end += 1
        for k in range(start, end if end < count else count - 1):
            c.pad_to[k] = high
        start = end


cdef void forward(Core* c, Subscription* s, Encoding* encoding, SourcePacket* packet, int k) noexcept nogil:
    """One packet for one Subscription: if it uses this Encoding, or may start to with this packet."""
    if s.current != encoding:
        if s.target == encoding and switch_on_offer(c, s, packet):
            replay(c, s)
        elif s.current == NULL:
            count_drop(c, DROP_AWAITING_KEYFRAME)
        return
    if s.target != NULL and switch_at_boundary(c, s, packet):
        replay(c, s)
        return
    forward_selected(c, s, encoding, packet, k)
    if s.target != NULL and packet.flags & PACKET_MARKER and switch_at_boundary(c, s, NULL):
        replay(c, s)


cdef void replay(Core* c, Subscription* s) noexcept nogil:
    """After a switch: all that history holds of the new Encoding from the keyframe on."""
    cdef Encoding* encoding = s.current
    cdef SourcePacket* packet
    cdef uint64_t seq = s.rewrite.floor_seq
    if seq + encoding.history.mask < encoding.highest_seq:
        seq = encoding.highest_seq - encoding.history.mask
    while seq <= encoding.highest_seq:
        packet = history_find(&encoding.history, seq)
        if packet != NULL:
            forward_selected(c, s, encoding, packet, -1)
        seq += 1


cdef void forward_selected(Core* c, Subscription* s, Encoding* encoding, SourcePacket* packet, int k) noexcept nogil:
    """Numbers and emits one packet of the Encoding in use, unless the temporal layer or its age forbid it."""
    cdef Mapped mapped
    cdef bint newest
    newest = packet.ext_seq > s.rewrite.source_highest
    if newest:
        step(s, packet)
        if packet.ext_seq - s.rewrite.source_highest > LONGEST_GAP:
            rewrite_jump(&s.rewrite, packet.ext_seq)
    if packet.flags & PACKET_PADDING_ONLY or packet.temporal_id > highest_temporal(s, packet):
        leave_out(c, s, packet, DROP_LAYER_FILTERED)
        return
    if packet.payload_type != s.cached_in_pt and not map_payload_type(s, packet.payload_type):
        leave_out(c, s, packet, DROP_SUBSCRIPTION_NO_CODEC)
        return
    if not rewrite_map(&s.rewrite, packet.ext_seq, &mapped):
        count_drop(c, DROP_LATE)
        return
    if not newest and already_sent(s, &mapped):
        return
    emit(c, s, encoding, packet, &mapped, k)


cdef inline void step(Subscription* s, const SourcePacket* packet) noexcept nogil:
    """Moves to the temporal layer that is right from this newest packet on; notes from where it was a higher one."""
    cdef uint8_t temporal = step_temporal(s.temporal, s.wish_temporal, packet)
    if temporal > s.temporal:
        if s.raised_seq == 0 or packet.ext_seq - s.raised_seq > RAISED_PACKETS or s.temporal < s.raised_from:
            s.raised_from = s.temporal
        s.raised_seq = packet.ext_seq
    s.temporal = temporal


cdef inline uint8_t highest_temporal(const Subscription* s, const SourcePacket* packet) noexcept nogil:
    """A packet that comes late counts as what it was in its place: the frames it needs may have been left out."""
    if packet.ext_seq < s.raised_seq:
        return min(s.temporal, s.raised_from)
    return s.temporal


cdef bint already_sent(const Subscription* s, const Mapped* m) noexcept nogil:
    """True if this number went out: a packet of a replay comes along again with its run, a filled one comes late.

    Whatever was sent under it, nothing else may be (one SRTP index, one packet: RFC 3711 section 9.1).
    """
    cdef const SentRecord* record = &s.sent[m.out_seq & s.sent_mask]
    return record.out_seq == <uint16_t> m.out_seq and record.encoding != RECORD_EMPTY


cdef bint map_payload_type(Subscription* s, uint8_t incoming) noexcept nogil:
    cdef int i
    for i in range(s.map_count):
        if s.map[i].incoming == incoming:
            s.cached_in_pt = incoming
            s.cached_out_pt = s.map[i].outgoing
            s.cached_rtx_pt = s.map[i].outgoing_rtx
            return True
    return False


cdef void leave_out(Core* c, Subscription* s, SourcePacket* packet, int reason) noexcept nogil:
    """A packet this Subscription does not get: the numbering closes over it, or its reserved seq is filled."""
    cdef Mapped mapped
    cdef int picture_id = packet.picture_id if packet.flags & PACKET_VP8_IDS else -1
    count_drop(c, reason)
    if (rewrite_skip(&s.rewrite, packet.ext_seq, picture_id, &mapped) == SKIP_FILL
            and not already_sent(s, &mapped)):
        emit_fill(c, s, packet, &mapped)


cdef void emit(Core* c, Subscription* s, Encoding* encoding, SourcePacket* packet, const Mapped* m, int k) noexcept nogil:
    """Numbers, header, payload and record of one packet on its first way out."""
    cdef Transport* transport = &c.tables.transports[s.transport]
    cdef SentRecord record
    cdef uint32_t bytes
    record.source_seq = packet.ext_seq
    record.ts_offset = m.ts_offset
    record.out_seq = <uint16_t> m.out_seq
    record.picture_id_offset = m.picture_id_offset
    record.tl0_offset = m.tl0_offset
    record.encoding = encoding.number
    record.epoch = s.epoch
    record.resent_ms = 0
    record.padding_bytes = 0
    bytes = build(c, s, transport, packet, &record, m.out_seq, k)
    remember(s, &record)
    rewrite_sent(&s.rewrite, packet.ext_seq, m, packet.rtp_ts + m.ts_offset,
                 packet.flags & PACKET_MARKER != 0 or not s.is_video, packet.arrival_us)
    if packet.flags & PACKET_VP8_IDS and m.newest:
        rewrite_ids_sent(&s.rewrite, (packet.picture_id + m.picture_id_offset) & 0x7fff,
                         <uint8_t> (packet.tl0_pic_idx + m.tl0_offset))
    s.packets_sent += 1
    s.octets_sent += packet.payload_bytes
    s.packets += 1
    s.bytes += bytes
    transport.packets_out += 1
    transport.bytes_out += bytes
    c.counters.packets_forwarded += 1
    c.counters.bytes_forwarded += bytes


cdef void remember(Subscription* s, const SentRecord* record) noexcept nogil:
    s.sent[record.out_seq & s.sent_mask] = record[0]


cdef uint32_t build(Core* c, Subscription* s, Transport* transport, SourcePacket* packet, SentRecord* record,
                    uint64_t out_seq, int k) noexcept nogil:
    """One protected packet as `record` says. On the first way out (k >= 0) decides the padding and records it.

    The same record always gives the same bytes: a retransmission under the same SRTP index must not differ
    (RFC 3711 section 9.1). Returns the datagram's length.
    """
    cdef SendBatch* b = &c.batch
    cdef uint8_t* p = batch_reserve(b)
    cdef uint8_t* payload
    cdef ProtectJob* job
    cdef uint32_t ext_bytes = write_extensions(c, s, packet, p + RTP_HEADER_BYTES, k)
    cdef uint32_t header_bytes = RTP_HEADER_BYTES + ext_bytes
    cdef uint32_t payload_bytes = packet.payload_bytes
    if k >= 0:
        record.padding_bytes = padding_for(c, transport, header_bytes, packet, k)
    rtp_write_header(p, s.cached_out_pt, packet.flags & PACKET_MARKER != 0, <uint16_t> out_seq,
                     packet.rtp_ts + record.ts_offset, s.ssrc, ext_bytes != 0, record.padding_bytes != 0)
    job = &b.jobs[b.job_count]
    job.payload = packet.payload
    if record.padding_bytes or record.picture_id_offset or record.tl0_offset:
        payload = p + header_bytes
        memcpy(payload, packet.payload, payload_bytes)
        shift_picture_ids(payload, packet, record)
        payload_bytes += pad(payload, payload_bytes, record.padding_bytes)
        job.payload = payload
    job.context = transport.tx
    job.packet = p
    job.header_bytes = <uint16_t> header_bytes
    job.payload_bytes = <uint16_t> payload_bytes
    job.roc = <uint32_t> (out_seq >> 16) - 1
    b.arrivals[b.job_count] = packet.arrival_us if k >= 0 else 0
    b.job_count += 1
    batch_commit(b, transport, header_bytes + payload_bytes + transport.trailer_bytes)
    return header_bytes + payload_bytes + transport.trailer_bytes


cdef uint8_t padding_for(Core* c, const Transport* transport, uint32_t header_bytes, const SourcePacket* packet, int k) noexcept nogil:
    """Padding that makes this packet as long as the run it can join or has to start."""
    cdef uint32_t wanted = c.pad_to[k] - packet.payload_bytes
    cdef uint32_t bytes = header_bytes + packet.payload_bytes + transport.trailer_bytes
    cdef uint32_t run = batch_run_bytes(&c.batch, transport)
    if wanted == 0 or run == 0:
        return <uint8_t> wanted
    if bytes < run <= bytes + PAD_WITHIN_BYTES:
        return <uint8_t> (run - bytes)
    return <uint8_t> wanted


cdef inline uint32_t pad(uint8_t* payload, uint32_t n, uint8_t padding_bytes) noexcept nogil:
    """RTP padding (RFC 3550 section 5.1)."""
    if padding_bytes:
        memset(payload + n, 0, padding_bytes)
        payload[n + padding_bytes - 1] = padding_bytes
    return padding_bytes


cdef inline void shift_picture_ids(uint8_t* payload, const SourcePacket* packet, const SentRecord* record) noexcept nogil:
    """VP8 picture id and TL0PICIDX in the payload descriptor (RFC 7741 section 4.2)."""
    cdef uint16_t picture_id
    if not packet.flags & PACKET_VP8_IDS:
        return
    picture_id = packet.picture_id + record.picture_id_offset
    if packet.picture_id_15bit:
        store_be16(payload + packet.picture_id_offset, 0x8000 | (picture_id & 0x7fff))
    else:
        payload[packet.picture_id_offset] = picture_id & 0x7f
    if packet.tl0_offset:
        payload[packet.tl0_offset] = <uint8_t> (packet.tl0_pic_idx + record.tl0_offset)


cdef uint32_t write_extensions(Core* c, Subscription* s, const SourcePacket* packet, uint8_t* out, int k) noexcept nogil:
    """The header extension block; k >= 0 shares it among Subscriptions with the same profile."""
    cdef uint32_t n
    if k >= 0 and c.ext_profile[k] == s.ext_profile:
        n = c.ext_bytes[k]
        memcpy(out, c.ext_block[k], n)
        return n
    n = make_extensions(&c.tables.profiles[s.ext_profile], packet, out)
    if k >= 0:
        c.ext_profile[k] = s.ext_profile
        c.ext_bytes[k] = <uint16_t> n
        memcpy(c.ext_block[k], out, n)
    return n


cdef uint32_t make_extensions(const ExtProfile* profile, const SourcePacket* packet, uint8_t* out) noexcept nogil:
    """mid, and whatever else end to end both sides negotiated; nothing that belongs to the publisher's hop."""
    cdef ExtWriter w
    cdef int i
    cdef uint8_t kind, number
    ext_writer_open(&w, out, EXT_BLOCK_BYTES, profile.two_byte)
    if profile.mid_bytes and profile.ids.id[<int> EXT_MID]:
        ext_write(&w, profile.ids.id[<int> EXT_MID], profile.mid, profile.mid_bytes)
    for i in range(packet.extension_count):
        kind = packet.extensions[i].type
        number = profile.ids.id[kind]
        if number:
            ext_write(&w, number, packet.extension_store + packet.extensions[i].offset, packet.extensions[i].length)
    return <uint32_t> ext_writer_close(&w)


cdef void emit_fill(Core* c, Subscription* s, SourcePacket* packet, const Mapped* m) noexcept nogil:
    """A padding-only packet for a seq that must not stay a hole (RFC 3550 section 5.1)."""
    cdef SentRecord record
    memset(&record, 0, sizeof(record))
    record.source_seq = <uint64_t> s.cached_out_pt << 32 | <uint32_t> (packet.rtp_ts + m.ts_offset)
    record.out_seq = <uint16_t> m.out_seq
    record.encoding = RECORD_FILL
    record.epoch = s.epoch
    build_fill(c, s, record.source_seq, m.out_seq)
    rewrite_filled(&s.rewrite, m.out_seq, packet.rtp_ts + m.ts_offset)
    remember(s, &record)
    s.packets_sent += 1
    c.counters.packets_filled += 1


cdef void build_fill(Core* c, Subscription* s, uint64_t stamp, uint64_t out_seq) noexcept nogil:
    """The padding-only packet; `stamp` is payload type << 32 | rtp_ts, so that a repetition has the same bytes."""
    cdef Transport* transport = &c.tables.transports[s.transport]
    cdef uint8_t* p
    cdef ProtectJob* job
    p = batch_reserve(&c.batch)
    rtp_write_header(p, <uint8_t> (stamp >> 32), False, <uint16_t> out_seq, <uint32_t> stamp, s.ssrc, False, True)
    pad(p + RTP_HEADER_BYTES, 0, FILL_BYTES)
    job = &c.batch.jobs[c.batch.job_count]
    job.context = transport.tx
    job.packet = p
    job.payload = p + RTP_HEADER_BYTES
    job.header_bytes = RTP_HEADER_BYTES
    job.payload_bytes = FILL_BYTES
    job.roc = <uint32_t> (out_seq >> 16) - 1
    c.batch.arrivals[c.batch.job_count] = 0
    c.batch.job_count += 1
    batch_commit(&c.batch, transport, RTP_HEADER_BYTES + FILL_BYTES + transport.trailer_bytes)


cdef bint retransmit(Core* c, Subscription* s, uint16_t out_seq, uint64_t now_us) noexcept nogil:
    """Answers one NACKed seq from history: by RTX where negotiated (RFC 4588), else the same packet again."""
    cdef Transport* transport = &c.tables.transports[s.transport]
    cdef SentRecord* record = &s.sent[out_seq & s.sent_mask]
    cdef SourcePacket* packet
    cdef uint64_t ext_out
    cdef uint32_t now_ms = <uint32_t> (now_us // 1000) | 1
    if transport.tx == NULL or not transport.has_remote:
        return False
    if record.out_seq != out_seq or record.encoding == RECORD_EMPTY or record.epoch != s.epoch or s.track == NULL:
        count_drop(c, DROP_HISTORY_MISS)
        return False
    if record.resent_ms and now_ms - record.resent_ms < RESEND_SPACING_MS:
        return False
    record.resent_ms = now_ms
    ext_out = s.rewrite.out_highest - <uint16_t> (<uint16_t> s.rewrite.out_highest - out_seq)
    if record.encoding == RECORD_FILL:
        build_fill(c, s, record.source_seq, ext_out)
        return True
    packet = history_find(&s.track.encodings[record.encoding].history, record.source_seq)
    if packet == NULL or not map_payload_type(s, packet.payload_type):
        count_drop(c, DROP_HISTORY_MISS)
        return False
    if s.rtx_ssrc and s.cached_rtx_pt != NO_PAYLOAD_TYPE:
        build_rtx(c, s, packet, record)
    else:
        build(c, s, transport, packet, record, ext_out, -1)
    s.retransmitted += 1
    c.counters.packets_retransmitted += 1
    return True


cdef void build_rtx(Core* c, Subscription* s, SourcePacket* packet, const SentRecord* record) noexcept nogil:
    """RTX: own SSRC and seq, the original seq in front of the payload (RFC 4588 section 4)."""
    cdef Transport* transport = &c.tables.transports[s.transport]
    cdef uint8_t* p = batch_reserve(&c.batch)
    cdef uint32_t ext_bytes, header_bytes
    cdef ProtectJob* job
    if packet.payload_bytes + 2 > MAX_PAYLOAD_BYTES:
        return
    ext_bytes = write_extensions(c, s, packet, p + RTP_HEADER_BYTES, -1)
    header_bytes = RTP_HEADER_BYTES + ext_bytes
    rtp_write_header(p, s.cached_rtx_pt, packet.flags & PACKET_MARKER != 0, <uint16_t> s.rtx_seq,
                     packet.rtp_ts + record.ts_offset, s.rtx_ssrc, ext_bytes != 0, False)
    store_be16(p + header_bytes, record.out_seq)
    memcpy(p + header_bytes + 2, packet.payload, packet.payload_bytes)
    shift_picture_ids(p + header_bytes + 2, packet, record)
    job = &c.batch.jobs[c.batch.job_count]
    job.context = transport.tx
    job.packet = p
    job.payload = p + header_bytes
    job.header_bytes = <uint16_t> header_bytes
    job.payload_bytes = <uint16_t> (packet.payload_bytes + 2)
    job.roc = <uint32_t> (s.rtx_seq >> 16) - 1
    c.batch.arrivals[c.batch.job_count] = 0
    c.batch.job_count += 1
    s.rtx_seq += 1
    batch_commit(&c.batch, transport, header_bytes + packet.payload_bytes + 2 + transport.trailer_bytes)

"""Applies Commands to a Worker's tables. Runs on the Worker's thread with no datagram waiting in the batch."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc
from libc.string cimport memcpy, memset
from sfu._fastpath.batch cimport batch_commit, batch_flush, batch_reserve
from sfu._fastpath.commands cimport *
from sfu._fastpath.core cimport MAX_WORKERS
from sfu._fastpath.egress cimport forget_run
from sfu._fastpath.ingress cimport bind_known_ssrc
from sfu._fastpath.selection cimport detach, reselect, reselect_all, reselect_transport, want_keyframe
from sfu._fastpath.snapshot cimport take_snapshot
from sfu._fastpath.stream.serial cimport FIRST_CYCLE
from sfu._fastpath.stream.srtp cimport (
    srtp_context_free, srtp_context_new, srtp_key_bytes, srtp_trailer_bytes,
)
from sfu._fastpath.stream.twcc cimport twcc_init
from sfu._fastpath.tables cimport *

cdef enum:
    VIDEO_SENT_RECORDS = 512
    AUDIO_SENT_RECORDS = 128
    LARGEST_ONE_BYTE_ID = 14


cdef void apply_command(Core* c, Command* command, Reply* reply, uint64_t now_us) noexcept nogil:
    """Carries out one Command and fills its Reply."""
    cdef uint32_t op = command.op
    memset(reply, 0, sizeof(Reply))
    reply.token = command.token
    c.counters.commands += 1
    if op == OP_OPEN_TRANSPORT:
        open_transport(c, reply, now_us)
    elif op == OP_ADD_TRACK or op == OP_MIRROR_TRACK:
        add_track(c, command, reply)
    elif op == OP_SNAPSHOT:
        reply.rows = take_snapshot(c, command.body.flag, now_us)
        reply.status = STATUS_OK if reply.rows != NULL else STATUS_NO_MEMORY
    elif op == OP_SET_ICE or op == OP_SET_SRTP or op == OP_SEND_DTLS or op == OP_CLOSE_TRANSPORT or op == OP_SUBSCRIBE:
        apply_to_transport(c, transport_get(c.tables, command.handle), command, reply)
    elif op == OP_EXPORT_TRACK or op == OP_REMOVE_TRACK or op == OP_MUTE or op == OP_REQUEST_KEYFRAME:
        apply_to_track(c, track_get(c.tables, command.handle), command, reply)
    else:
        apply_to_subscription(c, subscription_get(c.tables, command.handle), command, reply)


cdef void apply_to_transport(Core* c, Transport* t, Command* command, Reply* reply) noexcept nogil:
    if t == NULL:
        reply.status = STATUS_NO_SUCH_HANDLE
    elif command.op == OP_SET_ICE:
        set_ice(t, &command.body.ice)
    elif command.op == OP_SET_SRTP:
        set_srtp(c, t, &command.body.srtp, reply)
    elif command.op == OP_SEND_DTLS:
        send_dtls(c, t, &command.body.datagram, reply)
    elif command.op == OP_SUBSCRIBE:
        subscribe(c, t, &command.body.subscribe, reply)
    else:
        close_transport(c, t)


cdef void apply_to_track(Core* c, Track* track, Command* command, Reply* reply) noexcept nogil:
    cdef int i
    if track == NULL:
        reply.status = STATUS_NO_SUCH_HANDLE
    elif command.op == OP_EXPORT_TRACK:
        export_track(c, track, &command.body.export_to, reply)
    elif command.op == OP_REMOVE_TRACK:
        remove_track(c, track)
    elif command.op == OP_MUTE:
        track.muted = command.body.flag != 0
        for i in range(track.encoding_count):
            forget_run(c, track.encodings[i])
            track.encodings[i].keyframe_seq = 0
        reselect_all(c, track)
    else:
        for i in range(track.encoding_count):
            want_keyframe(c, track.encodings[i])


cdef void apply_to_subscription(Core* c, Subscription* s, Command* command, Reply* reply) noexcept nogil:
    if s == NULL:
        reply.status = STATUS_NO_SUCH_HANDLE
    elif command.op == OP_BIND:
        bind(c, s, &command.body.bind, reply)
    elif command.op == OP_SELECT:
        s.wish_encoding = command.body.select.encoding
        s.wish_temporal = command.body.select.temporal
        reselect(c, s)
    elif command.op == OP_PAUSE:
        s.paused = command.body.flag != 0
        reselect(c, s)
    elif command.op == OP_UNSUBSCRIBE:
        unsubscribe(c, s)


cdef void open_transport(Core* c, Reply* reply, uint64_t now_us) noexcept nogil:
    cdef Transport* t = transport_take(c.tables)
    if t == NULL:
        reply.status = STATUS_TABLE_FULL
        return
    t.heard_us = now_us
    t.reporter_ssrc = <uint32_t> ((t.handle * <uint64_t> 0x9e3779b97f4a7c15 ^ c.tables.address_seed) >> 24) | 1
    reply.value = t.handle


cdef void set_ice(Transport* t, const IceCommand* ice) noexcept nogil:
    """New credentials; the old ones stay valid until the new are used by a nomination (RFC 8445 section 2.4)."""
    if t.credentials:
        t.local[1] = t.local[0]
        t.credentials = 2
    else:
        t.credentials = 1
    t.local[0].ufrag_bytes = ice.ufrag_bytes
    t.local[0].pwd_bytes = ice.pwd_bytes
    memcpy(t.local[0].ufrag, ice.ufrag, ICE_TEXT_BYTES)
    memcpy(t.local[0].pwd, ice.pwd, ICE_TEXT_BYTES)


cdef void set_srtp(Core* c, Transport* t, const SrtpCommand* keys, Reply* reply) noexcept nogil:
    cdef int key_bytes = srtp_key_bytes(<int> keys.profile)
    if key_bytes < 0:
        reply.status = STATUS_BAD_KEYS
        return
    srtp_context_free(t.rx)
    srtp_context_free(t.tx)
    t.rx = srtp_context_new(c.engine, <int> keys.profile, keys.rx, keys.rx + key_bytes)
    t.tx = srtp_context_new(c.engine, <int> keys.profile, keys.tx, keys.tx + key_bytes)
    t.trailer_bytes = <unsigned short> srtp_trailer_bytes(<int> keys.profile)
    if t.rx == NULL or t.tx == NULL:
        reply.status = STATUS_NO_MEMORY
    reselect_transport(c, t)


cdef void send_dtls(Core* c, Transport* t, const DatagramCommand* d, Reply* reply) noexcept nogil:
    cdef uint8_t* p
    if not t.has_remote:
        reply.status = STATUS_NO_ADDRESS
        return
    p = batch_reserve(&c.batch)
    memcpy(p, d.data, d.bytes)
    batch_commit(&c.batch, t, d.bytes)
    batch_flush(&c.batch)


cdef void close_transport(Core* c, Transport* t) noexcept nogil:
    while t.first_subscription != <uint32_t> NO_INDEX:
        unsubscribe(c, &c.tables.subscriptions[t.first_subscription])
    while t.first_track != <uint32_t> NO_INDEX:
        remove_track(c, &c.tables.tracks[t.first_track])
    transport_give_back(c.tables, t)


cdef void add_track(Core* c, Command* command, Reply* reply) noexcept nogil:
    """A Track of a Transport, or (OP_MIRROR_TRACK) the image of another Worker's Track."""
    cdef TrackCommand* spec = &command.body.track
    cdef Transport* t = NULL
    cdef Track* track
    if command.op == OP_ADD_TRACK:
        t = transport_get(c.tables, command.handle)
        if t == NULL:
            reply.status = STATUS_NO_SUCH_HANDLE
            return
        if t.publish == NULL and not open_publishing(t):
            reply.status = STATUS_NO_MEMORY
            return
    elif not knows_worker(c, spec.source_worker):
        reply.status = STATUS_NO_SUCH_WORKER
        return
    track = track_take(c.tables)
    if track == NULL:
        reply.status = STATUS_TABLE_FULL
        return
    describe_track(track, spec)
    if not add_encodings(track, spec):
        track_give_back(c.tables, track)
        reply.status = STATUS_NO_MEMORY
        return
    if t != NULL:
        attach_track(c, t, track, spec)
    reply.value = track.handle


cdef bint open_publishing(Transport* t) noexcept nogil:
    t.publish = <PublishState*> calloc(1, sizeof(PublishState))
    if t.publish != NULL:
        twcc_init(&t.publish.twcc)
    return t.publish != NULL


cdef void describe_track(Track* track, const TrackCommand* spec) noexcept nogil:
    track.is_video = spec.is_video
    track.clock_rate = spec.clock_rate
    track.feedback = spec.feedback
    track.mid_bytes = spec.mid_bytes
    memcpy(track.mid, spec.mid, sizeof(spec.mid))
    memcpy(track.codec_of, spec.codec_of, 128)
    memcpy(track.rtx_apt, spec.rtx_apt, 128)
    track.ext_ids = spec.ext_ids
    track.source_worker = spec.source_worker
    track.source_track = spec.source_track


cdef bint add_encodings(Track* track, const TrackCommand* spec) noexcept nogil:
    cdef int i
    cdef Encoding* e
    for i in range(spec.encoding_count):
        e = encoding_new(track, i)
        if e == NULL:
            return False
        e.rid_bytes = spec.encodings[i].rid_bytes
        memcpy(e.rid, spec.encodings[i].rid, sizeof(spec.encodings[i].rid))
        track.encodings[i] = e
        track.encoding_count = i + 1
    return True


cdef void attach_track(Core* c, Transport* t, Track* track, const TrackCommand* spec) noexcept nogil:
    """Appends the Track to its Transport's list and binds the SSRCs that SDP told."""
    cdef uint32_t* link = &t.first_track
    cdef int i
    while link[0] != <uint32_t> NO_INDEX:
        link = &c.tables.tracks[link[0]].next_of_transport
    link[0] = index_of(track.handle)
    track.transport = index_of(t.handle)
    t.publish.feedback |= spec.feedback
    for i in range(track.encoding_count):
        if spec.encodings[i].ssrc:
            bind_known_ssrc(c, t, track.encodings[i], spec.encodings[i].ssrc, False)
        if spec.encodings[i].rtx_ssrc:
            bind_known_ssrc(c, t, track.encodings[i], spec.encodings[i].rtx_ssrc, True)


cdef bint knows_worker(const Core* c, uint32_t worker) noexcept nogil:
    return worker < MAX_WORKERS and c.peers_out[worker] != NULL


cdef void export_track(Core* c, Track* track, const ExportCommand* to, Reply* reply) noexcept nogil:
    cdef int i
    for i in range(track.export_count):
        if track.exports[i].worker == to.worker:
            if to.mirror:
                track.exports[i].mirror = to.mirror
            else:
                track.export_count -= 1
                track.exports[i] = track.exports[track.export_count]
            return
    if to.mirror == 0:
        return
    if not knows_worker(c, to.worker):
        reply.status = STATUS_NO_SUCH_WORKER
        return
    if track.export_count == MAX_EXPORTS:
        reply.status = STATUS_TABLE_FULL
        return
    track.exports[track.export_count].worker = to.worker
    track.exports[track.export_count].mirror = to.mirror
    track.export_count += 1


cdef void remove_track(Core* c, Track* track) noexcept nogil:
    """Its Subscriptions stay, bound to nothing; its SSRCs become unknown."""
    cdef Transport* t
    cdef uint32_t* link
    cdef int i
    while track.first_subscription != <uint32_t> NO_INDEX:
        unbind(c, &c.tables.subscriptions[track.first_subscription])
    for i in range(track.encoding_count):
        forget_run(c, track.encodings[i])
    if track.transport != <uint32_t> NO_INDEX:
        t = &c.tables.transports[track.transport]
        link = &t.first_track
        while link[0] != index_of(track.handle):
            link = &c.tables.tracks[link[0]].next_of_transport
        link[0] = track.next_of_transport
        i = 0
        while i < t.publish.ssrc_count:
            if t.publish.ssrcs[i].encoding.track == track:
                t.publish.ssrc_count -= 1
                t.publish.ssrcs[i] = t.publish.ssrcs[t.publish.ssrc_count]
            else:
                i += 1
    track_give_back(c.tables, track)


cdef bint sends_ssrc(const Core* c, const Transport* t, uint32_t ssrc) noexcept nogil:
    cdef uint32_t i = t.first_subscription
    while i != <uint32_t> NO_INDEX:
        if ssrc and (c.tables.subscriptions[i].ssrc == ssrc or c.tables.subscriptions[i].rtx_ssrc == ssrc):
            return True
        i = c.tables.subscriptions[i].next_of_transport
    return False


cdef void subscribe(Core* c, Transport* t, const SubscribeCommand* spec, Reply* reply) noexcept nogil:
    cdef Subscription* s
    cdef uint32_t records = VIDEO_SENT_RECORDS if spec.is_video else AUDIO_SENT_RECORDS
    cdef int profile
    if sends_ssrc(c, t, spec.ssrc) or sends_ssrc(c, t, spec.rtx_ssrc) or spec.ssrc == spec.rtx_ssrc:
        reply.status = STATUS_SSRC_TAKEN
        return
    s = subscription_take(c.tables)
    if s == NULL:
        reply.status = STATUS_TABLE_FULL
        return
    s.sent = <SentRecord*> calloc(records, sizeof(SentRecord))
    profile = intern_profile(c, spec) if s.sent != NULL else -1
    if profile < 0:
        reply.status = STATUS_NO_MEMORY if s.sent == NULL else STATUS_TABLE_FULL
        subscription_give_back(c.tables, s)
        return
    memset(s.sent, 0xff, records * sizeof(SentRecord))
    s.sent_mask = records - 1
    s.ext_profile = <unsigned short> profile
    s.transport = index_of(t.handle)
    s.next_of_transport = t.first_subscription
    t.first_subscription = index_of(s.handle)
    s.is_video = spec.is_video
    s.clock_rate = spec.clock_rate
    s.ssrc = spec.ssrc
    s.rtx_ssrc = spec.rtx_ssrc
    s.feedback = spec.feedback
    s.cname_bytes = spec.cname_bytes
    memcpy(s.cname, spec.cname, sizeof(spec.cname))
    s.rtx_seq = FIRST_CYCLE + (spec.rtx_ssrc >> 5 & 0x7fff)
    s.wish_encoding = -1
    s.wish_temporal = -1
    reply.value = s.handle


cdef int intern_profile(Core* c, const SubscribeCommand* spec) noexcept nogil:
    cdef ExtProfile profile
    cdef int i
    memset(&profile, 0, sizeof(profile))
    profile.ids = spec.ext_ids
    profile.mid_bytes = spec.mid_bytes
    memcpy(profile.mid, spec.mid, spec.mid_bytes)
    for i in range(sizeof(profile.ids.id)):
        profile.two_byte = profile.two_byte or profile.ids.id[i] > LARGEST_ONE_BYTE_ID
    return profile_intern(c.tables, &profile)


cdef void unbind(Core* c, Subscription* s) noexcept nogil:
    cdef uint32_t* link
    detach(c, s)
    if s.track == NULL:
        return
    link = &s.track.first_subscription
    while link[0] != index_of(s.handle):
        link = &c.tables.subscriptions[link[0]].next_of_track
    link[0] = s.next_of_track
    s.next_of_track = NO_INDEX
    s.track = NULL


cdef void bind(Core* c, Subscription* s, const BindCommand* spec, Reply* reply) noexcept nogil:
    """Feeds `s` from another Track (0: none); what was sent before can no longer be repeated (`epoch`)."""
    cdef Track* track = NULL
    if spec.track:
        track = track_get(c.tables, spec.track)
        if track == NULL:
            reply.status = STATUS_NO_SUCH_HANDLE
            return
    unbind(c, s)
    forget_sent(s)
    s.map_count = spec.count
    memcpy(s.map, spec.map, sizeof(spec.map))
    s.cached_in_pt = 255
    if track != NULL:
        s.track = track
        s.next_of_track = track.first_subscription
        track.first_subscription = index_of(s.handle)
        reselect(c, s)


cdef void unsubscribe(Core* c, Subscription* s) noexcept nogil:
    cdef uint32_t* link = &c.tables.transports[s.transport].first_subscription
    unbind(c, s)
    while link[0] != index_of(s.handle):
        link = &c.tables.subscriptions[link[0]].next_of_transport
    link[0] = s.next_of_transport
    profile_release(c.tables, s.ext_profile)
    subscription_give_back(c.tables, s)

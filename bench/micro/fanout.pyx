"""One packet core without socket: what forwarding costs besides crypto and system calls; see packet.py."""

import os

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from sfu._fastpath.batch cimport SendBatch
from sfu._fastpath.commands cimport (
    OP_ADD_TRACK, OP_BIND, OP_OPEN_TRANSPORT, OP_SET_ICE, OP_SET_SRTP, OP_SUBSCRIBE, Command, Reply,
)
from sfu._fastpath.control cimport apply_command
from sfu._fastpath.core cimport Core, Datagram
from sfu._fastpath.encode cimport encode_ice, encode_map, encode_srtp, encode_subscription, encode_track
from sfu._fastpath.forwarder cimport CoreConfig, core_free, core_new, flush, ingest, poll_timers
from sfu._fastpath.includes.linux cimport (
    AF_INET, CLOCK_MONOTONIC, clock_gettime, htons, sockaddr_in, timespec,
)
from sfu._fastpath.stream cimport srtp
from sfu._fastpath.wire.endian cimport store_be16, store_be32
from sfu._fastpath.wire.rtp cimport rtp_write_header
from sfu._fastpath.wire.stun cimport stun_write_binding_request

from sfu._fastpath.values import EncodingSpec, Feedback, PayloadType, PayloadTypeMap, SubscriptionSpec, TrackSpec
from sfu.rtc.ice import make_ufrag

cdef enum:
    GCM_128 = srtp.SRTP_AEAD_AES_128_GCM
    PACKETS_PER_FRAME = 6
    FRAME_US = 33333
    SLOT_BYTES = 2048
    HEADER_BYTES = 20               # fixed header, block header, one element
    PAYLOAD_TYPE = 96
    MID_TYPE = 1                    # EXT_MID
    MID_ID = 3

PASSWORD = "p" * 24
VIDEO = TrackSpec(
    kind="video",
    clock_rate=90_000,
    payload_types=(PayloadType(PAYLOAD_TYPE, "vp8"),),
    encodings=(EncodingSpec(ssrc=1),),
    mid="v",
    extension_ids={MID_TYPE: MID_ID},
    feedback=Feedback.NACK | Feedback.PLI,
)


cdef inline uint64_t now_ns() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return <uint64_t> t.tv_sec * 1000000000 + <uint64_t> t.tv_nsec


cdef void forget(void* sink, SendBatch* batch) noexcept nogil:
    cdef int i
    for i in range(batch.message_count):
        (<uint64_t*> sink)[0] += batch.messages[i].segments


cdef class Fanout:
    """One publisher of one VP8 Track and `viewers` Subscriptions to it, each with a Transport of its own."""

    cdef Core* core
    cdef srtp.SrtpEngine* engine
    cdef srtp.SrtpContext* publisher
    cdef srtp.SrtpContext** contexts
    cdef srtp.ProtectJob[srtp.SRTP_BATCH] jobs
    cdef uint8_t* slots
    cdef Datagram* datagrams
    cdef uint64_t sent, now_us
    cdef uint64_t seq                  # ext_seq of the next packet, one cycle up
    cdef uint16_t picture_id
    cdef int viewers, packets, packet_bytes
    cdef readonly str crypto

    def __cinit__(self, int viewers, *, int packet_bytes=1200, int frames=10, bint openssl=False) -> None:
        cdef CoreConfig config
        memset(&config, 0, sizeof(config))
        memcpy(config.node_hint, <const char*> b"node", 4)
        config.max_transports, config.max_tracks, config.max_subscriptions = viewers + 1, 2, viewers + 1
        config.hold_us, config.consent_us, config.max_publish_bps = 2000, 1 << 62, 8_000_000
        config.backend = srtp.SRTP_BACKEND_OPENSSL if openssl else srtp.srtp_best_backend()
        config.seed = 1
        self.crypto = "openssl" if config.backend == srtp.SRTP_BACKEND_OPENSSL else "ipsec-mb"
        self.core = core_new(&config, forget, &self.sent)
        self.engine = srtp.srtp_engine_new(config.backend)
        self.viewers, self.packet_bytes, self.packets = viewers, packet_bytes, frames * PACKETS_PER_FRAME
        self.contexts = <srtp.SrtpContext**> calloc(viewers, sizeof(void*))
        self.slots = <uint8_t*> calloc(max(self.packets, srtp.SRTP_BATCH), SLOT_BYTES)
        self.datagrams = <Datagram*> calloc(self.packets, sizeof(Datagram))
        self.now_us, self.seq = 1_000_000, 0x10000
        key = os.urandom(28)
        self.publisher = srtp.srtp_context_new(self.engine, GCM_128, key[:16], key[16:])
        track = self._command(OP_ADD_TRACK, self._open_transport(0, key), VIDEO)
        for i in range(viewers):
            key = os.urandom(28)
            self.contexts[i] = srtp.srtp_context_new(self.engine, GCM_128, key[:16], key[16:])
            spec = SubscriptionSpec("video", 90_000, 1000 + i, "cname", mid="0", extension_ids={MID_TYPE: MID_ID})
            subscription = self._command(OP_SUBSCRIBE, self._open_transport(i + 1, key), spec)
            self._command(OP_BIND, subscription, track)
        self.forward_ns()

    def __dealloc__(self) -> None:
        cdef int i
        core_free(self.core)
        for i in range(self.viewers):
            srtp.srtp_context_free(self.contexts[i])
        srtp.srtp_context_free(self.publisher)
        srtp.srtp_engine_free(self.engine)
        free(self.contexts)
        free(self.slots)
        free(self.datagrams)

    def _command(self, int op, uint32_t handle, argument=None):
        cdef Command command
        cdef Reply reply
        memset(&command, 0, sizeof(command))
        command.op, command.handle = op, handle
        if op == OP_ADD_TRACK:
            encode_track(&command.body.track, argument)
        elif op == OP_SUBSCRIBE:
            encode_subscription(&command.body.subscribe, argument)
        elif op == OP_BIND:
            encode_map(&command.body.bind, argument, [PayloadTypeMap(PAYLOAD_TYPE, PAYLOAD_TYPE)])
        elif op == OP_SET_ICE:
            encode_ice(&command.body.ice, argument, PASSWORD)
        elif op == OP_SET_SRTP:
            encode_srtp(&command.body.srtp, GCM_128, argument, argument)
        apply_command(self.core, &command, &reply, self.now_us)
        if reply.status:
            raise RuntimeError(f"Command {op}: status {reply.status}")
        return reply.value

    def _open_transport(self, int number, bytes key) -> int:
        """A Transport with keys and a nominated address of its own."""
        cdef Datagram d
        cdef uint8_t[SLOT_BYTES] request
        cdef const char* name
        handle = self._command(OP_OPEN_TRANSPORT, 0)
        ufrag = make_ufrag("node", 0, handle, os.urandom)
        self._command(OP_SET_ICE, handle, ufrag)
        self._command(OP_SET_SRTP, handle, key)
        username = f"{ufrag}:peer".encode()
        name = username
        password = PASSWORD.encode()
        d.data = request
        d.bytes = stun_write_binding_request(
            request, SLOT_BYTES, <const uint8_t*> b"transaction1", <const uint8_t*> name, <int> len(username),
            password, 24, 1, 1, True, True)
        address_from(&d, number)
        ingest(self.core, &d, 1, self.now_us)
        if number == 0:
            for i in range(self.packets):
                address_from(&self.datagrams[i], 0)
        return handle

    cdef void publish(self) noexcept nogil:
        """Makes and protects the next frames; the first one ever is a keyframe."""
        cdef int i
        cdef uint8_t* p
        cdef srtp.ProtectJob job
        for i in range(self.packets):
            p = self.slots + i * SLOT_BYTES
            rtp_write_header(p, PAYLOAD_TYPE, i % PACKETS_PER_FRAME == PACKETS_PER_FRAME - 1, <uint16_t> self.seq,
                             <uint32_t> (self.now_us * 9 // 100), 1, True, False)
            store_be32(p + 12, 0xbede0001)
            store_be32(p + 16, MID_ID << 28 | <uint32_t> 0x76 << 16)
            write_vp8(p + HEADER_BYTES, self.picture_id, i % PACKETS_PER_FRAME == 0, self.seq == 0x10000)
            memset(&job, 0, sizeof(job))
            job.context, job.payload, job.packet = self.publisher, p + HEADER_BYTES, p
            job.roc = <uint32_t> ((self.seq >> 16) - 1)
            job.header_bytes, job.payload_bytes = HEADER_BYTES, <uint16_t> (self.packet_bytes - HEADER_BYTES)
            srtp.protect_batch(self.engine, &job, 1)
            self.datagrams[i].data = p
            self.datagrams[i].bytes = job.packet_bytes
            self.seq += 1
            if i % PACKETS_PER_FRAME == PACKETS_PER_FRAME - 1:
                self.picture_id = (self.picture_id + 1) & 0x7fff

    def forward_ns(self) -> float:
        """Nanoseconds per forwarded packet, everything but system calls."""
        cdef int i
        cdef uint64_t begin, took
        cdef uint64_t before = self.sent
        with nogil:
            self.publish()
            begin = now_ns()
            for i in range(self.packets):
                ingest(self.core, &self.datagrams[i], 1, self.now_us)
                flush(self.core, self.now_us)
                poll_timers(self.core, self.now_us)
                self.now_us += FRAME_US // PACKETS_PER_FRAME
            took = now_ns() - begin
        if self.sent - before < <uint64_t> self.packets * self.viewers:
            raise AssertionError(f"{self.sent - before} of {self.packets * self.viewers} packets were forwarded")
        return <double> took / (self.packets * self.viewers)

    def reference_ns(self) -> float:
        """The same crypto with nothing around it: unprotect once, write the header and protect for everybody."""
        cdef uint8_t[SLOT_BYTES] plain
        cdef uint8_t* out
        cdef srtp.ProtectJob* job
        cdef int i, viewer, n, payload_bytes
        cdef uint64_t begin, took
        with nogil:
            self.publish()
            begin = now_ns()
            for i in range(self.packets):
                memcpy(plain, self.datagrams[i].data, HEADER_BYTES)
                payload_bytes = srtp.unprotect(
                    self.engine, self.publisher, self.datagrams[i].data, <int> self.datagrams[i].bytes, HEADER_BYTES,
                    <uint32_t> ((self.seq - <uint64_t> (self.packets - i) >> 16) - 1), plain + HEADER_BYTES)
                n = 0
                for viewer in range(self.viewers):
                    job = &self.jobs[n]
                    out = self.core.batch.arena + n * <int> 1600
                    memcpy(out, plain, HEADER_BYTES)
                    store_be16(out + 2, <uint16_t> (self.seq + <uint64_t> viewer))
                    store_be32(out + 8, <uint32_t> (1000 + viewer))
                    job.context, job.payload, job.packet = self.contexts[viewer], plain + HEADER_BYTES, out
                    job.roc, job.header_bytes, job.payload_bytes = 0, HEADER_BYTES, <uint16_t> payload_bytes
                    n += 1
                    if n == 64 or viewer == self.viewers - 1:
                        srtp.protect_batch(self.engine, self.jobs, n)
                        n = 0
            took = now_ns() - begin
        if payload_bytes < 0:
            raise AssertionError("a packet was refused")
        self.skip()
        return <double> took / (self.packets * self.viewers)

    cdef void skip(self) noexcept nogil:
        """What the reference took never came: leave no gap in what the core sees."""
        self.seq -= <uint64_t> self.packets
        self.picture_id = <uint16_t> (self.picture_id - self.packets // PACKETS_PER_FRAME) & 0x7fff


cdef void address_from(Datagram* d, int number) noexcept:
    cdef sockaddr_in* v4 = &d.remote.v4
    memset(&d.remote, 0, sizeof(d.remote))
    v4.sin_family = AF_INET
    v4.sin_port = htons(<uint16_t> (1024 + number % 50000))
    store_be32(<uint8_t*> &v4.sin_addr, <uint32_t> (0x0a000000 + number // 50000 + 1))
    d.remote_bytes = sizeof(sockaddr_in)


cdef void write_vp8(uint8_t* payload, uint16_t picture_id, bint starts, bint keyframe) noexcept nogil:
    """Descriptor with picture id, TL0PICIDX and TID (RFC 7741 section 4.2), and the first byte of a frame."""
    payload[0] = 0x90 if starts else 0x80
    payload[1] = 0xe0
    store_be16(payload + 2, 0x8000 | picture_id)
    payload[4] = <uint8_t> picture_id
    payload[5] = 0
    payload[6] = 0x10 if keyframe else 0x11

"""A Worker's packet core without its thread, socket and clock: datagrams and Commands in, datagrams out."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset
from sfu._fastpath.batch cimport SendBatch
from sfu._fastpath.commands cimport *
from sfu._fastpath.control cimport apply_command
from sfu._fastpath.core cimport (
    NOTICE_TRANSPORT, Core, Datagram, NoticeSlot, NoticeValue, PuntSlot, RelaySlot,
)
from sfu._fastpath.encode cimport encode_ice, encode_map, encode_srtp, encode_subscription, encode_track
from sfu._fastpath.forwarder cimport (
    CoreConfig, core_free, core_new, flush, ingest, ingest_relayed, next_deadline_us, poll_timers,
)
from sfu._fastpath.includes.atomics cimport exchange
from sfu._fastpath.includes.linux cimport AF_INET, AF_INET6, htons, inet_pton, ntohs, sockaddr_in, sockaddr_in6
from sfu._fastpath.ring cimport Ring, ring_free, ring_front, ring_new, ring_release
from sfu._fastpath.snapshot cimport SnapshotRows, free_snapshot, read_snapshot
from sfu._fastpath.stream.srtp cimport SRTP_BACKEND_OPENSSL, SRTP_MAX_TRAILER, srtp_best_backend
from sfu._fastpath.tables cimport Sockaddr

import socket

cdef enum:
    CAPTURE_BYTES = 1 << 24

OPS = {
    "open_transport": OP_OPEN_TRANSPORT, "set_ice": OP_SET_ICE, "set_srtp": OP_SET_SRTP, "send_dtls": OP_SEND_DTLS,
    "close_transport": OP_CLOSE_TRANSPORT, "add_track": OP_ADD_TRACK, "mirror_track": OP_MIRROR_TRACK,
    "export_track": OP_EXPORT_TRACK, "remove_track": OP_REMOVE_TRACK, "subscribe": OP_SUBSCRIBE, "bind": OP_BIND,
    "select": OP_SELECT, "pause": OP_PAUSE, "mute": OP_MUTE, "unsubscribe": OP_UNSUBSCRIBE,
    "request_keyframe": OP_REQUEST_KEYFRAME, "snapshot": OP_SNAPSHOT,
}


cdef struct Capture:               # length-prefixed datagrams as the sink saw them
    uint8_t* bytes
    size_t used
    size_t capacity
    uint64_t messages
    uint64_t lost


cdef struct CapturedHeader:
    Sockaddr remote
    uint32_t bytes
    uint32_t run                   # number of the message it came in


cdef void capture(void* sink, SendBatch* batch) noexcept nogil:
    cdef Capture* c = <Capture*> sink
    cdef CapturedHeader header
    cdef uint32_t at
    cdef int i
    for i in range(batch.message_count):
        c.messages += 1
        at = 0
        while at < batch.messages[i].bytes:
            memset(&header, 0, sizeof(header))
            header.remote = batch.messages[i].remote[0]
            header.bytes = min(<uint32_t> batch.messages[i].segment_bytes, batch.messages[i].bytes - at)
            header.run = <uint32_t> c.messages
            if c.used + sizeof(header) + header.bytes > c.capacity:
                c.lost += 1
                return
            memcpy(c.bytes + c.used, &header, sizeof(header))
            memcpy(c.bytes + c.used + sizeof(header), batch.arena + batch.messages[i].offset + at, header.bytes)
            c.used += sizeof(header) + header.bytes
            at += header.bytes


cdef class Line:
    """A ring from one core to another."""

    cdef Ring* ring

    def __cinit__(self):
        self.ring = ring_new(1024, sizeof(RelaySlot))
        if self.ring == NULL:
            raise MemoryError

    def __dealloc__(self):
        ring_free(self.ring)


cdef class CoreProbe:
    """One packet core in virtual time. Addresses are (text, port); outputs are (datagram, address, run number)."""

    cdef Core* core
    cdef Capture captured
    cdef public uint64_t now_us
    cdef uint32_t token
    cdef list lines                # kept by both ends

    def __cinit__(self, *, index=0, node_hint="node", crypto="auto", transports=64, tracks=32, subscriptions=256,
                  hold_us=2000, consent_us=30_000_000, seed=1):
        cdef CoreConfig config
        hint = node_hint.encode()
        memset(&config, 0, sizeof(config))
        memcpy(config.node_hint, <const char*> hint, 4)
        config.worker_index = index
        config.max_transports, config.max_tracks, config.max_subscriptions = transports, tracks, subscriptions
        config.hold_us, config.consent_us, config.max_publish_bps = hold_us, consent_us, 8_000_000
        config.backend = SRTP_BACKEND_OPENSSL if crypto == "openssl" else srtp_best_backend()
        config.seed = seed
        self.captured.capacity = CAPTURE_BYTES
        self.captured.bytes = <uint8_t*> realloc(NULL, CAPTURE_BYTES)
        self.core = core_new(&config, capture, &self.captured)
        if self.core == NULL or self.captured.bytes == NULL:
            raise MemoryError
        self.now_us = 1_000_000
        self.lines = []

    def __dealloc__(self):
        if self.core != NULL:
            core_free(self.core)
        free(self.captured.bytes)

    def join(self, CoreProbe other, int mine, int theirs):
        """Rings both ways, as between two Workers with these indexes."""
        cdef Line there = Line(), back = Line()
        for probe in (self, other):
            (<CoreProbe> probe).lines += [there, back]
        self.core.peers_out[theirs] = other.core.peers_in[mine] = there.ring
        other.core.peers_out[mine] = self.core.peers_in[theirs] = back.ring

    @property
    def holding(self):
        return bool(self.core.holding)

    @holding.setter
    def holding(self, value):
        self.core.holding = value

    @property
    def gso(self):
        return bool(self.core.batch.gso)

    @gso.setter
    def gso(self, value):
        self.core.batch.gso = value

    @property
    def next_deadline_us(self):
        return next_deadline_us(self.core)

    def command(self, name, handle=0, *args):
        """Carries out one Command at once. Returns Reply.value (or a Snapshot); ValueError: refused."""
        cdef Command command
        cdef Reply reply
        memset(&command, 0, sizeof(command))
        self.token += 1
        command.op, command.handle, command.token = OPS[name], handle, self.token
        self._fill(name, args, <size_t> &command)
        apply_command(self.core, &command, &reply, self.now_us)
        if reply.status:
            raise ValueError(f"{name}: status {reply.status}")
        if reply.rows != NULL:
            snapshot = read_snapshot(<SnapshotRows*> reply.rows)
            free_snapshot(<SnapshotRows*> reply.rows)
            return snapshot
        return reply.value

    def _fill(self, name, args, size_t address):
        cdef Command* command = <Command*> address
        if name == "set_ice":
            encode_ice(&command.body.ice, args[0], args[1])
        elif name == "set_srtp":
            encode_srtp(&command.body.srtp, args[0], args[1], args[2])
        elif name == "add_track":
            encode_track(&command.body.track, args[0])
        elif name == "mirror_track":
            encode_track(&command.body.track, args[0])
            command.body.track.source_worker, command.body.track.source_track = args[1], args[2]
        elif name == "export_track":
            command.body.export_to.worker, command.body.export_to.mirror = args[0], args[1]
        elif name == "subscribe":
            encode_subscription(&command.body.subscribe, args[0])
        elif name == "bind":
            encode_map(&command.body.bind, args[0], args[1])
        elif name == "select":
            command.body.select.encoding, command.body.select.temporal = args[0], args[1]
        elif args:
            command.body.flag = int(args[0])

    def ingest(self, datagrams):
        """Takes [(bytes, address)] as one received batch, then flushes."""
        cdef Datagram batch[64]
        cdef uint8_t buffers[64][2048]
        cdef int n = 0
        for data, address in datagrams:
            size = min(len(data), 2048 - SRTP_MAX_TRAILER)
            memcpy(buffers[n], <const char*> data, size)
            batch[n].data = buffers[n]
            batch[n].bytes = len(data)
            fill_address(&batch[n], address)
            n += 1
            if n == 64:
                ingest(self.core, batch, n, self.now_us)
                n = 0
        ingest(self.core, batch, n, self.now_us)
        flush(self.core, self.now_us)

    def advance(self, uint64_t us):
        """Lets time pass; runs timers and what other cores sent."""
        self.now_us += us
        ingest_relayed(self.core, self.now_us)
        poll_timers(self.core, self.now_us)
        flush(self.core, self.now_us)

    def sent(self):
        """All datagrams since the last call."""
        cdef size_t at = 0
        cdef CapturedHeader header
        assert self.captured.lost == 0, "the capture buffer was too small"
        found = []
        while at < self.captured.used:
            memcpy(&header, self.captured.bytes + at, sizeof(header))
            at += sizeof(header)
            data = (<char*> self.captured.bytes)[at:at + header.bytes]
            at += header.bytes
            found.append((data, address_of(&header.remote), header.run))
        self.captured.used = 0
        return found

    def notices(self):
        """(kind, handle, value) since the last call."""
        cdef NoticeSlot* slot = <NoticeSlot*> ring_front(self.core.notices)
        cdef NoticeValue* value
        found = []
        while slot != NULL:
            kind = "transport" if slot.kind == NOTICE_TRANSPORT else "track"
            value = &(self.core.transport_notices if slot.kind == NOTICE_TRANSPORT
                      else self.core.track_notices)[slot.index]
            ring_release(self.core.notices)
            exchange(&value.queued, 0)
            found.append((kind, value.state >> 32, value.state & 0xffffffff))
            slot = <NoticeSlot*> ring_front(self.core.notices)
        return found

    def punts(self):
        cdef PuntSlot* slot = <PuntSlot*> ring_front(self.core.punts)
        found = []
        while slot != NULL:
            found.append((slot.transport, (<char*> slot.data)[:slot.bytes]))
            ring_release(self.core.punts)
            slot = <PuntSlot*> ring_front(self.core.punts)
        return found

    def snapshot(self):
        return self.command("snapshot", 0, 1)


cdef int fill_address(Datagram* d, address) except -1:
    cdef sockaddr_in* v4 = &d.remote.v4
    cdef sockaddr_in6* v6 = &d.remote.v6
    host, port = address
    raw = host.encode()
    memset(&d.remote, 0, sizeof(d.remote))
    if ":" in host:
        v6.sin6_family = AF_INET6
        v6.sin6_port = htons(port)
        inet_pton(AF_INET6, raw, &v6.sin6_addr)
        d.remote_bytes = sizeof(sockaddr_in6)
    else:
        v4.sin_family = AF_INET
        v4.sin_port = htons(port)
        inet_pton(AF_INET, raw, &v4.sin_addr)
        d.remote_bytes = sizeof(sockaddr_in)
    return 0


cdef object address_of(const Sockaddr* remote):
    if remote.v6.sin6_family == AF_INET6:
        return socket.inet_ntop(socket.AF_INET6, bytes((<const uint8_t*> &remote.v6.sin6_addr)[:16])), ntohs(remote.v6.sin6_port)
    return socket.inet_ntop(socket.AF_INET, bytes((<const uint8_t*> &remote.v4.sin_addr)[:4])), ntohs(remote.v4.sin_port)

"""The reference loop: the least a forwarder must do for a packet, without any of what makes it an SFU.

One thread: recvmmsg, unprotect, and for each destination rewrite the header and protect, then sendmmsg in batches of
64 without GSO runs. What it costs for each forwarded packet is the measure for a Node.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy
from sfu._fastpath.includes.atomics cimport load_acquire, store_release
from sfu._fastpath.includes.linux cimport (
    AF_INET, EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLLIN, MSG_DONTWAIT, close, epoll_create1, epoll_ctl, epoll_event,
    epoll_pwait2, htons, inet_pton, iovec, mmsghdr, sendmmsg, sockaddr_in, timespec,
)
from sfu._fastpath.stream.srtp cimport (
    ProtectJob, SrtpContext, SrtpEngine, protect_batch, srtp_best_backend, srtp_context_free, srtp_context_new,
    srtp_engine_free, srtp_engine_new, srtp_guess_index, srtp_key_bytes, unprotect,
)
from sfu._fastpath.wire.demux cimport PROTOCOL_RTP, classify
from sfu._fastpath.wire.endian cimport store_be16, store_be32
from sfu._fastpath.wire.rtp cimport RtpHeader, rtp_parse
from bench.load.ports cimport Datagram, RxBatch, UdpPort, port_close, port_open, rx_datagram, rx_free, rx_init, rx_receive

cdef enum:
    STREAMS = 2
    BATCH = 64
    PACKET_BYTES = 1536
    IDLE_MS = 50

cdef struct Outgoing:
    uint32_t ssrc
    uint32_t ts_offset
    uint64_t index

cdef struct Destination:
    SrtpContext* context
    sockaddr_in address
    Outgoing streams[STREAMS]

cdef struct Incoming:
    uint32_t ssrc
    bint started
    uint64_t highest


cdef class ReferenceForwarder:
    """One publisher, many destinations, fixed before `run`. Keys are master key || master salt."""

    cdef UdpPort port
    cdef RxBatch* rx
    cdef SrtpEngine* crypto
    cdef SrtpContext* publisher
    cdef Incoming incoming[STREAMS]
    cdef int incoming_count
    cdef Destination* destinations
    cdef int count
    cdef int limit
    cdef int profile
    cdef uint32_t stopped
    cdef uint64_t forwarded_packets
    cdef uint64_t failed_packets
    cdef uint8_t* memory
    cdef int epoll_fd
    cdef int queued
    cdef ProtectJob jobs[BATCH]
    cdef mmsghdr messages[BATCH]
    cdef iovec vectors[BATCH]

    def __cinit__(self, *, int profile, bytes publisher_key, int limit):
        cdef uint32_t loopback = 0x0100007F
        cdef epoll_event event
        cdef int i
        self.port.fd = -1
        self.epoll_fd = epoll_create1(EPOLL_CLOEXEC)
        self.profile = profile
        self.limit = limit
        self.rx = <RxBatch*> calloc(1, sizeof(RxBatch))
        self.destinations = <Destination*> calloc(limit, sizeof(Destination))
        self.memory = <uint8_t*> calloc(BATCH, PACKET_BYTES)
        self.crypto = srtp_engine_new(srtp_best_backend())
        if self.rx == NULL or self.destinations == NULL or self.memory == NULL or self.crypto == NULL:
            raise MemoryError
        if not rx_init(self.rx) or port_open(&self.port, loopback, 0, False, 16 << 20) != 0:
            raise OSError("no UDP socket for the reference loop")
        self.publisher = self.new_context(publisher_key)
        event.events = EPOLLIN
        event.data.u64 = 0
        epoll_ctl(self.epoll_fd, EPOLL_CTL_ADD, self.port.fd, &event)
        for i in range(BATCH):
            self.vectors[i].iov_base = self.memory + i * PACKET_BYTES
            self.messages[i].msg_hdr.msg_iov = &self.vectors[i]
            self.messages[i].msg_hdr.msg_iovlen = 1
            self.messages[i].msg_hdr.msg_namelen = sizeof(sockaddr_in)

    def __dealloc__(self):
        cdef int i
        if self.destinations != NULL:
            for i in range(self.count):
                srtp_context_free(self.destinations[i].context)
        if self.publisher != NULL:
            srtp_context_free(self.publisher)
        if self.crypto != NULL:
            srtp_engine_free(self.crypto)
        if self.rx != NULL:
            rx_free(self.rx)
        free(self.rx)
        free(self.destinations)
        free(self.memory)
        port_close(&self.port)
        close(self.epoll_fd)

    cdef SrtpContext* new_context(self, bytes key) except NULL:
        cdef const uint8_t* master = <const uint8_t*> <char*> key
        cdef SrtpContext* context = srtp_context_new(self.crypto, self.profile, master, master + srtp_key_bytes(self.profile))
        if context == NULL:
            raise ValueError("bad SRTP key")
        return context

    @property
    def number(self) -> int:
        """UDP port on 127.0.0.1."""
        return self.port.number

    @property
    def forwarded(self) -> int:
        return self.forwarded_packets

    @property
    def failed(self) -> int:
        return self.failed_packets

    def add_destination(self, str ip, int port, bytes key) -> None:
        cdef Destination* destination = &self.destinations[self.count]
        cdef bytes text = ip.encode()
        cdef int i
        if self.count == self.limit:
            raise ValueError("too many destinations")
        destination.address.sin_family = AF_INET
        destination.address.sin_port = htons(<uint16_t> port)
        if inet_pton(AF_INET, <char*> text, &destination.address.sin_addr) != 1:
            raise ValueError(f"{ip!r} is not an IPv4 address")
        destination.context = self.new_context(key)
        for i in range(STREAMS):
            destination.streams[i].ssrc = <uint32_t> (0x10000 + self.count * STREAMS + i)
            destination.streams[i].ts_offset = <uint32_t> (self.count * 7919)
            destination.streams[i].index = 1
        self.count += 1

    def stop(self) -> None:
        store_release(&self.stopped, 1)

    def run(self) -> None:
        """Forwards until stopped; holds no GIL."""
        with nogil:
            self.forward_all()

    cdef void forward_all(self) noexcept nogil:
        cdef epoll_event ready
        cdef timespec timeout
        cdef Datagram datagram
        cdef int i, n
        timeout.tv_sec = 0
        timeout.tv_nsec = IDLE_MS * 1000000
        while not load_acquire(&self.stopped):
            epoll_pwait2(self.epoll_fd, &ready, 1, &timeout, NULL)
            n = rx_receive(self.rx, &self.port)
            for i in range(n):
                rx_datagram(self.rx, i, &datagram)
                if datagram.segment_bytes == datagram.n and classify(datagram.data, datagram.n) == PROTOCOL_RTP:
                    self.receive(datagram.data, datagram.n)
            self.flush()

    cdef void receive(self, uint8_t* p, int n) noexcept nogil:
        cdef RtpHeader header
        cdef Incoming* incoming
        cdef uint64_t index
        cdef int slot, length
        if rtp_parse(p, n, &header) != 0:
            return
        slot = self.slot_of(header.ssrc)
        if slot < 0:
            return
        incoming = &self.incoming[slot]
        index = srtp_guess_index(incoming.highest, incoming.started, header.seq)
        length = unprotect(self.crypto, self.publisher, p, n, header.header_bytes, <uint32_t> (index >> 16),
                           p + header.header_bytes)
        if length < 0:
            return
        incoming.started = True
        incoming.highest = max(incoming.highest, index)
        self.fan_out(p, &header, length, slot)

    cdef int slot_of(self, uint32_t ssrc) noexcept nogil:
        cdef int i
        for i in range(self.incoming_count):
            if self.incoming[i].ssrc == ssrc:
                return i
        if self.incoming_count == STREAMS:
            return -1
        self.incoming[self.incoming_count].ssrc = ssrc
        self.incoming_count += 1
        return self.incoming_count - 1

    cdef void fan_out(self, const uint8_t* p, const RtpHeader* header, int payload_bytes, int slot) noexcept nogil:
        cdef Destination* destination
        cdef Outgoing* outgoing
        cdef ProtectJob* job
        cdef uint8_t* out
        cdef int i
        for i in range(self.count):
            if self.queued == BATCH:
                self.flush()
            destination = &self.destinations[i]
            outgoing = &destination.streams[slot]
            job = &self.jobs[self.queued]
            out = self.memory + self.queued * PACKET_BYTES
            memcpy(out, p, header.header_bytes)
            store_be16(out + 2, <uint16_t> outgoing.index)
            store_be32(out + 4, header.rtp_ts + outgoing.ts_offset)
            store_be32(out + 8, outgoing.ssrc)
            job.context = destination.context
            job.payload = p + header.header_bytes
            job.packet = out
            job.roc = <uint32_t> (outgoing.index >> 16)
            job.header_bytes = header.header_bytes
            job.payload_bytes = <uint16_t> payload_bytes
            self.messages[self.queued].msg_hdr.msg_name = &destination.address
            outgoing.index += 1
            self.queued += 1

    cdef void flush(self) noexcept nogil:
        cdef int first = 0
        cdef int i, sent
        if self.queued == 0:
            return
        protect_batch(self.crypto, self.jobs, self.queued)
        for i in range(self.queued):
            self.vectors[i].iov_len = self.jobs[i].packet_bytes
        while first < self.queued:
            sent = sendmmsg(self.port.fd, &self.messages[first], self.queued - first, MSG_DONTWAIT)
            if sent > 0:
                self.forwarded_packets += sent
                first += sent
            else:
                self.failed_packets += 1
                first += 1
        self.queued = 0

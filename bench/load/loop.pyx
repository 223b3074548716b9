from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy
from sfu._fastpath.includes.atomics cimport load_acquire
from sfu._fastpath.includes.linux cimport (
    EFD_CLOEXEC, EFD_NONBLOCK, EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLLIN, close, epoll_create1, epoll_ctl, epoll_event,
    epoll_pwait2, eventfd, monotonic_us, read, timespec, write,
)
from sfu._fastpath.stream.srtp cimport (
    srtp_best_backend, srtp_context_free, srtp_engine_free, srtp_engine_new,
)
from sfu._fastpath.wire.demux cimport PROTOCOL_DTLS, PROTOCOL_RTCP, PROTOCOL_RTP, PROTOCOL_STUN, classify
from bench.load.linux cimport (
    nanosleep, ntohl, pthread_mutex_destroy, pthread_mutex_init, pthread_mutex_lock, pthread_mutex_unlock,
    thread_cpu_us,
)
from bench.load.ports cimport (
    Datagram, port_close, port_open, rx_datagram, rx_free, rx_init, rx_receive, tx_flush, tx_free, tx_init,
)
from bench.load.sinks cimport sink_receive_rtcp, sink_receive_rtp, sink_visit
from bench.load.sources cimport source_free, source_receive_rtcp, source_tick
from bench.load.stamp cimport filler_make
from bench.load.transport cimport ICE_NONE, ROLE_SINK, ROLE_SOURCE, transport_check, transport_receive_stun

cdef enum:
    READY_PORTS = 64
    BATCHES_PER_PORT = 4
    TICK_US = 1000
    REST_US = 200                          # longest time for which arrived datagrams wait unseen
    VISIT_TICKS = 20                       # ticks in which every Transport is looked at once
    WAKE = 0xFFFFFFFF


cdef Loop* loop_new(int limit) noexcept nogil:
    cdef Loop* loop = <Loop*> calloc(1, sizeof(Loop))
    cdef int i
    if loop == NULL:
        return NULL
    pthread_mutex_init(&loop.baton, NULL)
    pthread_mutex_init(&loop.mutex, NULL)
    loop.epoll_fd = epoll_create1(EPOLL_CLOEXEC)
    loop.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
    loop.punt_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
    loop.limit = limit
    loop.sending = True
    loop.punts = <Punt*> calloc(PUNT_COUNT, sizeof(Punt))
    loop.outlet = <Outlet*> calloc(1, sizeof(Outlet))
    loop.rx = <RxBatch*> calloc(1, sizeof(RxBatch))
    loop.transports = <Transport*> calloc(limit, sizeof(Transport))
    loop.sinks = <Sink*> calloc(limit, sizeof(Sink))
    loop.sources = <Source*> calloc(limit, sizeof(Source))
    loop.ports = <UdpPort*> calloc(MAX_PORTS, sizeof(UdpPort))
    loop.sink_tally = <SinkTally*> calloc(1, sizeof(SinkTally))
    loop.source_tally = <SourceTally*> calloc(1, sizeof(SourceTally))
    if (loop.punts == NULL or loop.outlet == NULL or loop.rx == NULL or loop.transports == NULL or loop.sinks == NULL
            or loop.sources == NULL or loop.ports == NULL or loop.sink_tally == NULL or loop.source_tally == NULL):
        loop_free(loop)
        return NULL
    for i in range(MAX_PORTS):
        loop.ports[i].fd = -1
    loop.outlet.crypto = srtp_engine_new(srtp_best_backend())
    if loop.outlet.crypto == NULL or not rx_init(loop.rx) or not tx_init(&loop.outlet.tx, loop.outlet.crypto):
        loop_free(loop)
        return NULL
    filler_make(loop.outlet.filler)
    watch(loop, loop.wake_fd, WAKE)
    return loop


cdef void loop_free(Loop* loop) noexcept nogil:
    cdef int i
    for i in range(loop.high_water):
        loop_release_keys(&loop.transports[i])
        source_free(&loop.sources[i])
    for i in range(loop.port_count):
        port_close(&loop.ports[i])
    if loop.outlet != NULL:
        tx_free(&loop.outlet.tx)
        if loop.outlet.crypto != NULL:
            srtp_engine_free(loop.outlet.crypto)
    if loop.rx != NULL:
        rx_free(loop.rx)
    free(loop.punts)
    free(loop.outlet)
    free(loop.rx)
    free(loop.transports)
    free(loop.sinks)
    free(loop.sources)
    free(loop.ports)
    free(loop.sink_tally)
    free(loop.source_tally)
    close(loop.epoll_fd)
    close(loop.wake_fd)
    close(loop.punt_fd)
    pthread_mutex_destroy(&loop.mutex)
    pthread_mutex_destroy(&loop.baton)
    free(loop)


cdef bint watch(Loop* loop, int fd, uint32_t label) noexcept nogil:
    cdef epoll_event event
    event.events = EPOLLIN
    event.data.u64 = label
    return epoll_ctl(loop.epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0


cdef int loop_open_port(Loop* loop, uint32_t ip, bint shared, int rcvbuf_bytes, int* error) noexcept nogil:
    cdef int index = 0
    while index < loop.port_count and loop.ports[index].fd >= 0:
        index += 1
    error[0] = 0
    if index == MAX_PORTS:
        return -1
    error[0] = port_open(&loop.ports[index], ip, 0, shared, rcvbuf_bytes)
    if error[0] or not watch(loop, loop.ports[index].fd, index):
        port_close(&loop.ports[index])
        return -1
    loop.port_count = max(loop.port_count, index + 1)
    return index


cdef UdpPort* loop_port_of(Loop* loop, int transport) noexcept nogil:
    cdef int i
    for i in range(loop.port_count):
        if loop.ports[i].fd == loop.transports[transport].fd:
            return &loop.ports[i]
    return &loop.ports[0]


cdef void loop_release_keys(Transport* transport) noexcept nogil:
    if transport.rx != NULL:
        srtp_context_free(transport.rx)
    if transport.tx != NULL:
        srtp_context_free(transport.tx)
    transport.rx = NULL
    transport.tx = NULL


cdef void loop_lock(Loop* loop) noexcept nogil:
    take_turn(loop)
    loop.outlet.now_us = monotonic_us()


cdef void take_turn(Loop* loop) noexcept nogil:
    """A thread that unlocks `mutex` and wants it again at once queues at the baton behind the one that waits."""
    pthread_mutex_lock(&loop.baton)
    pthread_mutex_lock(&loop.mutex)
    pthread_mutex_unlock(&loop.baton)


cdef void loop_unlock(Loop* loop) noexcept nogil:
    """Sends what the holder queued; no key may be freed while a packet still waits for it."""
    tx_flush(&loop.outlet.tx)
    pthread_mutex_unlock(&loop.mutex)


cdef void loop_run(Loop* loop) noexcept nogil:
    """Polls the sockets; with nothing to do it sleeps off them for a moment.

    A receiver that sleeps on its socket would make the measured process pay for waking it with every packet, which
    no peer across a network does (and which no figure of a server should contain).
    """
    cdef epoll_event ready[READY_PORTS]
    cdef timespec now
    cdef int n
    now.tv_sec = now.tv_nsec = 0
    while not load_acquire(&loop.stopped):
        n = epoll_pwait2(loop.epoll_fd, ready, READY_PORTS, &now, NULL)
        take_turn(loop)
        receive_ready(loop, ready, n)
        run_due(loop)
        loop_unlock(loop)
        if n == 0:
            rest(loop)


cdef void rest(Loop* loop) noexcept nogil:
    """Sleeps until a source or a tick is due, REST_US at the most."""
    cdef timespec pause
    cdef uint64_t due_us = min(loop.next_tick_us, loop.next_source_us)
    cdef uint64_t now_us = monotonic_us()
    if due_us <= now_us:
        return
    pause.tv_sec = 0
    pause.tv_nsec = <long> min(due_us - now_us, <uint64_t> REST_US) * 1000
    nanosleep(&pause, NULL)


cdef void receive_ready(Loop* loop, epoll_event* ready, int n) noexcept nogil:
    cdef uint64_t drained
    cdef int i
    for i in range(n):
        if ready[i].data.u64 == WAKE:
            read(loop.wake_fd, &drained, sizeof(drained))
        else:
            receive_port(loop, &loop.ports[ready[i].data.u64])


cdef void receive_port(Loop* loop, UdpPort* port) noexcept nogil:
    cdef Datagram datagram
    cdef int i, n
    for _ in range(BATCHES_PER_PORT):
        n = rx_receive(loop.rx, port)
        loop.outlet.now_us = monotonic_us()
        for i in range(n):
            rx_datagram(loop.rx, i, &datagram)
            receive_datagram(loop, port, &datagram)
        if n < 64 or loop.outlet.now_us >= loop.next_source_us:
            return


cdef void receive_datagram(Loop* loop, UdpPort* port, Datagram* datagram) noexcept nogil:
    """Finds the client by the address that the far end wrote to, then takes merged packets apart."""
    cdef Transport* transport
    cdef int64_t index = port.owner
    cdef int at = 0
    if index < 0:
        index = <int64_t> ntohl(datagram.local_ip) - FIRST_ADDRESS
    if not 0 <= index < loop.high_water:
        loop.sink_tally.stray += 1
        return
    transport = &loop.transports[index]
    if (not transport.used or datagram.remote_port != transport.remote_port
            or datagram.remote_ip != transport.remote_ip):
        loop.sink_tally.stray += 1
        return
    while at < datagram.n:
        dispatch(loop, transport, datagram.data + at, min(datagram.segment_bytes, datagram.n - at))
        at += datagram.segment_bytes


cdef void dispatch(Loop* loop, Transport* transport, uint8_t* p, int n) noexcept nogil:
    cdef int protocol = classify(p, n)
    if protocol == PROTOCOL_RTP and transport.role == ROLE_SINK:
        sink_receive_rtp(loop.outlet, &loop.rules, loop.sink_tally, &loop.sinks[transport.noun], transport, p, n)
    elif protocol == PROTOCOL_RTCP and transport.role == ROLE_SINK:
        sink_receive_rtcp(loop.outlet, loop.sink_tally, &loop.sinks[transport.noun], transport, p, n)
    elif protocol == PROTOCOL_RTCP and transport.role == ROLE_SOURCE:
        source_receive_rtcp(loop.outlet, loop.source_tally, &loop.sources[transport.noun], transport, p, n)
    elif protocol == PROTOCOL_STUN and transport.ice != ICE_NONE:
        if transport_receive_stun(loop.outlet, transport, p, n):
            punt(loop, transport, NULL, 0)
    elif protocol == PROTOCOL_DTLS:
        punt(loop, transport, p, n)
    else:
        loop.sink_tally.stray += 1


cdef void punt(Loop* loop, Transport* transport, const uint8_t* p, int n) noexcept nogil:
    cdef Punt* slot
    cdef uint64_t one = 1
    if loop.punt_head - loop.punt_tail == PUNT_COUNT or n > PUNT_BYTES:
        loop.punts_lost += 1
        return
    slot = &loop.punts[loop.punt_head % PUNT_COUNT]
    slot.transport = transport.noun
    slot.n = n
    if n:
        memcpy(slot.data, p, n)
    loop.punt_head += 1
    write(loop.punt_fd, &one, sizeof(one))


cdef void run_due(Loop* loop) noexcept nogil:
    cdef uint64_t now_us = monotonic_us()
    loop.outlet.now_us = now_us
    if now_us >= loop.next_source_us:
        loop.next_source_us = tick_sources(loop) if loop.sending else now_us + 10_000
    if now_us >= loop.next_tick_us:
        loop.next_tick_us = now_us + TICK_US
        visit_some(loop)
        loop.cpu_us = thread_cpu_us()


cdef uint64_t tick_sources(Loop* loop) noexcept nogil:
    cdef uint64_t due_us = loop.outlet.now_us + 10_000
    cdef int i
    for i in range(loop.high_water):
        if loop.sources[i].used:
            due_us = min(due_us, source_tick(loop.outlet, loop.source_tally, &loop.sources[i], &loop.transports[i]))
    return due_us


cdef void visit_some(Loop* loop) noexcept nogil:
    cdef Transport* transport
    cdef int left = loop.high_water // VISIT_TICKS + 1
    while left > 0:
        left -= 1
        loop.cursor = loop.cursor + 1 if loop.cursor + 1 < loop.high_water else 0
        transport = &loop.transports[loop.cursor]
        if not transport.used:
            continue
        if transport.ice != ICE_NONE and loop.outlet.now_us >= transport.next_check_us:
            transport_check(loop.outlet, transport)
        if transport.role == ROLE_SINK:
            sink_visit(loop.outlet, &loop.rules, loop.sink_tally, &loop.sinks[loop.cursor], transport)

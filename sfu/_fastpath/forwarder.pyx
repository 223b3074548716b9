"""Datagrams in, datagrams out: demultiplex, forward, run the timers. No clock, no socket, no thread."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy
from sfu._fastpath.batch cimport ARENA_BYTES, batch_flush
from sfu._fastpath.connectivity cimport address_of, expire_transports, punt_dtls, receive_stun
from sfu._fastpath.core cimport (
    MAX_PUNT_BYTES, MAX_WORKERS, RELAY_DATAGRAM, RELAY_KEYFRAME, RELAY_PACKET, RELAY_SENDER_REPORT, NoticeSlot,
    NoticeValue, PuntSlot, RelaySlot, count_drop,
)
from sfu._fastpath.egress cimport forward_due_runs, gather_us
from sfu._fastpath.feedback cimport receive_relayed_keyframe, receive_relayed_report, receive_rtcp
from sfu._fastpath.ingress cimport receive_relayed, receive_rtp
from sfu._fastpath.reports cimport report_downstream, report_upstream
from sfu._fastpath.ring cimport ring_free, ring_front, ring_new, ring_release
from sfu._fastpath.stream.srtp cimport srtp_engine_free, srtp_engine_new
from sfu._fastpath.tables cimport (
    MAX_ENCODINGS, Address, Encoding, Transport, tables_free, tables_new, transport_by_address,
)
from sfu._fastpath.wire.demux cimport PROTOCOL_DTLS, PROTOCOL_RTCP, PROTOCOL_RTP, PROTOCOL_STUN, classify
from sfu._fastpath.wire.drops cimport (
    DROP_EMPTY, DROP_NOT_CLASSIFIED, DROP_SEND_FAILED, DROP_TOO_LARGE, DROP_UNKNOWN_SOURCE,
)

cdef enum:
    TICK_US = 5000
    PUNT_SLOTS = 256
    CONSENT_CYCLE_TICKS = 200
    RELAYED_PER_TURN = 256         # packets taken from one other Worker before our own socket has its turn


cdef Core* core_new(const CoreConfig* config, flush_sink send, void* sink) noexcept nogil:
    """NULL: out of memory, or the crypto back end is not there."""
    cdef Core* c = <Core*> calloc(1, sizeof(Core))
    cdef uint32_t notices = 1
    if c == NULL:
        return NULL
    while notices < config.max_transports + config.max_tracks:
        notices *= 2
    c.tables = tables_new(config.max_transports, config.max_tracks, config.max_subscriptions, config.seed)
    c.engine = srtp_engine_new(config.backend)
    c.batch.engine = c.engine
    c.batch.arena = <uint8_t*> calloc(1, ARENA_BYTES)
    c.batch.gso = True
    c.batch.failed = &c.drops[<int> DROP_SEND_FAILED]
    c.batch.send = send
    c.batch.sink = sink
    c.worker_index = config.worker_index
    memcpy(c.node_hint, config.node_hint, 4)
    c.hold_us = config.hold_us
    c.consent_us = config.consent_us
    c.max_publish_bps = config.max_publish_bps
    c.open_run_capacity = <int> config.max_tracks * MAX_ENCODINGS
    c.open_runs = <Encoding**> calloc(c.open_run_capacity, sizeof(Encoding*))
    c.punts = ring_new(PUNT_SLOTS, sizeof(PuntSlot))
    c.notices = ring_new(notices, sizeof(NoticeSlot))
    c.transport_notices = <NoticeValue*> calloc(config.max_transports, sizeof(NoticeValue))
    c.track_notices = <NoticeValue*> calloc(config.max_tracks, sizeof(NoticeValue))
    if (c.tables == NULL or c.engine == NULL or c.batch.arena == NULL or c.open_runs == NULL or c.punts == NULL
            or c.notices == NULL or c.transport_notices == NULL or c.track_notices == NULL):
        core_free(c)
        return NULL
    return c


cdef void core_free(Core* c) noexcept nogil:
    if c == NULL:
        return
    tables_free(c.tables)
    if c.engine != NULL:
        srtp_engine_free(c.engine)
    free(c.batch.arena)
    free(c.open_runs)
    ring_free(c.punts)
    ring_free(c.notices)
    free(c.transport_notices)
    free(c.track_notices)
    free(c)


cdef void ingest(Core* c, Datagram* datagrams, int n, uint64_t now_us) noexcept nogil:
    """Every datagram ends as one accounted packet or one counted Drop, here or at the Worker it is handed on to."""
    cdef int i
    for i in range(n):
        c.counters.datagrams_in += 1
        c.counters.bytes_in += datagrams[i].bytes
        receive(c, &datagrams[i], now_us)


cdef void receive(Core* c, Datagram* d, uint64_t now_us) noexcept nogil:
    cdef Transport* transport
    cdef Address source
    cdef int protocol
    if d.bytes == 0 or d.bytes > MAX_PUNT_BYTES:
        count_drop(c, DROP_TOO_LARGE if d.bytes else DROP_EMPTY)
        return
    protocol = classify(d.data, <int> d.bytes)
    if protocol == PROTOCOL_STUN:
        receive_stun(c, d, now_us)
        return
    if protocol != PROTOCOL_RTP and protocol != PROTOCOL_RTCP and protocol != PROTOCOL_DTLS:
        count_drop(c, DROP_NOT_CLASSIFIED)
        return
    address_of(&d.remote, &source)
    transport = transport_by_address(c.tables, &source)
    if transport == NULL:
        count_drop(c, DROP_UNKNOWN_SOURCE)
    elif protocol == PROTOCOL_RTP:
        receive_rtp(c, transport, d, now_us)
    elif protocol == PROTOCOL_RTCP:
        receive_rtcp(c, transport, d, now_us)
    else:
        punt_dtls(c, transport, d, now_us)


cdef void ingest_relayed(Core* c, uint64_t now_us) noexcept nogil:
    """What other Workers have put into our rings: packets of mirrored Tracks, reports, requests, strays."""
    cdef int worker, taken
    cdef RelaySlot* slot
    for worker in range(MAX_WORKERS):
        if c.peers_in[worker] == NULL:
            continue
        taken = 0
        slot = <RelaySlot*> ring_front(c.peers_in[worker])
        while slot != NULL and taken < RELAYED_PER_TURN:
            receive_slot(c, slot, now_us)
            ring_release(c.peers_in[worker])
            taken += 1
            slot = <RelaySlot*> ring_front(c.peers_in[worker])


cdef void receive_slot(Core* c, RelaySlot* slot, uint64_t now_us) noexcept nogil:
    cdef Datagram d
    if slot.kind == RELAY_PACKET:
        receive_relayed(c, slot, now_us)
    elif slot.kind == RELAY_SENDER_REPORT:
        receive_relayed_report(c, slot)
    elif slot.kind == RELAY_KEYFRAME:
        receive_relayed_keyframe(c, slot)
    elif slot.kind == RELAY_DATAGRAM:
        d.data = slot.packet.payload
        d.bytes = slot.bytes
        d.remote = slot.remote
        d.remote_bytes = slot.remote_bytes
        c.counters.datagrams_in += 1
        c.counters.bytes_in += d.bytes
        receive_stun(c, &d, now_us)


cdef void poll_timers(Core* c, uint64_t now_us) noexcept nogil:
    """Runs what is due; cheap when nothing is."""
    if now_us < c.next_tick_us:
        return
    c.last_tick_us = now_us
    c.next_tick_us = now_us + TICK_US
    report_upstream(c, now_us)
    report_downstream(c, now_us)
    expire_transports(c, now_us, c.tables.transport_high // CONSENT_CYCLE_TICKS + 1)


cdef void flush(Core* c, uint64_t now_us) noexcept nogil:
    """Forwards the runs that are due and sends all that waits."""
    if c.open_run_count:
        forward_due_runs(c, now_us)
    batch_flush(&c.batch)


cdef uint64_t next_deadline_us(const Core* c) noexcept nogil:
    """When poll_timers or a held run wants the next turn."""
    cdef uint64_t deadline = c.next_tick_us
    cdef uint64_t due
    cdef int i
    for i in range(c.open_run_count):
        due = c.open_runs[i].run_opened_us + gather_us(c, c.open_runs[i])
        if due < deadline:
            deadline = due
    return deadline

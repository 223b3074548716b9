"""Snapshots: copied by the Worker (`take_snapshot`), turned into values by Python (`read_snapshot`)."""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from sfu._fastpath.stream.reception cimport reception_lost
from sfu._fastpath.tables cimport Encoding, Subscription, Track, Transport

import socket

from sfu._fastpath.drops import drop_names
from sfu._fastpath.values import EncodingRow, Snapshot, SubscriptionRow, TransportRow

DELAY_BOUNDS_US = (50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 0)


cdef SnapshotRows* take_snapshot(Core* c, uint32_t scope, uint64_t now_us) noexcept nogil:
    """Counters always; rows of all objects when `scope` is not 0. NULL: out of memory."""
    cdef SnapshotRows* rows = <SnapshotRows*> calloc(1, sizeof(SnapshotRows))
    cdef uint32_t i
    if rows == NULL:
        return NULL
    rows.counters = c.counters
    for i in range(sizeof(rows.drops) // sizeof(uint64_t)):
        rows.drops[i] = c.drops[i]
    for i in range(DELAY_BUCKETS):
        rows.delay_buckets[i] = c.delay_buckets[i]
    rows.delay_sum_us = c.delay_sum_us
    rows.transports = c.tables.transport_count
    rows.tracks = c.tables.track_count
    rows.subscriptions = c.tables.subscription_count
    if scope == 0:
        return rows
    rows.transport = <TransportCopy*> calloc(c.tables.transport_count + 1, sizeof(TransportCopy))
    rows.encoding = <EncodingCopy*> calloc(4 * c.tables.track_count + 1, sizeof(EncodingCopy))
    rows.subscription = <SubscriptionCopy*> calloc(c.tables.subscription_count + 1, sizeof(SubscriptionCopy))
    if rows.transport == NULL or rows.encoding == NULL or rows.subscription == NULL:
        free_snapshot(rows)
        return NULL
    for i in range(c.tables.transport_high):
        copy_transport(rows, &c.tables.transports[i], now_us)
    for i in range(c.tables.track_high):
        copy_track(rows, &c.tables.tracks[i])
    for i in range(c.tables.subscription_high):
        copy_subscription(rows, &c.tables.subscriptions[i])
    return rows


cdef void copy_transport(SnapshotRows* rows, const Transport* t, uint64_t now_us) noexcept nogil:
    cdef TransportCopy* row = &rows.transport[rows.transport_rows]
    if t.handle == 0:
        return
    rows.transport_rows += 1
    row.handle = t.handle
    row.remote = t.remote_address
    row.packets_in, row.bytes_in = t.packets_in, t.bytes_in
    row.packets_out, row.bytes_out = t.packets_out, t.bytes_out
    row.rtt_us = t.rtt_us
    row.heard_us_ago = now_us - t.heard_us if now_us > t.heard_us else 0


cdef void copy_track(SnapshotRows* rows, const Track* track) noexcept nogil:
    cdef int i
    cdef const Encoding* e
    cdef EncodingCopy* row
    if track.handle == 0:
        return
    for i in range(track.encoding_count):
        e = track.encodings[i]
        row = &rows.encoding[rows.encoding_rows]
        rows.encoding_rows += 1
        row.track, row.number, row.ssrc, row.live = track.handle, e.number, e.ssrc, e.live
        row.packets, row.bytes, row.keyframes, row.recovered = e.packets, e.bytes, e.keyframes, e.recovered
        row.nacks_sent, row.plis_sent = e.nacks.requested, e.plis_sent
        row.lost = reception_lost(&e.reception) - <long long> e.recovered if e.started else 0
        row.jitter_us = <uint32_t> ((<uint64_t> e.reception.jitter_q4 >> 4) * 1000000 // (track.clock_rate or 1))
        row.audio_level = e.audio_level_q8 >> 8


cdef void copy_subscription(SnapshotRows* rows, const Subscription* s) noexcept nogil:
    cdef SubscriptionCopy* row = &rows.subscription[rows.subscription_rows]
    if s.handle == 0:
        return
    rows.subscription_rows += 1
    row.handle = s.handle
    row.encoding = s.current.number if s.current != NULL else -1
    row.temporal = s.temporal
    row.packets, row.bytes = s.packets, s.bytes
    row.nacks, row.retransmitted, row.plis = s.nacks, s.retransmitted, s.plis
    row.fraction_lost = s.fraction_lost
    row.jitter_us = <uint32_t> (<uint64_t> s.jitter * 1000000 // (s.clock_rate or 1))


cdef void free_snapshot(SnapshotRows* rows) noexcept nogil:
    if rows != NULL:
        free(rows.transport)
        free(rows.encoding)
        free(rows.subscription)
        free(rows)


cdef object address_text(const Address* a):
    if a.is_v6:
        return socket.inet_ntop(socket.AF_INET6, bytes(a.ip[:16]))
    return socket.inet_ntop(socket.AF_INET, bytes(a.ip[12:16])) if a.port else ""


cdef object read_snapshot(const SnapshotRows* rows):
    """The values.Snapshot of these rows."""
    cdef uint32_t i
    cdef const TransportCopy* t
    cdef const EncodingCopy* e
    cdef const SubscriptionCopy* s
    counters = dict(rows.counters)
    counters["transports"] = rows.transports
    counters["tracks"] = rows.tracks
    counters["subscriptions"] = rows.subscriptions
    counters["delay_sum_us"] = rows.delay_sum_us
    transports = []
    for i in range(rows.transport_rows):
        t = &rows.transport[i]
        transports.append(TransportRow(
            t.handle, address_text(&t.remote), t.remote.port, t.packets_in, t.bytes_in, t.packets_out, t.bytes_out,
            t.rtt_us, t.heard_us_ago))
    encodings = []
    for i in range(rows.encoding_rows):
        e = &rows.encoding[i]
        encodings.append(EncodingRow(
            e.track, e.number, e.ssrc, bool(e.live), e.packets, e.bytes, e.keyframes, max(0, e.lost), e.recovered,
            e.nacks_sent, e.plis_sent, e.jitter_us, e.audio_level))
    subscriptions = []
    for i in range(rows.subscription_rows):
        s = &rows.subscription[i]
        subscriptions.append(SubscriptionRow(
            s.handle, s.encoding, s.temporal, s.packets, s.bytes, s.nacks, s.retransmitted, s.plis, s.fraction_lost,
            s.jitter_us))
    return Snapshot(
        counters=counters,
        drops={name: rows.drops[k] for k, name in enumerate(drop_names) if k},
        forwarding_delay_us=tuple((bound, rows.delay_buckets[k]) for k, bound in enumerate(DELAY_BOUNDS_US)),
        transports=tuple(transports),
        encodings=tuple(encodings),
        subscriptions=tuple(subscriptions),
    )

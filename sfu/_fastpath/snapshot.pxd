# One consistent copy of a Worker's counters, made by the Worker between two batches, read by Python.
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from sfu._fastpath.core cimport DELAY_BUCKETS, Core, Counters
from sfu._fastpath.tables cimport Address
from sfu._fastpath.wire.drops cimport DROP_COUNT

cdef struct TransportCopy:
    uint32_t handle
    Address remote
    uint64_t packets_in, bytes_in, packets_out, bytes_out, heard_us_ago
    uint32_t rtt_us

cdef struct EncodingCopy:
    uint32_t track, number, ssrc, jitter_us, audio_level
    bint live
    uint64_t packets, bytes, keyframes, recovered, nacks_sent, plis_sent
    long long lost

cdef struct SubscriptionCopy:
    uint32_t handle, fraction_lost, jitter_us
    int encoding, temporal
    uint64_t packets, bytes, nacks, retransmitted, plis

cdef struct SnapshotRows:
    Counters counters
    uint64_t drops[DROP_COUNT]
    uint64_t delay_buckets[DELAY_BUCKETS]
    uint64_t delay_sum_us
    uint32_t transports, tracks, subscriptions        # in use
    uint32_t transport_rows, encoding_rows, subscription_rows
    TransportCopy* transport
    EncodingCopy* encoding
    SubscriptionCopy* subscription

cdef SnapshotRows* take_snapshot(Core* c, uint32_t scope, uint64_t now_us) noexcept nogil
cdef void free_snapshot(SnapshotRows* rows) noexcept nogil
cdef object read_snapshot(const SnapshotRows* rows)

# The sans-IO heart of a Worker: datagrams and time in, datagrams out through `batch`.
from libc.stdint cimport uint32_t, uint64_t
from sfu._fastpath.core cimport Core, Datagram
from sfu._fastpath.batch cimport flush_sink

cdef struct CoreConfig:
    uint32_t worker_index
    char node_hint[4]
    uint32_t max_transports, max_tracks, max_subscriptions
    uint32_t hold_us
    uint64_t consent_us
    uint32_t max_publish_bps
    int backend
    uint64_t seed

cdef Core* core_new(const CoreConfig* config, flush_sink send, void* sink) noexcept nogil
cdef void core_free(Core* c) noexcept nogil

cdef void ingest(Core* c, Datagram* datagrams, int n, uint64_t now_us) noexcept nogil
cdef void ingest_relayed(Core* c, uint64_t now_us) noexcept nogil
cdef void poll_timers(Core* c, uint64_t now_us) noexcept nogil
cdef void flush(Core* c, uint64_t now_us) noexcept nogil
cdef uint64_t next_deadline_us(const Core* c) noexcept nogil

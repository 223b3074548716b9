# The load client's thread: sockets, timers and every Transport, Source and Sink. A mutex guards all of it; the
# thread holds it while it works, lets go while it sleeps, and gives way as soon as another thread wants it.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from bench.load.linux cimport pthread_mutex_t
from bench.load.ports cimport RxBatch, UdpPort
from bench.load.sinks cimport Sink, SinkRules, SinkTally
from bench.load.sources cimport Source, SourceTally
from bench.load.transport cimport Outlet, Transport

cdef enum:
    MAX_PORTS = 4096
    PUNT_COUNT = 1024
    PUNT_BYTES = 1600
    FIRST_ADDRESS = 0x7F100000             # 127.16.0.0

cdef struct Punt:
    int transport
    int n                                  # 0: the Transport became connected
    uint8_t data[PUNT_BYTES]

cdef struct Loop:
    pthread_mutex_t baton                  # held while waiting for `mutex`, so that both sides get their turn
    pthread_mutex_t mutex
    uint32_t stopped
    int epoll_fd
    int wake_fd
    int punt_fd
    bint shared
    bint sending                           # False: Sources are silent
    int port_count
    int shared_ports
    int limit
    int high_water                         # Transports in use are below this index
    int cursor
    uint64_t next_tick_us
    uint64_t next_source_us
    uint64_t cpu_us                        # of the thread, at its last tick
    uint64_t punts_lost
    uint32_t punt_head
    uint32_t punt_tail
    Punt* punts
    Outlet* outlet
    RxBatch* rx
    Transport* transports
    Sink* sinks
    Source* sources
    UdpPort* ports
    SinkRules rules
    SinkTally* sink_tally
    SourceTally* source_tally

cdef Loop* loop_new(int limit) noexcept nogil                        # NULL: no memory or no crypto
cdef void loop_free(Loop* loop) noexcept nogil
cdef int loop_open_port(Loop* loop, uint32_t ip, bint shared, int rcvbuf_bytes, int* error) noexcept nogil  # -1: errno in error
cdef UdpPort* loop_port_of(Loop* loop, int transport) noexcept nogil
cdef void loop_lock(Loop* loop) noexcept nogil
cdef void loop_unlock(Loop* loop) noexcept nogil
cdef void loop_run(Loop* loop) noexcept nogil                        # until stopped
cdef void loop_release_keys(Transport* transport) noexcept nogil

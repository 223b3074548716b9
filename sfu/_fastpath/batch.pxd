# Datagrams on their way out: protected together, then handed to a sink (sendmmsg in a Worker, a list in tests).
#
# Packets to one Transport that follow each other and have one size (the last may be shorter) become one message:
# one GSO run (UDP_SEGMENT) for the kernel. They lie contiguously in the arena, so a message is one iovec.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from sfu._fastpath.stream.srtp cimport ProtectJob, SrtpEngine, protect_batch
from sfu._fastpath.tables cimport Sockaddr, Transport
from sfu._fastpath.includes.linux cimport socklen_t

cdef enum:
    BATCH_PACKETS = 64
    ARENA_BYTES = 106496           # stays in L2 together with the sources
    MAX_DATAGRAM_BYTES = 1792      # header, extensions, payload, run padding, trailer
    MAX_SEGMENTS = 32
    MAX_RUN_BYTES = 60000

cdef struct SendMessage:
    Sockaddr* remote               # in the Transport; valid until the flush
    Transport* transport           # NULL: not a Transport's
    socklen_t remote_bytes
    uint32_t offset
    uint32_t bytes
    uint16_t segment_bytes
    uint16_t segments

ctypedef void (*flush_sink)(void* sink, SendBatch* batch) noexcept nogil

cdef struct SendBatch:
    uint8_t* arena
    uint32_t used
    int job_count
    int message_count
    bint gso
    SrtpEngine* engine
    flush_sink send
    void* sink
    uint64_t* failed               # counts messages that were not sent because a packet could not be protected
    ProtectJob jobs[BATCH_PACKETS]
    uint64_t arrivals[BATCH_PACKETS]      # when the source packet of each job came in; 0: no fresh one
    SendMessage messages[BATCH_PACKETS]

cdef inline bint batch_protected(const SendBatch* b) noexcept nogil:
    cdef uint16_t shortest = 0xffff
    cdef int i
    for i in range(b.job_count):
        shortest = min(shortest, b.jobs[i].packet_bytes)
    return shortest > 0

# Nothing leaves in the clear: a batch with a packet that the crypto back end refused is dropped as a whole.
cdef inline void batch_flush(SendBatch* b) noexcept nogil:
    if b.job_count:
        protect_batch(b.engine, b.jobs, b.job_count)
        if not batch_protected(b):
            b.failed[0] += b.message_count
            b.message_count = 0
    if b.message_count:
        b.send(b.sink, b)
    b.job_count = 0
    b.message_count = 0
    b.used = 0

# Room for one datagram; flushes what is there if it is full.
cdef inline uint8_t* batch_reserve(SendBatch* b) noexcept nogil:
    if b.message_count == BATCH_PACKETS or b.job_count == BATCH_PACKETS or b.used + MAX_DATAGRAM_BYTES > ARENA_BYTES:
        batch_flush(b)
    return b.arena + b.used

# The size that would let one more packet to `transport` join its run; 0: no run is open.
cdef inline uint32_t batch_run_bytes(const SendBatch* b, const Transport* transport) noexcept nogil:
    cdef const SendMessage* last
    if not b.gso or b.message_count == 0:
        return 0
    last = &b.messages[b.message_count - 1]
    if last.transport != transport or last.bytes != last.segments * last.segment_bytes:
        return 0
    return last.segment_bytes

cdef inline void batch_commit(SendBatch* b, Transport* transport, uint32_t n) noexcept nogil:
    cdef SendMessage* last
    cdef uint32_t run = batch_run_bytes(b, transport)
    if run >= n and run > 0:
        last = &b.messages[b.message_count - 1]
        if last.segments < MAX_SEGMENTS and last.bytes + n <= MAX_RUN_BYTES:
            last.bytes += n
            last.segments += 1
            b.used += n
            return
    last = &b.messages[b.message_count]
    last.remote = &transport.remote
    last.remote_bytes = transport.remote_bytes
    last.transport = transport
    last.offset = b.used
    last.bytes = n
    last.segment_bytes = <uint16_t> n
    last.segments = 1
    b.message_count += 1
    b.used += n

# A datagram to an address that is not (yet) a Transport's; `remote` stays valid until the flush.
cdef inline void batch_commit_to(SendBatch* b, Sockaddr* remote, socklen_t remote_bytes, uint32_t n) noexcept nogil:
    cdef SendMessage* last = &b.messages[b.message_count]
    last.remote = remote
    last.remote_bytes = remote_bytes
    last.transport = NULL
    last.offset = b.used
    last.bytes = n
    last.segment_bytes = <uint16_t> n
    last.segments = 1
    b.message_count += 1
    b.used += n

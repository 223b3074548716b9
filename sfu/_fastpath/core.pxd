# What ingress, egress, feedback and connectivity of one Worker share. No clock, no socket, no thread in here: time
# comes in as `now_us`, datagrams leave through `batch`, news through rings.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from sfu._fastpath.batch cimport SendBatch
from sfu._fastpath.includes.atomics cimport exchange, store_seq64
from sfu._fastpath.ring cimport Ring, ring_commit, ring_reserve
from sfu._fastpath.stream.history cimport SourcePacket
from sfu._fastpath.stream.srtp cimport SrtpEngine
from sfu._fastpath.tables cimport Encoding, RUN_PACKETS, Sockaddr, Tables
from sfu._fastpath.wire.drops cimport DROP_COUNT
from sfu._fastpath.includes.linux cimport socklen_t

cdef enum:
    MAX_WORKERS = 32
    MAX_PUNT_BYTES = 1600
    DELAY_BUCKETS = 12
    EXT_BLOCK_BYTES = 160
    SOON_US = 1000

cdef struct Datagram:              # one received datagram
    uint8_t* data                  # SRTP_MAX_TRAILER writable bytes behind it
    uint32_t bytes
    socklen_t remote_bytes
    Sockaddr remote

cdef struct PuntSlot:
    uint32_t transport             # handle
    uint32_t bytes
    uint8_t data[MAX_PUNT_BYTES]

cdef struct NoticeSlot:
    uint32_t kind                  # NOTICE_TRANSPORT, NOTICE_TRACK
    uint32_t index

cdef enum NoticeKind:
    NOTICE_TRANSPORT = 1
    NOTICE_TRACK = 2

cdef struct NoticeValue:           # latest wins; `queued` keeps one ring entry per object
    uint32_t queued
    uint64_t state                 # handle << 32 | value, one word so that nobody sees halves of two

cdef enum RelayKind:               # what crosses from Worker to Worker
    RELAY_PACKET = 1               # a packet of an exported Track, for its mirror
    RELAY_SENDER_REPORT = 2
    RELAY_KEYFRAME = 3             # the mirror's listeners want a keyframe of the source
    RELAY_DATAGRAM = 4             # a first STUN packet that came to the wrong Worker

cdef struct RelaySlot:
    uint32_t kind
    uint32_t track                 # handle at the receiver
    uint32_t encoding
    uint32_t bytes                 # of a datagram; of a packet: the Encoding's incarnation
    uint64_t ntp
    uint64_t arrival_us
    uint32_t rtp_ts
    socklen_t remote_bytes
    Sockaddr remote
    SourcePacket packet            # RELAY_DATAGRAM: its payload holds the datagram

cdef struct Counters:
    uint64_t datagrams_in, bytes_in, datagrams_out, bytes_out, messages_out, send_calls, receive_calls
    uint64_t rtp_in, rtcp_in, stun_in, dtls_in
    uint64_t packets_forwarded, bytes_forwarded, packets_retransmitted, packets_filled
    uint64_t nacks_in, nacks_out, plis_in, plis_out, twcc_out, reports_out, reports_in
    uint64_t layer_switches, relayed_out, relayed_in
    uint64_t commands, busy_us, loops, holds

cdef struct Core:
    Tables* tables
    SrtpEngine* engine
    SendBatch batch
    uint64_t drops[DROP_COUNT]
    Counters counters
    uint64_t delay_buckets[DELAY_BUCKETS]
    uint64_t delay_sum_us
    # configuration
    uint32_t worker_index
    uint8_t node_hint[4]
    uint32_t hold_us
    uint64_t consent_us
    uint32_t max_publish_bps
    # runs waiting to be forwarded
    bint holding
    Encoding** open_runs
    int open_run_count
    int open_run_capacity
    # timers
    uint64_t last_tick_us
    uint64_t next_tick_us
    uint32_t sr_cursor
    uint32_t consent_cursor
    # rings
    Ring* punts
    Ring* notices
    NoticeValue* transport_notices
    NoticeValue* track_notices
    Ring* peers_out[MAX_WORKERS]
    Ring* peers_in[MAX_WORKERS]
    bint relayed_to[MAX_WORKERS]
    bint raised                    # something for Python to poll
    # scratch
    uint16_t ext_profile[RUN_PACKETS]
    uint16_t ext_bytes[RUN_PACKETS]
    uint8_t ext_block[RUN_PACKETS][EXT_BLOCK_BYTES]
    uint16_t pad_to[RUN_PACKETS]
    uint8_t plain[2048]
    Sockaddr reply_to

# The timers' next turn comes early, but not at once after the last: whoever asks for many gets few.
cdef inline void tick_soon(Core* c) noexcept nogil:
    c.next_tick_us = min(c.next_tick_us, c.last_tick_us + SOON_US)

cdef inline void count_drop(Core* c, int reason) noexcept nogil:
    c.drops[reason] += 1

# Tells Python the newest value of one object; costs one ring slot however often it changes (the ring has room for all).
cdef inline void notify(Core* c, NoticeValue* values, int kind, uint32_t index, uint32_t handle, uint32_t value) noexcept nogil:
    cdef NoticeSlot* slot
    store_seq64(&values[index].state, <uint64_t> handle << 32 | value)
    if exchange(&values[index].queued, 1) == 0:
        slot = <NoticeSlot*> ring_reserve(c.notices)
        if slot != NULL:
            slot.kind = kind
            slot.index = index
            ring_commit(c.notices)
            c.raised = True

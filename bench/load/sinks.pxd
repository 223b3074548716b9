# A Sink is the receiving end of one subscriber: continuity of every stream, a checked sample, RR and NACK.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from bench.load.histogram cimport Histogram
from bench.load.transport cimport Outlet, Transport

cdef enum:
    SINK_STREAMS = 4
    WINDOW = 512                           # sequence numbers remembered behind the highest
    WINDOW_WORDS = 8
    NACK_SEQS = 16
    NACK_EVERY_US = 100_000
    NACK_TRIES = 5
    RR_EVERY_US = 2_000_000

cdef struct SinkRules:
    uint32_t sample_mask                   # a packet is decrypted when (seq & mask) matches the Sink's turn
    uint32_t loss_per_65536                # datagrams thrown away on arrival, to provoke NACKs
    bint nack

cdef struct SinkTally:
    uint64_t packets                       # RTP, RTX included
    uint64_t bytes                         # UDP payload
    uint64_t rtcp
    uint64_t duplicates
    uint64_t late                          # came after a higher sequence number
    uint64_t rtx
    uint64_t checked
    uint64_t corrupt                       # authentic, but not what the publisher sent
    uint64_t refused                       # authentication failed
    uint64_t silent_lost                   # publisher's packets missing without a gap in seq
    uint64_t unexpected                    # unknown payload type, or more streams than one Track of each kind
    uint64_t stray                         # from an address that is not the far end, or for a client that left
    uint64_t thrown                        # by loss_per_65536
    uint64_t nacks                         # sequence numbers asked for
    uint64_t starts_without_keyframe
    uint64_t gone_expected                 # of Sinks that have left
    uint64_t gone_received
    Histogram video_us
    Histogram audio_us

cdef struct SinkStream:
    uint64_t highest                       # extended sequence number
    uint64_t base                          # where this measurement starts
    uint64_t received                      # unique ones at or above base
    uint64_t window[WINDOW_WORDS]
    uint64_t next_nack_us
    uint64_t sr_us
    int64_t counter_offset                 # publisher's counter - extended sequence number
    uint32_t ssrc
    uint32_t sr_ntp                        # middle 32 bits of the last SR's NTP time
    uint32_t missing
    uint32_t rr_expected
    uint32_t rr_received
    uint32_t total_received
    uint32_t first_seq
    int kind
    int nack_tries
    bint started
    bint offset_known

cdef struct Sink:
    bint used
    int transport
    uint32_t ssrc                          # of its RTCP
    int video_pt                           # -1: not negotiated
    int rtx_pt
    int audio_pt
    int stream_count
    uint64_t next_rr_us
    SinkStream streams[SINK_STREAMS]

cdef void sink_receive_rtp(Outlet* outlet, const SinkRules* rules, SinkTally* tally, Sink* sink,
                           Transport* transport, uint8_t* p, int n) noexcept nogil
cdef void sink_receive_rtcp(Outlet* outlet, SinkTally* tally, Sink* sink, Transport* transport,
                            uint8_t* p, int n) noexcept nogil
cdef void sink_visit(Outlet* outlet, const SinkRules* rules, SinkTally* tally, Sink* sink,
                     Transport* transport) noexcept nogil
cdef void sink_mark(Sink* sink) noexcept nogil                      # starts a measurement
cdef void sink_totals(const Sink* sink, uint64_t* expected, uint64_t* received) noexcept nogil

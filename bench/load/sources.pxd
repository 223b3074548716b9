# A Source is the sending end of one publisher: video in frame bursts, audio every 20 ms, RTX, SR, keyframes on demand.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from sfu._fastpath.wire.extensions cimport ExtIds
from bench.load.transport cimport Outlet, Transport

cdef enum:
    SOURCE_STREAMS = 4                     # three Encodings and audio
    MID_BYTES = 16
    HISTORY = 512
    HISTORY_BYTES = 1280
    SR_EVERY_US = 1_000_000
    KEYFRAME_EVERY_US = 300_000            # at most
    NAMED_PACKETS = 100                    # first packets of a stream that carry mid and rid
    SLIP_US = 200_000                      # further behind than this, frames are skipped
    OPUS_CLOCK_RATE = 48000
    VIDEO_CLOCK_RATE = 90000

cdef struct SentPacket:
    uint16_t seq
    uint16_t payload_bytes
    uint32_t rtp_ts
    bint marker
    uint8_t payload[HISTORY_BYTES]

cdef struct SourceTally:
    uint64_t packets                       # RTP, without RTX
    uint64_t bytes                         # before protection
    uint64_t frames
    uint64_t keyframes
    uint64_t keyframe_requests
    uint64_t nacks
    uint64_t rtx
    uint64_t transport_cc
    uint64_t remb
    uint64_t slips

cdef struct SourceStream:
    int kind                               # enum StreamKind
    uint8_t pt
    int rtx_pt                             # -1: not negotiated
    uint32_t ssrc
    uint32_t rtx_ssrc
    uint8_t rid[MID_BYTES]
    int rid_bytes
    uint8_t mid[MID_BYTES]
    int mid_bytes
    uint16_t id                            # in stamps
    uint32_t clock_rate
    uint64_t index                         # next extended sequence number
    uint64_t mark                          # the index where this measurement starts
    uint64_t rtx_index
    uint64_t frame_us                      # between two frames
    uint64_t next_frame_us
    uint64_t frame_count
    uint32_t first_ts
    uint32_t rtp_ts
    int mean_bytes                         # of a frame
    int64_t debt_bytes                     # sent beyond the mean so far
    int packets_left                       # of the frame that is being paced out
    int bytes_left
    bint opens_frame
    bint keyframe
    bint keyframe_wanted
    uint64_t next_packet_us
    uint64_t pace_us                       # between packets of a burst
    int64_t burst_bytes                    # what is left of this frame's burst
    uint64_t last_keyframe_us
    uint16_t picture_id
    uint8_t tl0_pic_idx
    uint32_t packets
    uint32_t octets
    uint64_t next_sr_us
    SentPacket* history                    # NULL: no RTX

cdef struct Source:
    bint used
    int transport
    int stream_count
    int packet_bytes                       # largest RTP packet before protection
    uint16_t transport_seq
    ExtIds audio_extensions
    ExtIds video_extensions
    SourceStream streams[SOURCE_STREAMS]

cdef SourceStream* source_add_stream(Outlet* outlet, Source* source, int kind, uint32_t clock_rate,
                                     uint64_t frame_us, int mean_bytes) noexcept nogil
cdef bint source_keep_history(SourceStream* stream) noexcept nogil
# After a pause: frames that were due meanwhile are never sent, and what keyframes cost before it is forgotten, so that a
# measurement does not depend on how many there were while viewers joined.
cdef void source_resume(Outlet* outlet, Source* source) noexcept nogil
cdef void source_free(Source* source) noexcept nogil
# Sends what is due; returns when it wants to be called again.
cdef uint64_t source_tick(Outlet* outlet, SourceTally* tally, Source* source, Transport* transport) noexcept nogil
cdef void source_receive_rtcp(Outlet* outlet, SourceTally* tally, Source* source, Transport* transport,
                              uint8_t* p, int n) noexcept nogil

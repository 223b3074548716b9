"""Fills a SourcePacket's flags and ids from its payload descriptor; a broken descriptor just leaves them empty."""

from libc.stdint cimport uint8_t
from sfu._fastpath.stream.history cimport (
    PACKET_FRAME_START, PACKET_KEYFRAME, PACKET_LAYER_SYNC, PACKET_PADDING_ONLY, PACKET_VP8_IDS,
)
from sfu._fastpath.wire.av1 cimport Av1Payload, av1_parse
from sfu._fastpath.wire.h264 cimport H264Payload, h264_parse
from sfu._fastpath.wire.vp8 cimport Vp8Descriptor, vp8_parse
from sfu._fastpath.wire.vp9 cimport Vp9Descriptor, vp9_parse


cdef void describe_payload(SourcePacket* packet, uint8_t codec_kind) noexcept nogil:
    """Audio and unknown payloads are starting points each; video ones as their format says."""
    packet.codec_kind = codec_kind
    packet.temporal_id = 0
    if packet.flags & PACKET_PADDING_ONLY:
        return
    if codec_kind == CODEC_VP8:
        describe_vp8(packet)
    elif codec_kind == CODEC_VP9:
        describe_vp9(packet)
    elif codec_kind == CODEC_H264:
        describe_h264(packet)
    elif codec_kind == CODEC_AV1:
        describe_av1(packet)
    else:
        packet.flags |= PACKET_KEYFRAME | PACKET_FRAME_START


cdef void describe_vp8(SourcePacket* packet) noexcept nogil:
    cdef Vp8Descriptor d
    if vp8_parse(packet.payload, packet.payload_bytes, &d):
        return
    if d.start_of_partition:
        packet.flags |= PACKET_FRAME_START
        if d.keyframe:
            packet.flags |= PACKET_KEYFRAME
    if d.has_tid:
        packet.temporal_id = d.tid
        if d.layer_sync:
            packet.flags |= PACKET_LAYER_SYNC
    if d.has_picture_id:
        packet.flags |= PACKET_VP8_IDS
        packet.picture_id = d.picture_id
        packet.picture_id_15bit = d.picture_id_15bit
        packet.picture_id_offset = d.picture_id_offset
        packet.tl0_pic_idx = d.tl0_pic_idx if d.has_tl0 else 0
        packet.tl0_offset = d.tl0_offset if d.has_tl0 else 0


cdef void describe_vp9(SourcePacket* packet) noexcept nogil:
    cdef Vp9Descriptor d
    if vp9_parse(packet.payload, packet.payload_bytes, &d):
        return
    if d.start_of_frame and d.sid == 0:
        packet.flags |= PACKET_FRAME_START
        if d.keyframe:
            packet.flags |= PACKET_KEYFRAME
    if d.has_layers:
        packet.temporal_id = d.tid
        if d.switching_up:
            packet.flags |= PACKET_LAYER_SYNC


cdef void describe_h264(SourcePacket* packet) noexcept nogil:
    """A keyframe begins where its SPS (or, sent out of band, its IDR slice) does."""
    cdef H264Payload d
    if h264_parse(packet.payload, packet.payload_bytes, &d):
        return
    if d.start_of_frame:
        packet.flags |= PACKET_FRAME_START
    if d.has_sps or d.keyframe:
        packet.flags |= PACKET_KEYFRAME | PACKET_FRAME_START


cdef void describe_av1(SourcePacket* packet) noexcept nogil:
    cdef Av1Payload d
    if av1_parse(packet.payload, packet.payload_bytes, &d):
        return
    if d.keyframe:
        packet.flags |= PACKET_KEYFRAME | PACKET_FRAME_START

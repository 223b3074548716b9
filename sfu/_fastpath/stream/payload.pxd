# What the packet core reads of a payload: keyframes, frame starts, temporal ids, VP8 picture ids. Never media.
from libc.stdint cimport uint8_t
from sfu._fastpath.stream.history cimport SourcePacket

cdef enum CodecKind:               # numbers of values.CODEC_KINDS
    CODEC_OTHER, CODEC_OPUS, CODEC_RED, CODEC_PCMU, CODEC_PCMA, CODEC_G722, CODEC_TELEPHONE_EVENT
    CODEC_VP8, CODEC_VP9, CODEC_H264, CODEC_AV1
    CODEC_NONE = 255               # payload type not negotiated

cdef void describe_payload(SourcePacket* packet, uint8_t codec_kind) noexcept nogil

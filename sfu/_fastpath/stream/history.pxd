# The recent packets of one Encoding in the clear: the source for fan-out, for NACK and for a delayed layer switch.
#
# A packet lives in the slot `ext_seq & mask`; `ext_seq` 0 marks an empty slot (extended numbers start at 65536).
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

cdef enum:
    MAX_PAYLOAD_BYTES = 1472
    MAX_KEPT_EXTENSIONS = 8
    MAX_EXTENSION_STORE_BYTES = 96

cdef enum PacketFlag:
    PACKET_MARKER = 1
    PACKET_KEYFRAME = 2            # first packet of a decodable starting point
    PACKET_FRAME_START = 4
    PACKET_PADDING_ONLY = 8        # occupies a seq, carries nothing
    PACKET_VP8_IDS = 16            # VP8 with a picture id
    PACKET_LAYER_SYNC = 32         # a temporal switching-up point (VP8 Y, VP9 U)
    PACKET_RECOVERED = 64          # came by RTX

cdef struct KeptExtension:
    uint8_t type                   # ExtType
    uint8_t length
    uint8_t offset                 # into extension_store

cdef struct SourcePacket:
    uint64_t ext_seq
    uint64_t arrival_us
    uint32_t rtp_ts
    uint16_t payload_bytes         # without RTP padding
    uint8_t payload_type
    uint8_t flags
    uint8_t temporal_id
    uint8_t codec_kind
    # VP8 payload descriptor (RFC 7741): where its ids lie
    uint16_t picture_id
    uint8_t tl0_pic_idx
    uint8_t picture_id_offset
    uint8_t picture_id_15bit
    uint8_t tl0_offset
    uint8_t extension_count
    KeptExtension extensions[MAX_KEPT_EXTENSIONS]
    uint8_t extension_store[MAX_EXTENSION_STORE_BYTES]
    uint8_t payload[MAX_PAYLOAD_BYTES]

cdef struct History:
    SourcePacket* slots
    uint32_t mask

cdef inline bint history_init(History* h, uint32_t capacity) noexcept nogil:
    h.slots = <SourcePacket*> calloc(capacity, sizeof(SourcePacket))
    h.mask = capacity - 1
    return h.slots != NULL

cdef inline void history_free(History* h) noexcept nogil:
    free(h.slots)
    h.slots = NULL

cdef inline SourcePacket* history_slot(History* h, uint64_t ext_seq) noexcept nogil:
    return &h.slots[ext_seq & h.mask]

cdef inline SourcePacket* history_find(History* h, uint64_t ext_seq) noexcept nogil:
    cdef SourcePacket* packet = &h.slots[ext_seq & h.mask]
    return packet if packet.ext_seq == ext_seq else NULL

# Every Command a Worker takes and every Reply it gives, on one page. Commands are plain bytes in ring slots.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from sfu._fastpath.tables cimport ICE_TEXT_BYTES, MAX_ENCODINGS, MAX_PAYLOAD_MAP, PayloadMapEntry, int8_wish
from sfu._fastpath.wire.extensions cimport ExtIds

cdef enum:
    COMMAND_BYTES = 1664
    COMMAND_CREDITS = 512          # Commands in flight, hence Replies that can wait

cdef enum Op:
    OP_OPEN_TRANSPORT = 1
    OP_SET_ICE
    OP_SET_SRTP
    OP_SEND_DTLS
    OP_CLOSE_TRANSPORT
    OP_ADD_TRACK
    OP_MIRROR_TRACK
    OP_EXPORT_TRACK
    OP_REMOVE_TRACK
    OP_SUBSCRIBE
    OP_BIND
    OP_SELECT
    OP_PAUSE
    OP_MUTE
    OP_UNSUBSCRIBE
    OP_REQUEST_KEYFRAME
    OP_SNAPSHOT

cdef enum Status:
    STATUS_OK = 0
    STATUS_NO_SUCH_HANDLE
    STATUS_TABLE_FULL
    STATUS_BAD_KEYS
    STATUS_NO_MEMORY
    STATUS_NO_ADDRESS
    STATUS_NO_SUCH_WORKER
    STATUS_SSRC_TAKEN

cdef struct IceCommand:
    uint8_t ufrag_bytes, pwd_bytes
    uint8_t ufrag[ICE_TEXT_BYTES]
    uint8_t pwd[ICE_TEXT_BYTES]

cdef struct SrtpCommand:
    uint32_t profile
    uint8_t rx[46]                 # master key || master salt
    uint8_t tx[46]

cdef struct DatagramCommand:
    uint32_t bytes
    uint8_t data[1600]

cdef struct EncodingEntry:
    uint8_t rid_bytes
    uint8_t rid[17]
    uint32_t ssrc, rtx_ssrc

cdef struct TrackCommand:
    bint is_video
    uint32_t clock_rate
    uint8_t feedback
    uint8_t mid_bytes
    uint8_t mid[33]
    uint8_t codec_of[128]
    uint8_t rtx_apt[128]
    ExtIds ext_ids
    int encoding_count
    EncodingEntry encodings[MAX_ENCODINGS]
    uint32_t source_worker, source_track

cdef struct ExportCommand:
    uint32_t worker, mirror

cdef struct SubscribeCommand:
    bint is_video
    uint32_t clock_rate
    uint32_t ssrc, rtx_ssrc
    uint8_t feedback
    uint8_t mid_bytes
    uint8_t mid[33]
    uint8_t cname_bytes
    uint8_t cname[24]
    ExtIds ext_ids

cdef struct BindCommand:
    uint32_t track
    uint8_t count
    PayloadMapEntry map[MAX_PAYLOAD_MAP]

cdef struct SelectCommand:
    int8_wish encoding, temporal

cdef union CommandBody:
    IceCommand ice
    SrtpCommand srtp
    DatagramCommand datagram
    TrackCommand track
    ExportCommand export_to
    SubscribeCommand subscribe
    BindCommand bind
    SelectCommand select
    uint32_t flag

cdef struct Command:
    uint32_t op
    uint32_t token
    uint32_t handle
    uint32_t spare
    CommandBody body

cdef struct Reply:
    uint32_t token
    uint32_t status
    uint32_t value
    void* rows                     # a SnapshotRows that the receiver frees

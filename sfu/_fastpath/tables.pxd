# All per-packet state of one Worker: plain structs in fixed tables, found by `generation | index` handles.
#
# Everything here is owned by the Worker's thread. Transports, Tracks and Subscriptions are table slots; Encodings are
# allocated with their Track. Pointers between them are unlinked on removal (`control.pyx`), never left dangling.
from libc.stdint cimport int16_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset
from sfu._fastpath.includes.linux cimport sockaddr_in, sockaddr_in6, socklen_t
from sfu._fastpath.stream.history cimport History
from sfu._fastpath.stream.nack cimport NackList
from sfu._fastpath.stream.payload cimport CODEC_NONE
from sfu._fastpath.stream.reception cimport Reception
from sfu._fastpath.stream.rewrite cimport Rewrite
from sfu._fastpath.stream.srtp cimport ReplayWindow, SrtpContext, SrtpEngine
from sfu._fastpath.stream.twcc cimport TwccRecorder
from sfu._fastpath.wire.drops cimport DROP_COUNT
from sfu._fastpath.wire.extensions cimport ExtIds

ctypedef signed char int8_wish

cdef enum FeedbackFlag:
    FEEDBACK_NACK = 1
    FEEDBACK_PLI = 2
    FEEDBACK_FIR = 4
    FEEDBACK_TRANSPORT_CC = 8
    FEEDBACK_REMB = 16

cdef enum TransportStateFlag:
    TRANSPORT_CONNECTED = 1
    TRANSPORT_EXPIRED = 2
    TRANSPORT_MEDIA_IN = 4
    TRANSPORT_ADDRESS_CHANGED = 8

cdef enum:
    INDEX_BITS = 18
    INDEX_MASK = 0x3ffff
    NO_INDEX = 0xffffffff
    MAX_ENCODINGS = 4
    MAX_ADDRESSES = 4              # validated remote addresses of one Transport
    MAX_RTCP_SENDERS = 12          # SSRCs of one Transport whose SRTCP is told from replays at a time
    MAX_SSRCS = 32                 # SSRCs one publishing Transport may use
    MAX_RETIRED = 16               # replaced SSRCs of one publishing Transport that stay replaced
    MAX_PAYLOAD_MAP = 12
    MAX_EXPORTS = 31               # Workers a Track is mirrored on: all others
    RUN_PACKETS = 16               # most packets of one Encoding held for one GSO run
    VIDEO_HISTORY_PACKETS = 1024
    AUDIO_HISTORY_PACKETS = 128
    ICE_TEXT_BYTES = 64

ctypedef union Sockaddr:
    sockaddr_in v4
    sockaddr_in6 v6

cdef struct Address:
    uint8_t ip[16]                 # IPv4 as ::ffff:a.b.c.d
    uint16_t port                  # host order
    bint is_v6

cdef struct IceCredentials:
    uint8_t ufrag[ICE_TEXT_BYTES]
    uint8_t pwd[ICE_TEXT_BYTES]
    uint8_t ufrag_bytes
    uint8_t pwd_bytes

cdef struct SsrcEntry:
    uint32_t ssrc
    bint is_rtx
    Encoding* encoding

cdef struct PublishState:          # only Transports that publish have one
    int ssrc_count
    SsrcEntry ssrcs[MAX_SSRCS]
    uint32_t retired[MAX_RETIRED]
    uint32_t retired_count
    TwccRecorder twcc
    uint64_t next_report_us
    uint64_t next_twcc_us
    uint32_t remb_bps
    uint32_t twcc_media_ssrc
    uint8_t last_fraction_lost
    uint8_t feedback               # union of its Tracks' FeedbackFlags

cdef struct RtcpSender:            # every SSRC numbers its SRTCP itself (RFC 3711 section 3.2.3)
    uint32_t ssrc
    ReplayWindow window

cdef struct Transport:
    uint32_t handle
    uint32_t generation
    # where it sends to
    Sockaddr remote
    socklen_t remote_bytes
    bint has_remote
    Address remote_address
    SrtpContext* tx
    SrtpContext* rx
    uint16_t trailer_bytes
    uint32_t first_subscription    # index lists, NO_INDEX ends
    uint32_t first_track
    PublishState* publish
    # connectivity
    IceCredentials local[2]        # [0] current, [1] the previous one during an ICE restart
    int credentials
    Address addresses[MAX_ADDRESSES]
    int address_count
    uint64_t heard_us              # last authenticated datagram
    uint32_t state                 # TransportStateFlags
    uint64_t check_window_us
    uint32_t checks_in_window
    uint64_t punt_window_us
    uint32_t punts_in_window
    # SRTCP
    uint32_t rtcp_index
    RtcpSender rtcp_senders[MAX_RTCP_SENDERS]
    uint32_t rtcp_sender_count     # ever seen; the oldest gives way
    uint32_t rtt_us
    uint32_t reporter_ssrc         # our SSRC in RTCP without a media stream of ours
    # counters
    uint64_t packets_in, bytes_in, packets_out, bytes_out

cdef struct Export:
    uint32_t worker
    uint32_t mirror

cdef struct Encoding:
    Track* track
    uint8_t number
    uint8_t rid[17]
    uint8_t rid_bytes
    bint bound                     # `ssrc` is known
    uint32_t ssrc
    bint rtx_bound
    uint32_t rtx_ssrc
    uint32_t incarnation           # counts restarts of the source
    uint64_t bound_us              # when `ssrc` was bound by a packet
    bint started
    uint64_t highest_seq           # unwrapped, starts at FIRST_CYCLE + seq
    uint32_t highest_ts
    bint rtx_started
    uint64_t rtx_highest
    ReplayWindow rtx_window
    uint64_t last_packet_us
    bint live
    uint64_t live_since_us
    bint leaving                   # said BYE
    Reception reception
    NackList nacks
    History history
    # the run being held
    uint64_t run[RUN_PACKETS]      # ext_seqs
    int run_count
    uint64_t run_opened_us
    bint run_listed
    # Subscriptions that now use it or wait for its keyframe
    uint32_t* listeners
    uint32_t listener_count
    uint32_t listener_capacity
    # sender report mapping
    bint has_sr
    uint64_t sr_ntp
    uint32_t sr_rtp_ts
    uint64_t sr_arrival_us
    # keyframe requests
    bint keyframe_wanted
    uint64_t keyframe_asked_us
    uint8_t fir_seq
    uint64_t keyframe_seq          # where the newest keyframe began
    uint32_t keyframe_ts
    uint32_t audio_level_q8        # smoothed RFC 6464 level
    uint64_t packets, bytes, keyframes, recovered, plis_sent, keyframe_us

cdef struct Track:
    uint32_t handle
    uint32_t generation
    uint32_t transport             # index; NO_INDEX for a mirror
    uint32_t next_of_transport
    uint32_t first_subscription
    bint is_video
    bint muted
    uint32_t clock_rate
    uint8_t mid[33]
    uint8_t mid_bytes
    uint8_t feedback
    uint8_t codec_of[128]          # CodecKind by payload type, CODEC_NONE if not negotiated
    uint8_t rtx_apt[128]           # primary payload type of an RTX payload type, 255 if it is none
    ExtIds ext_ids
    Encoding* encodings[MAX_ENCODINGS]
    int encoding_count
    uint32_t live
    uint32_t source_worker         # a mirror's origin
    uint32_t source_track
    Export exports[MAX_EXPORTS]
    int export_count

cdef struct PayloadMapEntry:
    uint8_t incoming, outgoing, outgoing_rtx     # 255: none

cdef struct SentRecord:            # what was done to one sent packet, enough to make it again bit for bit
    uint64_t source_seq
    uint32_t ts_offset
    uint16_t out_seq
    uint16_t picture_id_offset
    uint8_t tl0_offset
    uint8_t encoding               # 255: empty, 254: padding only, its `source_seq` is payload type << 32 | rtp_ts
    uint8_t padding_bytes
    uint8_t epoch
    uint32_t resent_ms

cdef struct Subscription:
    uint32_t handle
    uint32_t generation
    uint32_t transport
    uint32_t next_of_transport
    uint32_t next_of_track
    Track* track
    # selection
    Encoding* current
    Encoding* target               # waited for; NULL when content
    uint32_t current_slot          # position in current.listeners
    uint32_t target_slot
    uint64_t pending_key_seq       # keyframe of target that came while current was inside a frame
    uint64_t pending_since_us
    bint paused
    bint is_video
    int8_wish wish_encoding
    int8_wish wish_temporal
    uint8_t temporal               # highest temporal id forwarded now
    uint8_t raised_from            # the lowest one before the latest steps up
    uint64_t raised_seq            # source ext_seq of the last step up, 0: none in this segment
    # identity
    uint32_t ssrc
    uint32_t rtx_ssrc
    uint32_t clock_rate
    uint16_t ext_profile
    uint8_t feedback
    uint8_t cname_bytes
    uint8_t cname[24]
    uint8_t map_count
    PayloadMapEntry map[MAX_PAYLOAD_MAP]
    uint8_t cached_in_pt, cached_out_pt, cached_rtx_pt
    Rewrite rewrite
    # memory of what was sent
    SentRecord* sent
    uint32_t sent_mask
    uint8_t epoch                  # changes with every bind
    uint64_t rtx_seq
    # reports
    uint32_t packets_sent, octets_sent
    uint64_t next_sr_us
    uint32_t sr_mid_ntp
    uint64_t sr_sent_us
    uint64_t nack_window_us
    uint32_t nacks_in_window
    uint64_t packets, bytes, nacks, retransmitted, plis
    uint8_t fraction_lost
    uint32_t jitter


cdef struct ExtProfile:            # how a Subscription's header extensions look; shared by all that look alike
    ExtIds ids
    uint8_t mid[33]
    uint8_t mid_bytes
    bint two_byte

cdef struct AddressSlot:
    Address address
    uint32_t transport             # index; NO_INDEX: free

cdef struct Tables:
    Transport* transports
    uint32_t transport_capacity, transport_high, transport_count
    uint32_t* transport_free
    uint32_t transport_free_count
    Track* tracks
    uint32_t track_capacity, track_high, track_count
    uint32_t* track_free
    uint32_t track_free_count
    Subscription* subscriptions
    uint32_t subscription_capacity, subscription_high, subscription_count
    uint32_t* subscription_free
    uint32_t subscription_free_count
    ExtProfile* profiles
    uint32_t* profile_users
    uint32_t profile_capacity, profile_count    # one for each Subscription: nobody can take all
    AddressSlot* address_slots     # open addressing, linear probing
    uint32_t address_mask
    uint64_t address_seed

cdef enum:
    MAX_PROFILES = 0xffff          # what a Subscription can name

cdef Tables* tables_new(uint32_t transports, uint32_t tracks, uint32_t subscriptions, uint64_t seed) noexcept nogil
cdef void tables_free(Tables* t) noexcept nogil

cdef Transport* transport_take(Tables* t) noexcept nogil          # NULL: the table is full
cdef void transport_give_back(Tables* t, Transport* transport) noexcept nogil
cdef Track* track_take(Tables* t) noexcept nogil
cdef void track_give_back(Tables* t, Track* track) noexcept nogil
cdef Subscription* subscription_take(Tables* t) noexcept nogil
cdef void subscription_give_back(Tables* t, Subscription* subscription) noexcept nogil
cdef Encoding* encoding_new(Track* track, int number) noexcept nogil
cdef void encoding_free(Encoding* encoding) noexcept nogil

cdef bint address_insert(Tables* t, const Address* address, uint32_t transport) noexcept nogil
cdef void address_remove(Tables* t, const Address* address, uint32_t transport) noexcept nogil
cdef int profile_intern(Tables* t, const ExtProfile* profile) noexcept nogil      # -1: too many
cdef void profile_release(Tables* t, uint32_t profile) noexcept nogil

cdef bint listeners_add(Encoding* encoding, uint32_t subscription, uint32_t* slot) noexcept nogil
cdef void listeners_remove(Tables* t, Encoding* encoding, uint32_t slot) noexcept nogil

cdef inline uint32_t index_of(uint32_t handle) noexcept nogil:
    return handle & INDEX_MASK

cdef inline Transport* transport_get(Tables* t, uint32_t handle) noexcept nogil:
    cdef uint32_t index = handle & INDEX_MASK
    if handle == 0 or index >= t.transport_high or t.transports[index].handle != handle:
        return NULL
    return &t.transports[index]

cdef inline Track* track_get(Tables* t, uint32_t handle) noexcept nogil:
    cdef uint32_t index = handle & INDEX_MASK
    if handle == 0 or index >= t.track_high or t.tracks[index].handle != handle:
        return NULL
    return &t.tracks[index]

cdef inline Subscription* subscription_get(Tables* t, uint32_t handle) noexcept nogil:
    cdef uint32_t index = handle & INDEX_MASK
    if handle == 0 or index >= t.subscription_high or t.subscriptions[index].handle != handle:
        return NULL
    return &t.subscriptions[index]

# What went out before can no longer be repeated: its sources are gone or their numbers mean other packets now.
cdef inline void forget_sent(Subscription* s) noexcept nogil:
    s.epoch += 1
    if s.epoch == 0:
        memset(s.sent, 0xff, (s.sent_mask + 1) * sizeof(SentRecord))

cdef inline bint address_equal(const Address* a, const Address* b) noexcept nogil:
    return (a.port == b.port and (<const uint64_t*> a.ip)[0] == (<const uint64_t*> b.ip)[0]
            and (<const uint64_t*> a.ip)[1] == (<const uint64_t*> b.ip)[1])

cdef inline uint32_t address_hash(const Tables* t, const Address* a) noexcept nogil:
    cdef uint64_t h = t.address_seed ^ (<const uint64_t*> a.ip)[0]
    h = (h ^ (h >> 32)) * <uint64_t> 0xd6e8feb86659fd93
    h ^= (<const uint64_t*> a.ip)[1] + a.port * <uint64_t> 0x9e3779b97f4a7c15
    h = (h ^ (h >> 32)) * <uint64_t> 0xd6e8feb86659fd93
    return <uint32_t> (h ^ (h >> 32)) & t.address_mask

cdef inline Transport* transport_by_address(Tables* t, const Address* address) noexcept nogil:
    cdef uint32_t i = address_hash(t, address)
    while t.address_slots[i].transport != <uint32_t> NO_INDEX:
        if address_equal(&t.address_slots[i].address, address):
            return &t.transports[t.address_slots[i].transport]
        i = (i + 1) & t.address_mask
    return NULL

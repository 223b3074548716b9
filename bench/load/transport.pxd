# One client's Transport: ICE controlling side, keys of both directions, and where it sends to.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from sfu._fastpath.stream.srtp cimport SrtpContext, SrtpEngine
from bench.load.ports cimport Datagram, TxBatch, TxSlot, UdpPort
from bench.load.stamp cimport FILLER_BYTES

cdef enum:
    CREDENTIAL_BYTES = 256
    USERNAME_BYTES = 513                   # RFC 8489 section 14.3
    CHECK_RETRY_US = 50_000
    CONSENT_US = 5_000_000                 # RFC 7675 section 5.1

cdef enum Role:
    ROLE_NONE = 0
    ROLE_SOURCE
    ROLE_SINK

cdef enum IceState:
    ICE_NONE = 0                           # keys given by hand: send without checks
    ICE_CHECKING
    ICE_CONNECTED

cdef struct Outlet:
    SrtpEngine* crypto
    uint64_t now_us
    uint64_t random                        # state of a xorshift generator, never 0
    uint64_t checks_sent
    uint64_t rtcp_sent
    TxBatch tx
    uint8_t filler[FILLER_BYTES]

cdef struct Transport:
    bint used
    int role                               # enum Role
    int noun                               # index of its Source or Sink
    int fd
    uint32_t local_ip                      # network order; 0: the socket's own
    uint32_t remote_ip                     # network order
    uint16_t remote_port                   # network order
    int ice                                # enum IceState
    uint8_t username[USERNAME_BYTES]
    int username_bytes
    uint8_t remote_pwd[CREDENTIAL_BYTES]
    int remote_pwd_bytes
    uint8_t local_pwd[CREDENTIAL_BYTES]
    int local_pwd_bytes
    uint8_t transaction[12]
    bint answered                          # the last check
    uint64_t tie_breaker
    uint64_t next_check_us
    uint64_t connected_us
    uint64_t first_media_us
    SrtpContext* rx
    SrtpContext* tx
    uint32_t rtcp_index

cdef uint64_t next_random(Outlet* outlet) noexcept nogil
cdef TxSlot* transport_slot(Outlet* outlet, Transport* transport) noexcept nogil
cdef void transport_check(Outlet* outlet, Transport* transport) noexcept nogil
# True: this datagram made the Transport connected.
cdef bint transport_receive_stun(Outlet* outlet, Transport* transport, const uint8_t* p, int n) noexcept nogil
# Protects and queues `n` plain RTCP bytes of slot.packet, where slot came from transport_slot.
cdef void transport_commit_rtcp(Outlet* outlet, Transport* transport, TxSlot* slot, int n) noexcept nogil

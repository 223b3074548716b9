# UDP sockets of the load client. On loopback a few sockets carry all clients, each with its own source address out
# of 127.16.0.0/12 (IP_PKTINFO both ways); elsewhere each client has a socket of its own.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from sfu._fastpath.includes.linux cimport iovec, mmsghdr, sockaddr_in
from sfu._fastpath.stream.srtp cimport ProtectJob, SrtpContext, SrtpEngine

cdef enum:
    RX_BATCH = 64
    RX_BYTES = 65536                       # UDP_GRO merges up to this much
    RX_STRIDE = 65536 + 1344               # not a power of two: slots must not share cache sets
    RX_CONTROL_BYTES = 96
    TX_BATCH = 64                          # <= SRTP_BATCH
    TX_BYTES = 1600
    TX_CONTROL_BYTES = 32

cdef struct UdpPort:
    int fd
    uint16_t number                        # host order
    int owner                              # index of the only Transport on it, or -1: shared by source address

cdef struct Datagram:
    uint8_t* data
    int n
    int segment_bytes                      # merged datagrams of this size, the last one may be shorter
    uint32_t local_ip                      # network order
    uint32_t remote_ip
    uint16_t remote_port

cdef struct RxBatch:
    uint8_t* memory
    mmsghdr messages[RX_BATCH]
    iovec vectors[RX_BATCH]
    sockaddr_in names[RX_BATCH]
    uint8_t control[RX_BATCH][RX_CONTROL_BYTES]

cdef struct TxSlot:
    int fd
    uint32_t local_ip                      # 0: the socket's own
    sockaddr_in remote
    bint sealed                            # nothing left to protect
    int n
    uint8_t* packet

cdef struct TxBatch:
    SrtpEngine* crypto                     # not owned
    uint8_t* memory
    int count
    int jobs
    uint64_t sent
    uint64_t failed
    uint64_t blocked                       # EAGAIN: the send buffer was full
    TxSlot slots[TX_BATCH]
    ProtectJob protect[TX_BATCH]
    int protect_slot[TX_BATCH]
    mmsghdr messages[TX_BATCH]
    iovec vectors[TX_BATCH]
    uint8_t control[TX_BATCH][TX_CONTROL_BYTES]

cdef int port_open(UdpPort* port, uint32_t ip, uint16_t number, bint shared, int rcvbuf_bytes) noexcept nogil
cdef void port_close(UdpPort* port) noexcept nogil

cdef bint rx_init(RxBatch* rx) noexcept nogil
cdef void rx_free(RxBatch* rx) noexcept nogil
cdef int rx_receive(RxBatch* rx, UdpPort* port) noexcept nogil       # datagrams taken, 0: none waiting
cdef void rx_datagram(RxBatch* rx, int i, Datagram* out) noexcept nogil

cdef bint tx_init(TxBatch* tx, SrtpEngine* crypto) noexcept nogil
cdef void tx_free(TxBatch* tx) noexcept nogil
# The next free slot; flushes first when the batch is full. The caller writes `packet` and `n`, then commits.
cdef TxSlot* tx_reserve(TxBatch* tx) noexcept nogil
cdef void tx_commit(TxBatch* tx) noexcept nogil
cdef void tx_commit_rtp(TxBatch* tx, SrtpContext* context, uint32_t roc, int header_bytes) noexcept nogil
cdef void tx_flush(TxBatch* tx) noexcept nogil

# The only system calls of the packet path: recvmmsg, and sendmmsg with UDP_SEGMENT.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from sfu._fastpath.batch cimport BATCH_PACKETS, SendBatch
from sfu._fastpath.core cimport Core, Datagram
from sfu._fastpath.includes.linux cimport iovec, mmsghdr

cdef enum:
    RECEIVE_BATCH = 64
    RECEIVE_BYTES = 2048
    SEGMENT_CONTROL_BYTES = 32     # CMSG_SPACE(sizeof(uint16_t)), rounded up

cdef struct UdpSocket:
    int fd_v4
    int fd_v6                      # -1: IPv4 only
    Core* core
    mmsghdr rx[RECEIVE_BATCH]
    iovec rx_iov[RECEIVE_BATCH]
    Datagram datagrams[RECEIVE_BATCH]
    uint8_t* rx_buffer
    mmsghdr tx[BATCH_PACKETS]
    iovec tx_iov[BATCH_PACKETS]
    uint8_t tx_control[BATCH_PACKETS][SEGMENT_CONTROL_BYTES]

cdef UdpSocket* udp_open(const char* address_v4, const char* address_v6, uint16_t port) noexcept nogil
cdef void udp_close(UdpSocket* u) noexcept nogil
cdef int udp_port(const UdpSocket* u) noexcept nogil
cdef int recv_batch(UdpSocket* u, int fd) noexcept nogil
cdef void send_batch(void* sink, SendBatch* batch) noexcept nogil

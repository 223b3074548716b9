"""Batched UDP on one port, IPv4 and IPv6: one recvmmsg for up to 64 datagrams, one sendmmsg for up to 64 messages.

A message of several equal segments carries UDP_SEGMENT, and the kernel cuts it (GSO). A message that is refused goes
out piece by piece; where the pieces are taken, the device or kernel cannot do runs, and they are switched off for this
socket. Where they are not, they are too long for the path, which says nothing about runs.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from sfu._fastpath.batch cimport SendMessage
from sfu._fastpath.core cimport DELAY_BUCKETS, count_drop
from sfu._fastpath.includes.linux cimport *
from sfu._fastpath.stream.srtp cimport SRTP_MAX_TRAILER
from sfu._fastpath.tables cimport Sockaddr
from sfu._fastpath.wire.drops cimport DROP_SEND_BUFFER_FULL, DROP_SEND_FAILED

cdef enum:
    SOCKET_BUFFER_BYTES = 16777216

# upper bounds in us of the receive-to-send histogram; the last bucket has none
cdef uint32_t[11] DELAY_BOUNDS_US = [50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000]


cdef UdpSocket* udp_open(const char* address_v4, const char* address_v6, uint16_t port) noexcept nogil:
    """Both families on one port; port 0 takes a free one. NULL: errno says why."""
    cdef UdpSocket* u = <UdpSocket*> calloc(1, sizeof(UdpSocket))
    cdef sockaddr_in6 v6
    cdef sockaddr_in v4
    cdef int i
    if u == NULL:
        return NULL
    u.fd_v6 = -1
    memset(&v4, 0, sizeof(v4))
    memset(&v6, 0, sizeof(v6))
    v4.sin_family = AF_INET
    v4.sin_port = htons(port)
    u.rx_buffer = <uint8_t*> calloc(RECEIVE_BATCH, RECEIVE_BYTES)
    if u.rx_buffer == NULL or inet_pton(AF_INET, address_v4, &v4.sin_addr) != 1:
        udp_close(u)
        return NULL
    u.fd_v4 = open_socket(AF_INET, <sockaddr*> &v4, sizeof(v4))
    if u.fd_v4 < 0:
        udp_close(u)
        return NULL
    if address_v6[0]:
        v6.sin6_family = AF_INET6
        v6.sin6_port = htons(<uint16_t> udp_port(u))
        if inet_pton(AF_INET6, address_v6, &v6.sin6_addr) == 1:
            u.fd_v6 = open_socket(AF_INET6, <sockaddr*> &v6, sizeof(v6))
        if u.fd_v6 < 0:
            udp_close(u)
            return NULL
    for i in range(RECEIVE_BATCH):
        u.datagrams[i].data = u.rx_buffer + i * RECEIVE_BYTES
        u.rx_iov[i].iov_base = u.datagrams[i].data
        u.rx_iov[i].iov_len = RECEIVE_BYTES - SRTP_MAX_TRAILER
        u.rx[i].msg_hdr.msg_iov = &u.rx_iov[i]
        u.rx[i].msg_hdr.msg_iovlen = 1
        u.rx[i].msg_hdr.msg_name = &u.datagrams[i].remote
    return u


cdef int open_socket(int family, const sockaddr* address, socklen_t n) noexcept nogil:
    """Non-blocking, with large buffers and DF set (no fragments, and no IP id to make); -1: errno."""
    cdef int on = 1
    cdef int bytes = SOCKET_BUFFER_BYTES
    cdef int discover
    cdef int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    if fd < 0:
        return -1
    if setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)):
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes))
    if setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)):
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes))
    if family == AF_INET6:
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on))
        discover = IPV6_PMTUDISC_DO
        setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &discover, sizeof(discover))
    else:
        discover = IP_PMTUDISC_DO
        setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof(discover))
    if bind(fd, address, n):
        close(fd)
        return -1
    return fd


cdef void udp_close(UdpSocket* u) noexcept nogil:
    if u == NULL:
        return
    if u.fd_v4 > 0:
        close(u.fd_v4)
    if u.fd_v6 > 0:
        close(u.fd_v6)
    free(u.rx_buffer)
    free(u)


cdef int udp_port(const UdpSocket* u) noexcept nogil:
    cdef sockaddr_in bound
    cdef socklen_t n = sizeof(bound)
    getsockname(u.fd_v4, <sockaddr*> &bound, &n)
    return ntohs(bound.sin_port)


cdef int recv_batch(UdpSocket* u, int fd) noexcept nogil:
    """Fills `datagrams`; returns how many. One that was cut off counts as too large."""
    cdef int i, n
    for i in range(RECEIVE_BATCH):
        u.rx[i].msg_hdr.msg_namelen = sizeof(Sockaddr)
    n = recvmmsg(fd, u.rx, RECEIVE_BATCH, MSG_DONTWAIT, NULL)
    if n <= 0:
        return 0
    for i in range(n):
        u.datagrams[i].bytes = u.rx[i].msg_len
        u.datagrams[i].remote_bytes = u.rx[i].msg_hdr.msg_namelen
        if u.rx[i].msg_hdr.msg_flags & MSG_TRUNC:
            u.datagrams[i].bytes = 65535
    u.core.counters.receive_calls += 1
    return n


cdef void send_batch(void* sink, SendBatch* batch) noexcept nogil:
    """Sends every message of the batch, IPv4 and IPv6 in the order they have."""
    cdef UdpSocket* u = <UdpSocket*> sink
    cdef int start = 0
    cdef int end
    cdef bint v6
    for end in range(batch.message_count):
        prepare(u, batch, end)
    while start < batch.message_count:
        v6 = batch.messages[start].remote.v6.sin6_family == AF_INET6
        end = start + 1
        while end < batch.message_count and (batch.messages[end].remote.v6.sin6_family == AF_INET6) == v6:
            end += 1
        send_messages(u, batch, u.fd_v6 if v6 else u.fd_v4, start, end)
        start = end
    account_delay(u.core, batch)


cdef void prepare(UdpSocket* u, SendBatch* batch, int i) noexcept nogil:
    cdef SendMessage* m = &batch.messages[i]
    cdef msghdr* h = &u.tx[i].msg_hdr
    cdef cmsghdr* control
    u.tx_iov[i].iov_base = batch.arena + m.offset
    u.tx_iov[i].iov_len = m.bytes
    h.msg_name = m.remote
    h.msg_namelen = m.remote_bytes
    h.msg_iov = &u.tx_iov[i]
    h.msg_iovlen = 1
    h.msg_control = NULL
    h.msg_controllen = 0
    if m.segments > 1:
        h.msg_control = u.tx_control[i]
        h.msg_controllen = CMSG_SPACE(sizeof(uint16_t))
        control = CMSG_FIRSTHDR(h)
        control.cmsg_level = SOL_UDP
        control.cmsg_type = UDP_SEGMENT
        control.cmsg_len = CMSG_LEN(sizeof(uint16_t))
        (<uint16_t*> CMSG_DATA(control))[0] = m.segment_bytes


cdef void send_messages(UdpSocket* u, SendBatch* batch, int fd, int start, int end) noexcept nogil:
    """sendmmsg until all are out; a message that fails is skipped, the rest goes on."""
    cdef Core* c = u.core
    cdef int sent, i
    while start < end:
        sent = sendmmsg(fd, &u.tx[start], end - start, MSG_DONTWAIT)
        c.counters.send_calls += 1
        if sent > 0:
            for i in range(start, start + sent):
                c.counters.datagrams_out += batch.messages[i].segments
                c.counters.bytes_out += batch.messages[i].bytes
            c.counters.messages_out += sent
            start += sent
            continue
        if errno == EINTR:
            continue
        if batch.messages[start].segments > 1 and (errno == EIO or errno == EINVAL or errno == EMSGSIZE):
            send_pieces(u, batch, fd, start)
        elif errno == EAGAIN or errno == ENOBUFS:
            c.drops[<int> DROP_SEND_BUFFER_FULL] += batch.messages[start].segments
        else:
            c.drops[<int> DROP_SEND_FAILED] += batch.messages[start].segments
        start += 1


cdef void send_pieces(UdpSocket* u, SendBatch* batch, int fd, int i) noexcept nogil:
    """A refused run, one datagram at a time. If the first one, as long as any, gets through, it was not the length."""
    cdef SendMessage* m = &batch.messages[i]
    cdef uint32_t at = 0
    u.tx[i].msg_hdr.msg_control = NULL
    u.tx[i].msg_hdr.msg_controllen = 0
    while at < m.bytes:
        u.tx_iov[i].iov_base = batch.arena + m.offset + at
        u.tx_iov[i].iov_len = min(<uint32_t> m.segment_bytes, m.bytes - at)
        if sendmmsg(fd, &u.tx[i], 1, MSG_DONTWAIT) == 1:
            u.core.counters.datagrams_out += 1
            u.core.counters.bytes_out += u.tx_iov[i].iov_len
            if at == 0:
                batch.gso = False
        else:
            count_drop(u.core, DROP_SEND_FAILED)
        at += m.segment_bytes


cdef void account_delay(Core* c, const SendBatch* batch) noexcept nogil:
    """Receive-to-send delay of each media packet of the batch, one clock reading for all."""
    cdef uint64_t now_us, delay_us
    cdef uint64_t last = 0
    cdef int bucket = 0
    cdef int i
    if batch.job_count == 0:
        return
    now_us = monotonic_us()
    delay_us = 0
    for i in range(batch.job_count):
        if batch.arrivals[i] == 0:
            continue
        if batch.arrivals[i] != last:
            last = batch.arrivals[i]
            delay_us = now_us - last if now_us > last else 0
            bucket = 0
            while bucket < DELAY_BUCKETS - 1 and delay_us > DELAY_BOUNDS_US[bucket]:
                bucket += 1
        c.delay_buckets[bucket] += 1
        c.delay_sum_us += delay_us

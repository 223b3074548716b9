from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset
from sfu._fastpath.includes.linux cimport (
    AF_INET, CMSG_DATA, CMSG_FIRSTHDR, CMSG_LEN, CMSG_SPACE, EAGAIN, EINTR, IP_MTU_DISCOVER, IP_PMTUDISC_DO, IPPROTO_IP,
    MSG_DONTWAIT, SO_RCVBUF, SO_RCVBUFFORCE, SO_SNDBUFFORCE, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, SOL_SOCKET,
    SOL_UDP, UDP_GRO, bind, close, cmsghdr, errno, getsockname, htons, msghdr, ntohs, recvmmsg, sendmmsg,
    setsockopt, sockaddr, sockaddr_in, socket, socklen_t,
)
from sfu._fastpath.stream.srtp cimport protect_batch
from bench.load.linux cimport CMSG_NXTHDR, IP_PKTINFO, in_pktinfo


cdef int port_open(UdpPort* port, uint32_t ip, uint16_t number, bint shared, int rcvbuf_bytes) noexcept nogil:
    """0, or the errno of what failed."""
    cdef sockaddr_in name
    cdef socklen_t name_bytes = sizeof(name)
    cdef int on = 1
    cdef int discover = IP_PMTUDISC_DO
    cdef int sndbuf_bytes = 8 << 20
    port.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    if port.fd < 0:
        return errno
    memset(&name, 0, sizeof(name))
    name.sin_family = AF_INET
    name.sin_port = htons(number)
    name.sin_addr.s_addr = ip
    if setsockopt(port.fd, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf_bytes, sizeof(int)) != 0:
        setsockopt(port.fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf_bytes, sizeof(int))
    setsockopt(port.fd, SOL_SOCKET, SO_SNDBUFFORCE, &sndbuf_bytes, sizeof(int))
    setsockopt(port.fd, SOL_UDP, UDP_GRO, &on, sizeof(int))
    setsockopt(port.fd, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof(int))
    if shared and setsockopt(port.fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(int)) != 0:
        return port_fail(port)
    if bind(port.fd, <sockaddr*> &name, sizeof(name)) != 0:
        return port_fail(port)
    if getsockname(port.fd, <sockaddr*> &name, &name_bytes) != 0:
        return port_fail(port)
    port.number = ntohs(name.sin_port)
    port.owner = -1
    return 0


cdef int port_fail(UdpPort* port) noexcept nogil:
    cdef int error = errno
    port_close(port)
    return error


cdef void port_close(UdpPort* port) noexcept nogil:
    if port.fd >= 0:
        close(port.fd)
    port.fd = -1


cdef bint rx_init(RxBatch* rx) noexcept nogil:
    cdef int i
    memset(rx, 0, sizeof(RxBatch))
    rx.memory = <uint8_t*> malloc(<size_t> RX_BATCH * RX_STRIDE)
    if rx.memory == NULL:
        return False
    for i in range(RX_BATCH):
        rx.vectors[i].iov_base = rx.memory + <size_t> i * RX_STRIDE
        rx.vectors[i].iov_len = RX_BYTES
        rx.messages[i].msg_hdr.msg_name = &rx.names[i]
        rx.messages[i].msg_hdr.msg_iov = &rx.vectors[i]
        rx.messages[i].msg_hdr.msg_iovlen = 1
        rx.messages[i].msg_hdr.msg_control = rx.control[i]
        rx.messages[i].msg_hdr.msg_namelen = sizeof(sockaddr_in)
        rx.messages[i].msg_hdr.msg_controllen = RX_CONTROL_BYTES
    return True


cdef void rx_free(RxBatch* rx) noexcept nogil:
    free(rx.memory)
    rx.memory = NULL


cdef int rx_receive(RxBatch* rx, UdpPort* port) noexcept nogil:
    cdef int n = recvmmsg(port.fd, rx.messages, RX_BATCH, MSG_DONTWAIT, NULL)
    return n if n > 0 else 0


cdef void rx_datagram(RxBatch* rx, int i, Datagram* out) noexcept nogil:
    """Reads message i and makes its slot ready for the next receive."""
    cdef msghdr* header = &rx.messages[i].msg_hdr
    cdef cmsghdr* control = CMSG_FIRSTHDR(header)
    out.data = <uint8_t*> rx.vectors[i].iov_base
    out.n = <int> rx.messages[i].msg_len
    out.segment_bytes = out.n
    out.local_ip = 0
    out.remote_ip = rx.names[i].sin_addr.s_addr
    out.remote_port = rx.names[i].sin_port
    while control != NULL:
        if control.cmsg_level == SOL_UDP and control.cmsg_type == UDP_GRO:
            out.segment_bytes = (<int*> CMSG_DATA(control))[0]
        elif control.cmsg_level == IPPROTO_IP and control.cmsg_type == IP_PKTINFO:
            out.local_ip = (<in_pktinfo*> CMSG_DATA(control)).ipi_addr.s_addr
        control = CMSG_NXTHDR(header, control)
    if out.segment_bytes <= 0:
        out.segment_bytes = out.n
    header.msg_namelen = sizeof(sockaddr_in)
    header.msg_controllen = RX_CONTROL_BYTES


cdef bint tx_init(TxBatch* tx, SrtpEngine* crypto) noexcept nogil:
    cdef int i
    memset(tx, 0, sizeof(TxBatch))
    tx.crypto = crypto
    tx.memory = <uint8_t*> malloc(<size_t> TX_BATCH * TX_BYTES)
    if tx.memory == NULL:
        return False
    for i in range(TX_BATCH):
        tx.slots[i].packet = tx.memory + <size_t> i * TX_BYTES
        tx.vectors[i].iov_base = tx.slots[i].packet
        tx.messages[i].msg_hdr.msg_iov = &tx.vectors[i]
        tx.messages[i].msg_hdr.msg_iovlen = 1
        tx.messages[i].msg_hdr.msg_name = &tx.slots[i].remote
        tx.messages[i].msg_hdr.msg_namelen = sizeof(sockaddr_in)
    return True


cdef void tx_free(TxBatch* tx) noexcept nogil:
    free(tx.memory)
    tx.memory = NULL


cdef TxSlot* tx_reserve(TxBatch* tx) noexcept nogil:
    if tx.count == TX_BATCH:
        tx_flush(tx)
    return &tx.slots[tx.count]


cdef void tx_commit(TxBatch* tx) noexcept nogil:
    tx.slots[tx.count].sealed = True
    tx.count += 1


cdef void tx_commit_rtp(TxBatch* tx, SrtpContext* context, uint32_t roc, int header_bytes) noexcept nogil:
    cdef TxSlot* slot = &tx.slots[tx.count]
    cdef ProtectJob* job = &tx.protect[tx.jobs]
    slot.sealed = False
    job.context = context
    job.payload = slot.packet + header_bytes
    job.packet = slot.packet
    job.roc = roc
    job.header_bytes = <uint16_t> header_bytes
    job.payload_bytes = <uint16_t> (slot.n - header_bytes)
    tx.protect_slot[tx.jobs] = tx.count
    tx.jobs += 1
    tx.count += 1


cdef void set_source(TxBatch* tx, int i, uint32_t local_ip) noexcept nogil:
    cdef msghdr* header = &tx.messages[i].msg_hdr
    cdef cmsghdr* control = <cmsghdr*> tx.control[i]
    cdef in_pktinfo source
    if local_ip == 0:
        header.msg_control = NULL
        header.msg_controllen = 0
        return
    memset(&source, 0, sizeof(source))
    source.ipi_spec_dst.s_addr = local_ip
    control.cmsg_level = IPPROTO_IP
    control.cmsg_type = IP_PKTINFO
    control.cmsg_len = CMSG_LEN(sizeof(in_pktinfo))
    memcpy(CMSG_DATA(control), &source, sizeof(source))
    header.msg_control = control
    header.msg_controllen = CMSG_SPACE(sizeof(in_pktinfo))


cdef void tx_flush(TxBatch* tx) noexcept nogil:
    cdef int i, first, end, sent
    if tx.jobs:
        protect_batch(tx.crypto, tx.protect, tx.jobs)
        for i in range(tx.jobs):
            tx.slots[tx.protect_slot[i]].n = tx.protect[i].packet_bytes
    for i in range(tx.count):
        tx.vectors[i].iov_len = tx.slots[i].n
        set_source(tx, i, tx.slots[i].local_ip)
    first = 0
    while first < tx.count:
        end = first + 1
        while end < tx.count and tx.slots[end].fd == tx.slots[first].fd:
            end += 1
        sent = sendmmsg(tx.slots[first].fd, &tx.messages[first], end - first, MSG_DONTWAIT)
        if sent > 0:
            tx.sent += sent
            first += sent
        elif errno != EINTR:
            if errno == EAGAIN:
                tx.blocked += 1
            tx.failed += 1
            first += 1
    tx.count = 0
    tx.jobs = 0

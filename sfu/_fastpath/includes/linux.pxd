# Linux and socket declarations that Cython does not ship.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t, int64_t

cdef extern from "<sys/socket.h>" nogil:
    ctypedef unsigned int socklen_t
    ctypedef unsigned short sa_family_t
    cdef struct sockaddr:
        sa_family_t sa_family
    cdef struct iovec:
        void* iov_base
        size_t iov_len
    cdef struct msghdr:
        void* msg_name
        socklen_t msg_namelen
        iovec* msg_iov
        size_t msg_iovlen
        void* msg_control
        size_t msg_controllen
        int msg_flags
    cdef struct mmsghdr:
        msghdr msg_hdr
        unsigned int msg_len
    cdef struct cmsghdr:
        size_t cmsg_len
        int cmsg_level
        int cmsg_type
    int AF_INET, AF_INET6, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_CLOEXEC, SOL_SOCKET
    int SO_RCVBUF, SO_SNDBUF, SO_RCVBUFFORCE, SO_SNDBUFFORCE
    int MSG_DONTWAIT, MSG_TRUNC
    int socket(int domain, int type, int protocol)
    int bind(int fd, const sockaddr* addr, socklen_t n)
    int getsockname(int fd, sockaddr* addr, socklen_t* n)
    int setsockopt(int fd, int level, int name, const void* value, socklen_t n)
    int recvmmsg(int fd, mmsghdr* messages, unsigned int n, int flags, void* timeout)
    int sendmmsg(int fd, mmsghdr* messages, unsigned int n, int flags)
    size_t CMSG_SPACE(size_t n)
    size_t CMSG_LEN(size_t n)
    uint8_t* CMSG_DATA(cmsghdr* c)
    cmsghdr* CMSG_FIRSTHDR(msghdr* m)

cdef extern from "<netinet/in.h>" nogil:
    cdef struct in_addr:
        uint32_t s_addr
    cdef struct sockaddr_in:
        sa_family_t sin_family
        uint16_t sin_port
        in_addr sin_addr
    cdef struct in6_addr:
        uint8_t s6_addr[16]
    cdef struct sockaddr_in6:
        sa_family_t sin6_family
        uint16_t sin6_port
        in6_addr sin6_addr
        uint32_t sin6_scope_id
    int IPPROTO_UDP, IPPROTO_IP, IPPROTO_IPV6, IPV6_V6ONLY, IP_MTU_DISCOVER, IP_PMTUDISC_DO, IPV6_MTU_DISCOVER
    int IPV6_PMTUDISC_DO
    uint16_t htons(uint16_t v)
    uint16_t ntohs(uint16_t v)

cdef extern from "<arpa/inet.h>" nogil:
    int inet_pton(int family, const char* text, void* out)

cdef extern from "<netinet/udp.h>" nogil:
    int SOL_UDP
    int UDP_SEGMENT
    int UDP_GRO

cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        int fd
        uint32_t u32
        uint64_t u64
    cdef struct epoll_event:
        uint32_t events
        epoll_data_t data
    cdef struct timespec:
        long tv_sec
        long tv_nsec
    int EPOLLIN, EPOLL_CTL_ADD, EPOLL_CLOEXEC
    int epoll_create1(int flags)
    int epoll_ctl(int epfd, int op, int fd, epoll_event* event)
    int epoll_pwait2(int epfd, epoll_event* events, int n, const timespec* timeout, const void* sigmask)

cdef extern from "<sys/eventfd.h>" nogil:
    int EFD_NONBLOCK, EFD_CLOEXEC
    int eventfd(unsigned int initval, int flags)

cdef extern from "<unistd.h>" nogil:
    int close(int fd)
    ssize_t read(int fd, void* buf, size_t n)
    ssize_t write(int fd, const void* buf, size_t n)

cdef extern from "<sys/resource.h>" nogil:
    int PRIO_PROCESS
    int setpriority(int which, unsigned int who, int value)

cdef extern from "<errno.h>" nogil:
    int errno
    int EAGAIN, EINTR, EIO, EINVAL, EMSGSIZE, ENOBUFS, EPERM

cdef extern from "<time.h>" nogil:
    int CLOCK_MONOTONIC, CLOCK_THREAD_CPUTIME_ID
    int clock_gettime(int clock, timespec* out)

cdef inline uint64_t monotonic_us() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return <uint64_t> t.tv_sec * 1000000 + <uint64_t> t.tv_nsec // 1000

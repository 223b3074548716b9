# Linux declarations that only the load client needs; the rest is in sfu/_fastpath/includes/linux.pxd.
from libc.stdint cimport uint32_t, uint64_t
from sfu._fastpath.includes.linux cimport CLOCK_THREAD_CPUTIME_ID, clock_gettime, cmsghdr, in_addr, msghdr, timespec

cdef extern from "<netinet/in.h>" nogil:
    cdef struct in_pktinfo:
        int ipi_ifindex
        in_addr ipi_spec_dst
        in_addr ipi_addr
    int IP_PKTINFO
    uint32_t htonl(uint32_t v)
    uint32_t ntohl(uint32_t v)

cdef extern from "<sys/socket.h>" nogil:
    cmsghdr* CMSG_NXTHDR(msghdr* m, cmsghdr* c)

cdef extern from "<pthread.h>" nogil:
    ctypedef struct pthread_mutex_t:
        pass
    int pthread_mutex_init(pthread_mutex_t* mutex, const void* attributes)
    int pthread_mutex_lock(pthread_mutex_t* mutex)
    int pthread_mutex_unlock(pthread_mutex_t* mutex)
    int pthread_mutex_destroy(pthread_mutex_t* mutex)

cdef extern from "<time.h>" nogil:
    int nanosleep(const timespec* wanted, timespec* left)

cdef inline uint64_t thread_cpu_us() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t)
    return <uint64_t> t.tv_sec * 1000000 + <uint64_t> t.tv_nsec // 1000

# The IO shell of one packet core: a thread, an epoll set, a socket, and the rings to Python and to other Workers.
from libc.stdint cimport uint32_t, uint64_t
from sfu._fastpath.core cimport MAX_WORKERS, Core
from sfu._fastpath.ring cimport Ring
from sfu._fastpath.udp cimport UdpSocket

cdef struct WorkerState:
    Core* core
    UdpSocket* udp
    int epoll_fd
    int wake_fd                    # written by Python and by other Workers
    int event_fd                   # written by the Worker, watched by asyncio
    Ring* commands
    Ring* replies
    uint32_t stopping
    uint32_t sleeping
    uint32_t hold_above_percent    # busy share from which frames are gathered into GSO runs
    uint64_t load_window_us        # start of the window in which busy time is measured
    uint64_t busy_in_window_us
    WorkerState* peers[MAX_WORKERS]

cdef void worker_main(WorkerState* w) noexcept nogil
cdef void run_once(WorkerState* w) noexcept nogil

cdef class Worker:
    cdef WorkerState w
    cdef readonly object config
    cdef readonly int index
    cdef readonly int port
    cdef readonly int event_fd
    cdef readonly str crypto
    cdef object thread
    cdef list linked
    cdef uint32_t next_token
    cdef uint32_t in_flight
    cdef Core* make_core(self) except NULL
    cdef void _free_replies(self) noexcept
    cdef int send(self, void* command) except -1

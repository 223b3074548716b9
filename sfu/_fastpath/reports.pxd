# RTCP out, on timers: what a Worker tells publishers and viewers.
from libc.stdint cimport uint64_t
from sfu._fastpath.core cimport Core

cdef void report_upstream(Core* c, uint64_t now_us) noexcept nogil
cdef void report_downstream(Core* c, uint64_t now_us) noexcept nogil

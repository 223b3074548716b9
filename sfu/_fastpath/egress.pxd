# One source packet x one Subscription -> at most one protected datagram.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from sfu._fastpath.core cimport Core
from sfu._fastpath.stream.history cimport SourcePacket
from sfu._fastpath.tables cimport Encoding, Subscription, Track

cdef void queue_for_run(Core* c, Encoding* encoding, SourcePacket* packet) noexcept nogil
cdef void forward_run(Core* c, Encoding* encoding) noexcept nogil
cdef void forward_due_runs(Core* c, uint64_t now_us, bint all) noexcept nogil
cdef void forget_run(Core* c, Encoding* encoding) noexcept nogil
cdef bint retransmit(Core* c, Subscription* subscription, uint16_t out_seq, uint64_t now_us) noexcept nogil

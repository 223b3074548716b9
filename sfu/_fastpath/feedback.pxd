# RTCP in: what viewers and publishers report and ask for.
from libc.stdint cimport uint64_t
from sfu._fastpath.core cimport Core, Datagram, RelaySlot
from sfu._fastpath.tables cimport Transport

cdef void receive_rtcp(Core* c, Transport* transport, Datagram* d, uint64_t now_us) noexcept nogil
cdef void receive_relayed_report(Core* c, const RelaySlot* slot) noexcept nogil
cdef void receive_relayed_keyframe(Core* c, const RelaySlot* slot) noexcept nogil

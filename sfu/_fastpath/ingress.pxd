# One received datagram -> one accounted packet of an Encoding, or one Drop.
from libc.stdint cimport uint32_t, uint64_t
from sfu._fastpath.core cimport Core, Datagram, RelaySlot
from sfu._fastpath.tables cimport Encoding, Track, Transport

cdef void receive_rtp(Core* c, Transport* transport, Datagram* d, uint64_t now_us) noexcept nogil
cdef void receive_relayed(Core* c, const RelaySlot* slot, uint64_t now_us) noexcept nogil
cdef bint bind_known_ssrc(Core* c, Transport* transport, Encoding* encoding, uint32_t ssrc, bint is_rtx) noexcept nogil

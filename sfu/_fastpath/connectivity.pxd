# ICE-lite natively: binding requests answered, addresses learnt, consent kept (RFC 8445, RFC 8489, RFC 7675).
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from sfu._fastpath.core cimport Core, Datagram
from sfu._fastpath.tables cimport Address, Sockaddr, Transport
from sfu._fastpath.includes.linux cimport socklen_t

cdef void receive_stun(Core* c, Datagram* d, uint64_t now_us) noexcept nogil
cdef void punt_dtls(Core* c, Transport* transport, const Datagram* d, uint64_t now_us) noexcept nogil
cdef void expire_transports(Core* c, uint64_t now_us, uint32_t slice_count) noexcept nogil
cdef void address_of(const Sockaddr* remote, Address* out) noexcept nogil

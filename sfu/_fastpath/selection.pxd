# Which Encoding a Subscription listens to, and the moment it moves from one to the next.
from libc.stdint cimport uint32_t, uint64_t
from sfu._fastpath.core cimport Core
from sfu._fastpath.stream.history cimport SourcePacket
from sfu._fastpath.tables cimport Encoding, Subscription, Track, Transport

cdef void reselect(Core* c, Subscription* s) noexcept nogil
cdef void reselect_all(Core* c, Track* track) noexcept nogil
cdef void reselect_transport(Core* c, const Transport* transport) noexcept nogil
cdef void detach(Core* c, Subscription* s) noexcept nogil
cdef void restart_listeners(Core* c, Encoding* encoding) noexcept nogil
cdef void want_keyframe(Core* c, Encoding* encoding) noexcept nogil
cdef void note_keyframe(Encoding* encoding, const SourcePacket* packet, uint64_t now_us) noexcept nogil
cdef void mark_live(Core* c, Encoding* encoding, bint live) noexcept nogil
cdef bint switch_on_offer(Core* c, Subscription* s, const SourcePacket* packet) noexcept nogil
cdef bint switch_at_boundary(Core* c, Subscription* s, const SourcePacket* next_packet) noexcept nogil

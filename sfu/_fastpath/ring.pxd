# Bounded single-producer single-consumer ring of fixed-size slots (capacity a power of two).
#
# The producer fills `ring_reserve()` and publishes it with `ring_commit()`; the consumer reads `ring_front()` and
# gives it back with `ring_release()`. Nothing is ever overwritten: a full ring returns NULL to the producer.
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport calloc, free
from sfu._fastpath.includes.atomics cimport load_acquire, load_relaxed, store_release

cdef struct Ring:
    uint8_t* slots
    uint32_t slot_bytes
    uint32_t mask
    uint8_t pad0[48]
    uint32_t head              # next slot to write; written by the producer only
    uint8_t pad1[60]
    uint32_t tail              # next slot to read; written by the consumer only
    uint8_t pad2[60]

cdef inline Ring* ring_new(uint32_t capacity, uint32_t slot_bytes) noexcept nogil:
    cdef Ring* ring = <Ring*> calloc(1, sizeof(Ring))
    if ring == NULL:
        return NULL
    ring.slot_bytes = (slot_bytes + 63) & ~63u
    ring.mask = capacity - 1
    ring.slots = <uint8_t*> calloc(capacity, ring.slot_bytes)
    if ring.slots == NULL:
        free(ring)
        return NULL
    return ring

cdef inline void ring_free(Ring* ring) noexcept nogil:
    if ring != NULL:
        free(ring.slots)
        free(ring)

cdef inline void* ring_reserve(Ring* ring) noexcept nogil:
    cdef uint32_t head = load_relaxed(&ring.head)
    if head - load_acquire(&ring.tail) > ring.mask:
        return NULL
    return ring.slots + <size_t> (head & ring.mask) * ring.slot_bytes

cdef inline uint32_t ring_room(Ring* ring) noexcept nogil:
    """How many more slots the producer may reserve and commit now."""
    return ring.mask + 1 - (load_relaxed(&ring.head) - load_acquire(&ring.tail))

cdef inline void ring_commit(Ring* ring) noexcept nogil:
    store_release(&ring.head, load_relaxed(&ring.head) + 1)

cdef inline void* ring_front(Ring* ring) noexcept nogil:
    cdef uint32_t tail = load_relaxed(&ring.tail)
    if load_acquire(&ring.head) == tail:
        return NULL
    return ring.slots + <size_t> (tail & ring.mask) * ring.slot_bytes

cdef inline void ring_release(Ring* ring) noexcept nogil:
    store_release(&ring.tail, load_relaxed(&ring.tail) + 1)

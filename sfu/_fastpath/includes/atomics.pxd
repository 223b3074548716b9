# Acquire and release on plain words (GCC and Clang built-ins); the only words two threads share are in rings and
# notice tables, and they are touched by nothing else.
from libc.stdint cimport uint32_t, uint64_t

cdef extern from *:
    """
    #define hw_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
    #define hw_load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
    #define hw_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
    #define hw_exchange(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
    #define hw_load_seq(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
    #define hw_store_seq(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
    #define hw_fence() __atomic_thread_fence(__ATOMIC_SEQ_CST)
    """
    void full_fence "hw_fence"() noexcept nogil
    uint32_t load_acquire "hw_load_acquire"(uint32_t* p) noexcept nogil
    uint32_t load_relaxed "hw_load_relaxed"(uint32_t* p) noexcept nogil
    void store_release "hw_store_release"(uint32_t* p, uint32_t v) noexcept nogil
    uint32_t exchange "hw_exchange"(uint32_t* p, uint32_t v) noexcept nogil
    uint32_t load_seq "hw_load_seq"(uint32_t* p) noexcept nogil
    void store_seq "hw_store_seq"(uint32_t* p, uint32_t v) noexcept nogil
    uint64_t load_seq64 "hw_load_seq"(uint64_t* p) noexcept nogil
    void store_seq64 "hw_store_seq"(uint64_t* p, uint64_t v) noexcept nogil

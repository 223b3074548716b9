# Log-linear histogram of microseconds: 32 buckets for each power of two, so a percentile is right within 3 %.
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

cdef enum:
    HISTOGRAM_SUB_BITS = 5
    HISTOGRAM_BUCKETS = 32 * 28            # up to 2^32 us

cdef struct Histogram:
    uint64_t count
    uint64_t sum_us
    uint64_t max_us
    uint64_t buckets[HISTOGRAM_BUCKETS]

cdef extern from *:
    int __builtin_clzll(unsigned long long v) noexcept nogil

cdef inline void histogram_clear(Histogram* h) noexcept nogil:
    memset(h, 0, sizeof(Histogram))

cdef inline int histogram_bucket(uint64_t value_us) noexcept nogil:
    cdef int shift
    if value_us < 32:
        return <int> value_us
    if value_us >> 32:
        value_us = 0xFFFFFFFFU
    shift = 63 - __builtin_clzll(value_us) - HISTOGRAM_SUB_BITS
    return (shift + 1) * 32 + <int> ((value_us >> shift) & 31)

cdef inline uint64_t histogram_bucket_us(int bucket) noexcept nogil:
    """Middle of the bucket."""
    cdef int shift
    if bucket < 64:
        return <uint64_t> bucket
    shift = bucket // 32 - 1
    return ((<uint64_t> (32 + bucket % 32)) << shift) + ((<uint64_t> 1 << shift) >> 1)

cdef inline void histogram_add(Histogram* h, uint64_t value_us) noexcept nogil:
    h.count += 1
    h.sum_us += value_us
    if value_us > h.max_us:
        h.max_us = value_us
    h.buckets[histogram_bucket(value_us)] += 1

cdef inline uint64_t histogram_percentile_us(const Histogram* h, double fraction) noexcept nogil:
    cdef uint64_t wanted = <uint64_t> (fraction * <double> h.count)
    cdef uint64_t seen = 0
    cdef uint64_t value
    cdef int bucket
    if h.count == 0:
        return 0
    if wanted >= h.count:
        return h.max_us
    for bucket in range(HISTOGRAM_BUCKETS):
        seen += h.buckets[bucket]
        if seen > wanted:
            value = histogram_bucket_us(bucket)
            return value if value < h.max_us else h.max_us
    return h.max_us

cdef inline void histogram_merge(Histogram* into, const Histogram* h) noexcept nogil:
    cdef int bucket
    into.count += h.count
    into.sum_us += h.sum_us
    into.max_us = max(into.max_us, h.max_us)
    for bucket in range(HISTOGRAM_BUCKETS):
        into.buckets[bucket] += h.buckets[bucket]

"""Rounds of SRTP over many keys, timed natively; see crypto.py."""

import os

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from sfu._fastpath.includes.linux cimport CLOCK_MONOTONIC, clock_gettime, timespec
from sfu._fastpath.stream cimport srtp

OPENSSL = srtp.SRTP_BACKEND_OPENSSL
IPSEC_MB = srtp.SRTP_BACKEND_IPSEC_MB
PROFILES = {
    "AES128_CM_SHA1_80": srtp.SRTP_AES128_CM_SHA1_80,
    "AEAD_AES_128_GCM": srtp.SRTP_AEAD_AES_128_GCM,
    "AEAD_AES_256_GCM": srtp.SRTP_AEAD_AES_256_GCM,
}

cdef enum:
    HEADER_BYTES = 20               # fixed header and one extension word
    SLOT_BYTES = 1536


cdef inline uint64_t now_ns() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return <uint64_t>t.tv_sec * 1000000000 + <uint64_t>t.tv_nsec


cdef class Fanout:
    """One packet, protected for `keys` subscribers round robin, from a shared source into `batch` send slots."""

    cdef srtp.SrtpEngine* engine
    cdef srtp.SrtpContext** contexts
    cdef srtp.ProtectJob[srtp.SRTP_BATCH] jobs
    cdef uint8_t* slots
    cdef uint8_t[SLOT_BYTES] source
    cdef int keys, batch, next_key
    cdef int packet_bytes
    cdef uint32_t roc

    def __cinit__(self, int backend, int profile, int keys, int packet_bytes, int batch) -> None:
        self.engine = srtp.srtp_engine_new(backend)
        if self.engine == NULL:
            raise ValueError(f"back end {backend} is not available")
        self.keys, self.packet_bytes = keys, packet_bytes
        self.batch = min(batch, srtp.SRTP_BATCH)
        self.contexts = <srtp.SrtpContext**>calloc(keys, sizeof(void*))
        self.slots = <uint8_t*>calloc(srtp.SRTP_BATCH, SLOT_BYTES)
        for i in range(keys):
            key, salt = os.urandom(srtp.srtp_key_bytes(profile)), os.urandom(srtp.srtp_salt_bytes(profile))
            self.contexts[i] = srtp.srtp_context_new(self.engine, profile, key, salt)

    def __dealloc__(self) -> None:
        cdef int i
        for i in range(self.keys):
            srtp.srtp_context_free(self.contexts[i])
        srtp.srtp_engine_free(self.engine)
        free(self.contexts)
        free(self.slots)

    cdef void fill(self, int n) noexcept nogil:
        cdef int i
        cdef srtp.ProtectJob* job
        for i in range(n):
            job = &self.jobs[i]
            job.context = self.contexts[self.next_key]
            job.packet = self.slots + i * SLOT_BYTES
            memcpy(job.packet, self.source, HEADER_BYTES)
            job.payload = self.source + HEADER_BYTES
            job.header_bytes = HEADER_BYTES
            job.payload_bytes = self.packet_bytes - HEADER_BYTES
            job.roc = self.roc
            self.next_key = self.next_key + 1 if self.next_key + 1 < self.keys else 0

    def protect_ns(self) -> float:
        """Nanoseconds per packet of one packet to every key."""
        cdef int left = self.keys
        cdef int n
        cdef uint64_t begin
        cdef uint64_t took
        self.roc += 1
        with nogil:
            begin = now_ns()
            while left > 0:
                n = min(left, self.batch)
                self.fill(n)
                srtp.protect_batch(self.engine, self.jobs, n)
                left -= n
            took = now_ns() - begin
        return <double>took / self.keys

    def unprotect_ns(self) -> float:
        """Nanoseconds per packet of one packet from every key, out of place."""
        cdef uint8_t[SLOT_BYTES] payload
        cdef srtp.ProtectJob* job = &self.jobs[0]
        cdef uint64_t took = 0
        cdef uint64_t begin
        cdef bint ok = True
        with nogil:
            for _ in range(self.keys):
                self.fill(1)
                srtp.protect_batch(self.engine, self.jobs, 1)
                begin = now_ns()
                ok &= srtp.unprotect(self.engine, job.context, job.packet, job.packet_bytes, HEADER_BYTES, self.roc,
                                     payload) > 0
                took += now_ns() - begin
        if not ok:
            raise AssertionError("a packet was refused")
        return <double>took / self.keys

    def rtcp_ns(self) -> float:
        """Nanoseconds per compound packet protected and unprotected again."""
        cdef int i, n
        cdef uint64_t begin
        cdef uint32_t index = 0
        cdef bint ok = True
        with nogil:
            begin = now_ns()
            for i in range(self.keys):
                n = srtp.protect_rtcp(self.engine, self.contexts[i], self.slots, self.packet_bytes, i)
                ok &= srtp.unprotect_rtcp(self.engine, self.contexts[i], self.slots, n, &index) > 0
        if not ok:
            raise AssertionError("a packet was refused")
        return <double>(now_ns() - begin) / self.keys

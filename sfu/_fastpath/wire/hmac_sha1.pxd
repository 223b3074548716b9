"""HMAC-SHA1 (RFC 2104) without allocation, for MESSAGE-INTEGRITY over a few pieces of a STUN message."""

from libc.stdint cimport uint8_t
from libc.string cimport memcpy, memset

from sfu._fastpath.includes.openssl_hmac cimport SHA1, SHA1_Final, SHA1_Init, SHA1_Update, SHA_CTX

cdef enum:
    SHA1_BYTES = 20
    SHA1_BLOCK_BYTES = 64

cdef struct HmacSha1:
    SHA_CTX inner
    uint8_t[SHA1_BLOCK_BYTES] key


cdef inline void hmac_sha1_open(HmacSha1* h, const uint8_t* key, int n) noexcept nogil:
    """Starts a MAC under a key of `n` bytes."""
    cdef uint8_t[SHA1_BLOCK_BYTES] pad
    cdef int i
    memset(h.key, 0, SHA1_BLOCK_BYTES)
    if n > SHA1_BLOCK_BYTES:
        SHA1(key, n, h.key)
    elif n > 0:
        memcpy(h.key, key, n)
    for i in range(SHA1_BLOCK_BYTES):
        pad[i] = h.key[i] ^ 0x36
    SHA1_Init(&h.inner)
    SHA1_Update(&h.inner, pad, SHA1_BLOCK_BYTES)


cdef inline void hmac_sha1_add(HmacSha1* h, const uint8_t* data, int n) noexcept nogil:
    SHA1_Update(&h.inner, data, n)


cdef inline void hmac_sha1_close(HmacSha1* h, uint8_t* mac) noexcept nogil:
    """Writes the 20 byte MAC."""
    cdef uint8_t[SHA1_BLOCK_BYTES] pad
    cdef uint8_t[SHA1_BYTES] digest
    cdef SHA_CTX outer
    cdef int i
    SHA1_Final(digest, &h.inner)
    for i in range(SHA1_BLOCK_BYTES):
        pad[i] = h.key[i] ^ 0x5c
    SHA1_Init(&outer)
    SHA1_Update(&outer, pad, SHA1_BLOCK_BYTES)
    SHA1_Update(&outer, digest, SHA1_BYTES)
    SHA1_Final(mac, &outer)

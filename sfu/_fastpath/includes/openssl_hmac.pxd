"""SHA-1 of libcrypto for STUN's HMAC.

The low-level calls on purpose: HMAC() and EVP_MAC of OpenSSL 3 fetch and allocate on each call, and every binding
request, also a hostile one, costs two of them.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t

cdef extern from *:
    """
    #ifndef OPENSSL_SUPPRESS_DEPRECATED
    #define OPENSSL_SUPPRESS_DEPRECATED
    #endif
    #include <openssl/crypto.h>
    #include <openssl/sha.h>
    """
    ctypedef struct SHA_CTX:
        pass

    int SHA1_Init(SHA_CTX* c) noexcept nogil
    int SHA1_Update(SHA_CTX* c, const void* data, size_t n) noexcept nogil
    int SHA1_Final(uint8_t* digest, SHA_CTX* c) noexcept nogil
    uint8_t* SHA1(const uint8_t* data, size_t n, uint8_t* digest) noexcept nogil
    int CRYPTO_memcmp(const void* a, const void* b, size_t n) noexcept nogil

"""Ciphers and SHA-1 states of libcrypto for SRTP.

SHA_CTX is declared with its chaining value, because a keyed HMAC is two chaining values and nothing else.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t

cdef extern from *:
    """
    #ifndef OPENSSL_SUPPRESS_DEPRECATED
    #define OPENSSL_SUPPRESS_DEPRECATED
    #endif
    #include <openssl/crypto.h>
    #include <openssl/evp.h>
    #include <openssl/sha.h>
    """
    ctypedef struct EVP_CIPHER:
        pass

    ctypedef struct EVP_CIPHER_CTX:
        pass

    ctypedef struct ENGINE:
        pass

    ctypedef struct SHA_CTX:
        uint32_t h0
        uint32_t h1
        uint32_t h2
        uint32_t h3
        uint32_t h4
        uint32_t Nl
        uint32_t Nh
        uint32_t num

    int EVP_CTRL_AEAD_GET_TAG
    int EVP_CTRL_AEAD_SET_TAG

    const EVP_CIPHER* EVP_aes_128_ctr() noexcept nogil
    const EVP_CIPHER* EVP_aes_256_ctr() noexcept nogil
    const EVP_CIPHER* EVP_aes_128_gcm() noexcept nogil
    const EVP_CIPHER* EVP_aes_256_gcm() noexcept nogil
    EVP_CIPHER_CTX* EVP_CIPHER_CTX_new() noexcept nogil
    void EVP_CIPHER_CTX_free(EVP_CIPHER_CTX* c) noexcept nogil
    int EVP_CipherInit_ex(EVP_CIPHER_CTX* c, const EVP_CIPHER* cipher, ENGINE* engine, const uint8_t* key,
                          const uint8_t* iv, int encrypt) noexcept nogil
    int EVP_CipherUpdate(EVP_CIPHER_CTX* c, uint8_t* sink, int* written, const uint8_t* source, int n) noexcept nogil
    int EVP_CipherFinal_ex(EVP_CIPHER_CTX* c, uint8_t* sink, int* written) noexcept nogil
    int EVP_CIPHER_CTX_ctrl(EVP_CIPHER_CTX* c, int command, int n, void* data) noexcept nogil

    int SHA1_Init(SHA_CTX* c) noexcept nogil
    int SHA1_Update(SHA_CTX* c, const void* data, size_t n) noexcept nogil
    int SHA1_Final(uint8_t* digest, SHA_CTX* c) noexcept nogil
    int CRYPTO_memcmp(const void* a, const void* b, size_t n) noexcept nogil
    void OPENSSL_cleanse(void* p, size_t n) noexcept nogil

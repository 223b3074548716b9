"""SRTP's ciphers by OpenSSL EVP: a pre-keyed cipher context, of which only the IV is reset for a packet."""

from libc.stdint cimport uint8_t

from sfu._fastpath.includes.openssl_evp cimport (
    EVP_CIPHER,
    EVP_CIPHER_CTX,
    EVP_CIPHER_CTX_ctrl,
    EVP_CIPHER_CTX_free,
    EVP_CIPHER_CTX_new,
    EVP_CipherFinal_ex,
    EVP_CipherInit_ex,
    EVP_CipherUpdate,
    EVP_CTRL_AEAD_GET_TAG,
    EVP_CTRL_AEAD_SET_TAG,
    EVP_aes_128_ctr,
    EVP_aes_128_gcm,
    EVP_aes_256_gcm,
)
from sfu._fastpath.stream.srtp_keys cimport IV_GCM_AT

cdef enum:
    GCM_TAG_BYTES = 16

cdef struct CipherPass:         # one cipher over one packet
    const uint8_t* source
    uint8_t* sink               # may be `source`
    const uint8_t* aad          # GCM only
    int payload_bytes
    int aad_bytes
    uint8_t[16] iv              # the row of packet_iv
    uint8_t[GCM_TAG_BYTES] tag  # GCM only: written by seal, compared by open


cdef inline EVP_CIPHER_CTX* openssl_cipher(bint gcm, int key_bytes, const uint8_t* key) noexcept nogil:
    """A cipher context for GCM or AES-CM, keyed unless `key` is NULL. NULL: libcrypto refused."""
    cdef EVP_CIPHER_CTX* made = EVP_CIPHER_CTX_new()
    cdef const EVP_CIPHER* cipher = EVP_aes_128_ctr()
    if gcm:
        cipher = EVP_aes_256_gcm() if key_bytes == 32 else EVP_aes_128_gcm()
    if made != NULL and EVP_CipherInit_ex(made, cipher, NULL, key, NULL, 1) != 1:
        EVP_CIPHER_CTX_free(made)
        return NULL
    return made


cdef inline bint openssl_ctr(EVP_CIPHER_CTX* cipher, CipherPass* p) noexcept nogil:
    """AES-CM, both directions. False: libcrypto refused; the sink holds nothing usable."""
    cdef int n = 0
    return (
        EVP_CipherInit_ex(cipher, NULL, NULL, NULL, p.iv, 1) == 1
        and EVP_CipherUpdate(cipher, p.sink, &n, p.source, p.payload_bytes) == 1
    )


cdef inline bint openssl_gcm(EVP_CIPHER_CTX* cipher, CipherPass* p, bint seal) noexcept nogil:
    """Everything of one GCM packet but its tag."""
    cdef int n = 0
    return (
        EVP_CipherInit_ex(cipher, NULL, NULL, NULL, p.iv + IV_GCM_AT, seal) == 1
        and EVP_CipherUpdate(cipher, NULL, &n, p.aad, p.aad_bytes) == 1
        and (p.payload_bytes == 0 or EVP_CipherUpdate(cipher, p.sink, &n, p.source, p.payload_bytes) == 1)
    )


cdef inline bint openssl_seal(EVP_CIPHER_CTX* cipher, CipherPass* p) noexcept nogil:
    """Encrypts and writes p.tag. False: libcrypto refused."""
    cdef int n = 0
    return (
        openssl_gcm(cipher, p, True)
        and EVP_CipherFinal_ex(cipher, p.sink, &n) == 1
        and EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, GCM_TAG_BYTES, p.tag) == 1
    )


cdef inline bint openssl_open(EVP_CIPHER_CTX* cipher, CipherPass* p) noexcept nogil:
    """Decrypts. False: p.tag is not the packet's tag; the sink then holds unverified bytes."""
    cdef int n = 0
    return (
        openssl_gcm(cipher, p, False)
        and EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, GCM_TAG_BYTES, p.tag) == 1
        and EVP_CipherFinal_ex(cipher, p.sink, &n) == 1
    )

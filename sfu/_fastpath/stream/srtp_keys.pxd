"""Session keys of SRTP and the initialisation vectors they are used with (RFC 3711 section 4, RFC 7714 section 8).

All salts are kept at one place in a 16 byte row: SHA1 profiles have 14 bytes at 0, GCM profiles 12 bytes at 2. That
way one function forms every IV: AES-CM takes the row, GCM the 12 bytes at IV_GCM_AT.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from sfu._fastpath.includes.openssl_evp cimport (
    EVP_CIPHER,
    EVP_CIPHER_CTX,
    EVP_CIPHER_CTX_free,
    EVP_CIPHER_CTX_new,
    EVP_CipherInit_ex,
    EVP_CipherUpdate,
    EVP_aes_128_ctr,
    EVP_aes_256_ctr,
    SHA1_Final,
    SHA1_Init,
    SHA1_Update,
    SHA_CTX,
)
from sfu._fastpath.wire.endian cimport store_be64

cdef enum:
    IV_GCM_AT = 2
    MASTER_SALT_BYTES = 14      # AES-CM; GCM's 12 are padded with zeros (RFC 7714 section 11)
    HMAC_KEY_BYTES = 20
    DIGEST_BYTES = 20

cdef enum KeyLabel:             # RFC 3711 section 4.3.2; SRTCP is three further
    LABEL_ENCRYPTION = 0
    LABEL_AUTHENTICATION = 1
    LABEL_SALT = 2
    LABEL_RTCP = 3

cdef struct HmacKey:            # SHA-1 chaining values after the padded key (RFC 2104 section 4)
    uint32_t[5] inner
    uint32_t[5] outer

cdef struct SessionKeys:
    uint8_t[32] encryption
    uint8_t[HMAC_KEY_BYTES] authentication
    uint8_t[16] salt


cdef inline bint expand(EVP_CIPHER_CTX* prf, const uint8_t* salt, int label, uint8_t* sink, int n) noexcept nogil:
    """Writes `n` bytes of the AES-CM key stream for `label` (RFC 3711 section 4.3.3, key derivation rate 0)."""
    cdef uint8_t[16] x
    cdef int written = 0
    memset(x, 0, 16)
    memcpy(x, salt, MASTER_SALT_BYTES)
    x[7] ^= <uint8_t>label
    memset(sink, 0, n)
    return EVP_CipherInit_ex(prf, NULL, NULL, NULL, x, 1) == 1 and EVP_CipherUpdate(prf, sink, &written, sink, n) == 1


cdef inline bint derive_keys(SessionKeys* keys, int first_label, const uint8_t* master_key, int key_bytes,
                             const uint8_t* master_salt, int salt_bytes) noexcept nogil:
    """Derives the keys of SRTP (first_label 0) or SRTCP (LABEL_RTCP). False: libcrypto refused."""
    cdef uint8_t[MASTER_SALT_BYTES] salt
    cdef EVP_CIPHER_CTX* prf = EVP_CIPHER_CTX_new()
    cdef const EVP_CIPHER* cipher = EVP_aes_256_ctr() if key_bytes == 32 else EVP_aes_128_ctr()
    cdef int salt_at = MASTER_SALT_BYTES - salt_bytes
    cdef bint ok
    memset(keys, 0, sizeof(SessionKeys))
    memset(salt, 0, MASTER_SALT_BYTES)
    memcpy(salt, master_salt, salt_bytes)
    ok = (
        prf != NULL
        and EVP_CipherInit_ex(prf, cipher, NULL, master_key, NULL, 1) == 1
        and expand(prf, salt, first_label + LABEL_ENCRYPTION, keys.encryption, key_bytes)
        and expand(prf, salt, first_label + LABEL_AUTHENTICATION, keys.authentication, HMAC_KEY_BYTES)
        and expand(prf, salt, first_label + LABEL_SALT, keys.salt + salt_at, salt_bytes)
    )
    EVP_CIPHER_CTX_free(prf)
    return ok


cdef inline void packet_iv(uint8_t* iv, const uint8_t* salt, const uint8_t* ssrc, uint64_t index) noexcept nogil:
    """The 16 byte IV row of one packet: `ssrc` as it is on the wire, `index` 48 bits (RFC 3711 4.1.1, RFC 7714 8.1, 9.1)."""
    cdef uint64_t[2] row
    cdef uint64_t[2] mask
    row[0] = 0
    memcpy(<uint8_t*>row + 4, ssrc, 4)
    store_be64(<uint8_t*>&row[1], index << 16)
    memcpy(mask, salt, 16)
    row[0] ^= mask[0]
    row[1] ^= mask[1]
    memcpy(iv, row, 16)


cdef inline void chain(uint32_t* state, const uint8_t* key, uint8_t pad) noexcept nogil:
    cdef SHA_CTX sha
    cdef uint8_t[64] block
    cdef int i
    memset(block, pad, 64)
    for i in range(HMAC_KEY_BYTES):
        block[i] ^= key[i]
    SHA1_Init(&sha)
    SHA1_Update(&sha, block, 64)
    state[0], state[1], state[2], state[3], state[4] = sha.h0, sha.h1, sha.h2, sha.h3, sha.h4


cdef inline void hmac_key(HmacKey* key, const uint8_t* authentication) noexcept nogil:
    chain(key.inner, authentication, 0x36)
    chain(key.outer, authentication, 0x5c)


cdef inline void resume(SHA_CTX* sha, const uint32_t* state) noexcept nogil:
    """`sha` as it was after one block of 64 bytes that left `state`."""
    sha.h0, sha.h1, sha.h2, sha.h3, sha.h4 = state[0], state[1], state[2], state[3], state[4]
    sha.Nl = 64 * 8
    sha.Nh = 0
    sha.num = 0


cdef inline void hmac_sha1(const HmacKey* key, const uint8_t* data, int n, const uint8_t* roc,
                           uint8_t* digest) noexcept nogil:
    """HMAC-SHA1 of `data` and, unless NULL, the 4 bytes of the rollover counter (RFC 3711 section 4.2)."""
    cdef SHA_CTX sha
    resume(&sha, key.inner)
    SHA1_Update(&sha, data, n)
    if roc != NULL:
        SHA1_Update(&sha, roc, 4)
    SHA1_Final(digest, &sha)
    resume(&sha, key.outer)
    SHA1_Update(&sha, digest, DIGEST_BYTES)
    SHA1_Final(digest, &sha)

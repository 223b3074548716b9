"""One cipher pass over one packet, on whichever back end this thread has."""

from libc.stdint cimport uint8_t
from libc.stdlib cimport free
from libc.string cimport memset

from sfu._fastpath.includes.ipsec_mb cimport IMB_MGR, free_mb_mgr, gcm_key_data
from sfu._fastpath.includes.openssl_evp cimport (
    EVP_CIPHER_CTX,
    EVP_CIPHER_CTX_free,
    EVP_CipherInit_ex,
    OPENSSL_cleanse,
)
from sfu._fastpath.stream.srtp_ipsec_mb cimport mb_aligned, mb_ctr, mb_new, mb_open, mb_schedule, mb_seal
from sfu._fastpath.stream.srtp_openssl cimport CipherPass, openssl_cipher, openssl_ctr, openssl_open, openssl_seal

cdef struct CipherSuite:
    int key_bytes
    bint gcm                                    # else AES-CM

cdef struct Ciphers:
    IMB_MGR* mb                                 # NULL: OpenSSL
    void* rtcp_schedule                         # ipsec-mb: re-keyed for each RTCP packet
    EVP_CIPHER_CTX* rtcp_ciphers[3]             # OpenSSL: likewise, by rtcp_slot


cdef inline int rtcp_slot(CipherSuite suite) noexcept nogil:
    return suite.key_bytes // 16 if suite.gcm else 0


cdef inline bint ciphers_open_mb(Ciphers* c) noexcept nogil:
    """False: the library or memory is missing; ciphers_close is due all the same."""
    c.mb = mb_new()
    c.rtcp_schedule = mb_aligned(sizeof(gcm_key_data))
    return c.mb != NULL and c.rtcp_schedule != NULL


cdef inline bint ciphers_open_openssl(Ciphers* c) noexcept nogil:
    c.rtcp_ciphers[0] = openssl_cipher(False, 16, NULL)
    c.rtcp_ciphers[1] = openssl_cipher(True, 16, NULL)
    c.rtcp_ciphers[2] = openssl_cipher(True, 32, NULL)
    return c.rtcp_ciphers[0] != NULL and c.rtcp_ciphers[1] != NULL and c.rtcp_ciphers[2] != NULL


cdef inline void ciphers_close(Ciphers* c) noexcept nogil:
    cdef int slot
    for slot in range(3):
        EVP_CIPHER_CTX_free(c.rtcp_ciphers[slot])
    if c.mb != NULL:
        free_mb_mgr(c.mb)
    if c.rtcp_schedule != NULL:
        OPENSSL_cleanse(c.rtcp_schedule, sizeof(gcm_key_data))
        free(c.rtcp_schedule)


cdef inline void* cipher_rtcp_key(Ciphers* c, CipherSuite suite, const uint8_t* session_key) noexcept nogil:
    """An SRTCP session key, ready for a pass; valid until the next call. NULL: libcrypto refused.

    RTCP is rare next to RTP, so its schedule is made anew for each packet rather than kept for every Transport.
    """
    cdef EVP_CIPHER_CTX* cipher = c.rtcp_ciphers[rtcp_slot(suite)]
    if c.mb != NULL:
        mb_schedule(c.mb, suite.key_bytes, suite.gcm, session_key, c.rtcp_schedule)
        return c.rtcp_schedule
    return cipher if EVP_CipherInit_ex(cipher, NULL, NULL, session_key, NULL, -1) == 1 else NULL


cdef inline bint cipher_ctr(Ciphers* c, void* key, CipherPass* p) noexcept nogil:
    """AES-CM, both directions. False: the back end refused; the sink holds nothing usable."""
    return mb_ctr(c.mb, key, p) if c.mb != NULL else openssl_ctr(<EVP_CIPHER_CTX*>key, p)


cdef inline bint cipher_seal(Ciphers* c, CipherSuite suite, void* key, CipherPass* p) noexcept nogil:
    """GCM: encrypts and writes p.tag. False: the back end refused."""
    if c.mb == NULL:
        return openssl_seal(<EVP_CIPHER_CTX*>key, p)
    mb_seal(c.mb, suite.key_bytes, key, p)
    return True


cdef inline bint cipher_open(Ciphers* c, CipherSuite suite, void* key, CipherPass* p) noexcept nogil:
    """GCM: decrypts and compares p.tag; if it is wrong, the sink is wiped."""
    cdef bint ok
    if c.mb != NULL:
        ok = mb_open(c.mb, suite.key_bytes, key, p)
    else:
        ok = openssl_open(<EVP_CIPHER_CTX*>key, p)
    if not ok:
        memset(p.sink, 0, p.payload_bytes)
    return ok

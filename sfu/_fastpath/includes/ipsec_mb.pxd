"""Intel ipsec-mb, as far as SRTP needs it; without the library (HEADWATER_IPSEC_MB 0) its entry points say no.

The nested unions of IMB_JOB are set by macros, so that the stand-in types stay flat.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef extern from *:
    """
    #if HEADWATER_IPSEC_MB
    #define NO_COMPAT_IMB_API_053
    #include <intel-ipsec-mb.h>
    #define hw_imb_set_hmac(job, inner, outer) \\
        ((job)->u.HMAC._hashed_auth_key_xor_ipad = (const uint8_t *)(inner), \\
         (job)->u.HMAC._hashed_auth_key_xor_opad = (const uint8_t *)(outer))
    #define hw_imb_set_aad(job, bytes, n) \\
        ((job)->u.GCM.aad = (bytes), (job)->u.GCM.aad_len_in_bytes = (n))
    #define hw_imb_ready(mb) ((mb)->imb_errno == 0)
    /* From 1.4 on a job must be given a session before it may skip the checks. */
    #define hw_imb_unchecked_bursts (IMB_VERSION_NUM < IMB_VERSION(1, 4, 0))
    #else
    #include <stddef.h>
    #include <stdint.h>
    enum { IMB_CPUFLAGS_SSE, IMB_ARCH_NONE, IMB_CIPHER_CNTR, IMB_CIPHER_GCM, IMB_DIR_ENCRYPT, IMB_KEY_128_BYTES };
    enum { IMB_AUTH_HMAC_SHA_1, IMB_AUTH_AES_GMAC, IMB_ORDER_CIPHER_HASH };
    typedef int IMB_ARCH;
    typedef struct { int unused; } IMB_MGR;
    struct gcm_key_data { uint8_t expanded_keys[1]; };
    struct gcm_context_data { int unused; };
    typedef struct {
        const void *enc_keys;
        const uint8_t *src, *iv;
        uint8_t *dst, *auth_tag_output;
        uint64_t key_len_in_bytes, cipher_start_src_offset_in_bytes, msg_len_to_cipher_in_bytes;
        uint64_t hash_start_src_offset_in_bytes, msg_len_to_hash_in_bytes, iv_len_in_bytes;
        uint64_t auth_tag_output_len_in_bytes;
        int cipher_mode, cipher_direction, hash_alg, chain_order;
    } IMB_JOB;
    static inline uint64_t imb_get_feature_flags(void) { return 0; }
    static inline IMB_MGR *alloc_mb_mgr(uint64_t flags) { (void)flags; return NULL; }
    static inline void free_mb_mgr(IMB_MGR *mb) { (void)mb; }
    static inline void init_mb_mgr_auto(IMB_MGR *mb, IMB_ARCH *arch) { (void)mb; *arch = IMB_ARCH_NONE; }
    #define hw_imb_ready(mb) 0
    #define hw_imb_unchecked_bursts 0
    #define IMB_GET_NEXT_BURST(...) 0
    #define IMB_SUBMIT_BURST_NOCHECK(...) 0
    #define hw_imb_set_hmac(job, inner, outer) ((void)0)
    #define hw_imb_set_aad(job, bytes, n) ((void)0)
    #define IMB_AES_KEYEXP_128(...) ((void)0)
    #define IMB_AES128_GCM_PRE(...) ((void)0)
    #define IMB_AES256_GCM_PRE(...) ((void)0)
    #define IMB_AES128_GCM_ENC(...) ((void)0)
    #define IMB_AES256_GCM_ENC(...) ((void)0)
    #define IMB_AES128_GCM_DEC(...) ((void)0)
    #define IMB_AES256_GCM_DEC(...) ((void)0)
    #define IMB_SUBMIT_CIPHER_BURST(...) 0
    #define IMB_SUBMIT_HASH_BURST(...) 0
    #endif
    """
    ctypedef int IMB_ARCH

    ctypedef struct IMB_MGR:
        pass

    ctypedef struct gcm_key_data "struct gcm_key_data":
        pass

    ctypedef struct gcm_context_data "struct gcm_context_data":
        pass

    ctypedef struct IMB_JOB:
        const void* enc_keys
        const uint8_t* src
        uint8_t* dst
        const uint8_t* iv
        uint8_t* auth_tag_output
        uint64_t key_len_in_bytes
        uint64_t cipher_start_src_offset_in_bytes
        uint64_t msg_len_to_cipher_in_bytes
        uint64_t hash_start_src_offset_in_bytes
        uint64_t msg_len_to_hash_in_bytes
        uint64_t iv_len_in_bytes
        uint64_t auth_tag_output_len_in_bytes
        int cipher_mode
        int cipher_direction
        int hash_alg
        int chain_order

    uint64_t IMB_CPUFLAGS_SSE
    int IMB_ARCH_NONE, IMB_CIPHER_CNTR, IMB_CIPHER_GCM, IMB_DIR_ENCRYPT, IMB_AUTH_HMAC_SHA_1, IMB_AUTH_AES_GMAC
    int IMB_ORDER_CIPHER_HASH, IMB_KEY_128_BYTES
    bint hw_imb_unchecked_bursts

    uint64_t imb_get_feature_flags() noexcept nogil
    IMB_MGR* alloc_mb_mgr(uint64_t flags) noexcept nogil
    void free_mb_mgr(IMB_MGR* mb) noexcept nogil
    void init_mb_mgr_auto(IMB_MGR* mb, IMB_ARCH* arch) noexcept nogil
    bint hw_imb_ready(IMB_MGR* mb) noexcept nogil
    void hw_imb_set_hmac(IMB_JOB* job, const void* inner, const void* outer) noexcept nogil
    void hw_imb_set_aad(IMB_JOB* job, const void* aad, uint64_t n) noexcept nogil
    void IMB_AES_KEYEXP_128(IMB_MGR* mb, const void* key, void* encrypt, void* decrypt) noexcept nogil
    void IMB_AES128_GCM_PRE(IMB_MGR* mb, const void* key, gcm_key_data* keys) noexcept nogil
    void IMB_AES256_GCM_PRE(IMB_MGR* mb, const void* key, gcm_key_data* keys) noexcept nogil
    void IMB_AES128_GCM_ENC(IMB_MGR* mb, const gcm_key_data* keys, gcm_context_data* scratch, uint8_t* sink,
                            const uint8_t* source, uint64_t n, const uint8_t* iv, const uint8_t* aad,
                            uint64_t aad_bytes, uint8_t* tag, uint64_t tag_bytes) noexcept nogil
    void IMB_AES256_GCM_ENC(IMB_MGR* mb, const gcm_key_data* keys, gcm_context_data* scratch, uint8_t* sink,
                            const uint8_t* source, uint64_t n, const uint8_t* iv, const uint8_t* aad,
                            uint64_t aad_bytes, uint8_t* tag, uint64_t tag_bytes) noexcept nogil
    void IMB_AES128_GCM_DEC(IMB_MGR* mb, const gcm_key_data* keys, gcm_context_data* scratch, uint8_t* sink,
                            const uint8_t* source, uint64_t n, const uint8_t* iv, const uint8_t* aad,
                            uint64_t aad_bytes, uint8_t* tag, uint64_t tag_bytes) noexcept nogil
    void IMB_AES256_GCM_DEC(IMB_MGR* mb, const gcm_key_data* keys, gcm_context_data* scratch, uint8_t* sink,
                            const uint8_t* source, uint64_t n, const uint8_t* iv, const uint8_t* aad,
                            uint64_t aad_bytes, uint8_t* tag, uint64_t tag_bytes) noexcept nogil
    uint32_t IMB_SUBMIT_CIPHER_BURST(IMB_MGR* mb, IMB_JOB* jobs, uint32_t n, int cipher, int direction,
                                     int key_bytes) noexcept nogil
    uint32_t IMB_SUBMIT_HASH_BURST(IMB_MGR* mb, IMB_JOB* jobs, uint32_t n, int algorithm) noexcept nogil
    uint32_t IMB_GET_NEXT_BURST(IMB_MGR* mb, uint32_t n, IMB_JOB** jobs) noexcept nogil
    uint32_t IMB_SUBMIT_BURST_NOCHECK(IMB_MGR* mb, uint32_t n, IMB_JOB** jobs) noexcept nogil

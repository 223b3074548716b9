"""SRTP's ciphers by Intel ipsec-mb: packet by packet, and in bursts of many packets, which is faster."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, memset
from posix.stdlib cimport posix_memalign

from sfu._fastpath.includes.ipsec_mb cimport (
    IMB_AES128_GCM_DEC,
    IMB_AES128_GCM_ENC,
    IMB_AES128_GCM_PRE,
    IMB_AES256_GCM_DEC,
    IMB_AES256_GCM_ENC,
    IMB_AES256_GCM_PRE,
    IMB_AES_KEYEXP_128,
    IMB_ARCH,
    IMB_ARCH_NONE,
    IMB_AUTH_AES_GMAC,
    IMB_AUTH_HMAC_SHA_1,
    IMB_CIPHER_CNTR,
    IMB_CIPHER_GCM,
    IMB_CPUFLAGS_SSE,
    IMB_DIR_ENCRYPT,
    IMB_GET_NEXT_BURST,
    IMB_JOB,
    IMB_KEY_128_BYTES,
    IMB_MGR,
    IMB_ORDER_CIPHER_HASH,
    IMB_SUBMIT_BURST_NOCHECK,
    IMB_SUBMIT_CIPHER_BURST,
    IMB_SUBMIT_HASH_BURST,
    alloc_mb_mgr,
    free_mb_mgr,
    gcm_context_data,
    gcm_key_data,
    hw_imb_ready,
    hw_imb_set_aad,
    hw_imb_set_hmac,
    hw_imb_unchecked_bursts,
    imb_get_feature_flags,
    init_mb_mgr_auto,
)
from sfu._fastpath.includes.openssl_evp cimport CRYPTO_memcmp, OPENSSL_cleanse
from sfu._fastpath.stream.srtp_keys cimport IV_GCM_AT, HmacKey
from sfu._fastpath.stream.srtp_openssl cimport GCM_TAG_BYTES, CipherPass

cdef enum:
    CACHE_LINE = 64
    BURST = 128                 # IMB_MAX_BURST_SIZE
    HMAC_TAG_BYTES = 12         # what the library writes; SRTP keeps 10
    CTR_SCHEDULE_BYTES = 11 * 16

cdef struct CmBurst:            # rows of one burst; what never changes in a job is set once
    IMB_JOB[BURST] jobs
    uint8_t[BURST][16] ivs
    uint8_t[BURST][16] tags
    const uint8_t* packets[BURST]
    int count

cdef struct GcmBurst:           # rows of one burst, in jobs that the library lends
    IMB_JOB* jobs[BURST]
    uint8_t[BURST][16] ivs


cdef inline void* mb_aligned(size_t n) noexcept nogil:
    """Zeroed memory on a cache line boundary, as gcm_key_data needs it, or NULL; free() releases it."""
    cdef void* made = NULL
    if posix_memalign(&made, CACHE_LINE, n) != 0:
        return NULL
    memset(made, 0, n)
    return made


cdef inline bint mb_supported() noexcept nogil:
    """True if the library is here and the CPU has what its slowest useful code needs."""
    return IMB_CPUFLAGS_SSE != 0 and (imb_get_feature_flags() & IMB_CPUFLAGS_SSE) == IMB_CPUFLAGS_SSE


cdef inline IMB_MGR* mb_new() noexcept nogil:
    """The library's state for one thread, or NULL. It tests itself against known answers here."""
    cdef IMB_ARCH arch = <IMB_ARCH>IMB_ARCH_NONE
    cdef IMB_MGR* mb = alloc_mb_mgr(0)
    if mb == NULL:
        return NULL
    init_mb_mgr_auto(mb, &arch)
    if arch == <IMB_ARCH>IMB_ARCH_NONE or not hw_imb_ready(mb):
        free_mb_mgr(mb)
        return NULL
    return mb


cdef inline void mb_burst_init(CmBurst* burst) noexcept nogil:
    cdef IMB_JOB* job
    cdef int row
    memset(burst, 0, sizeof(CmBurst))
    for row in range(BURST):
        job = &burst.jobs[row]
        job.key_len_in_bytes = IMB_KEY_128_BYTES
        job.iv = burst.ivs[row]
        job.iv_len_in_bytes = 16
        job.auth_tag_output = burst.tags[row]
        job.auth_tag_output_len_in_bytes = HMAC_TAG_BYTES


cdef inline void mb_burst_add(CmBurst* burst, const void* schedule, const HmacKey* key, const CipherPass* p,
                              const uint8_t* packet, int authenticated_bytes) noexcept nogil:
    """Adds a packet with at least one byte of payload; its rollover counter is behind it already (RFC 3711 4.2)."""
    cdef int row = burst.count
    cdef IMB_JOB* job = &burst.jobs[row]
    memcpy(burst.ivs[row], p.iv, 16)
    job.enc_keys = schedule
    job.src = p.source
    job.dst = p.sink
    job.msg_len_to_cipher_in_bytes = p.payload_bytes
    job.msg_len_to_hash_in_bytes = authenticated_bytes
    hw_imb_set_hmac(job, key.inner, key.outer)
    burst.packets[row] = packet
    burst.count = row + 1


cdef inline bint mb_burst_run(IMB_MGR* mb, CmBurst* burst) noexcept nogil:
    """Encrypts all rows, then authenticates all rows into `tags`. False: the library refused, nothing is usable."""
    cdef uint32_t n = burst.count
    cdef uint32_t row
    burst.count = 0
    if IMB_SUBMIT_CIPHER_BURST(mb, burst.jobs, n, IMB_CIPHER_CNTR, IMB_DIR_ENCRYPT, IMB_KEY_128_BYTES) != n:
        return False
    for row in range(n):
        burst.jobs[row].src = burst.packets[row]
    return IMB_SUBMIT_HASH_BURST(mb, burst.jobs, n, IMB_AUTH_HMAC_SHA_1) == n


cdef inline bint mb_gcm_lend(IMB_MGR* mb, GcmBurst* burst, int n) noexcept nogil:
    """Borrows the jobs of the next burst of `n` packets. False: one by one, then."""
    return hw_imb_unchecked_bursts and <int>IMB_GET_NEXT_BURST(mb, n, burst.jobs) == n


cdef inline void mb_gcm_set(GcmBurst* burst, int row, int key_bytes, const void* schedule,
                            const CipherPass* p) noexcept nogil:
    """Describes one packet; its tag goes straight behind its payload."""
    cdef IMB_JOB* job = burst.jobs[row]
    memcpy(burst.ivs[row], p.iv + IV_GCM_AT, 12)
    job.cipher_mode = IMB_CIPHER_GCM
    job.cipher_direction = IMB_DIR_ENCRYPT
    job.hash_alg = IMB_AUTH_AES_GMAC
    job.chain_order = IMB_ORDER_CIPHER_HASH
    job.enc_keys = schedule
    job.key_len_in_bytes = key_bytes
    job.src = p.source
    job.dst = p.sink
    job.cipher_start_src_offset_in_bytes = 0
    job.msg_len_to_cipher_in_bytes = p.payload_bytes
    job.hash_start_src_offset_in_bytes = 0
    job.msg_len_to_hash_in_bytes = p.payload_bytes
    job.iv = burst.ivs[row]
    job.iv_len_in_bytes = 12
    hw_imb_set_aad(job, p.aad, p.aad_bytes)
    job.auth_tag_output = p.sink + p.payload_bytes
    job.auth_tag_output_len_in_bytes = GCM_TAG_BYTES


cdef inline bint mb_gcm_run(IMB_MGR* mb, GcmBurst* burst, int n) noexcept nogil:
    """Encrypts and authenticates all rows. False: the library refused, nothing is usable."""
    return <int>IMB_SUBMIT_BURST_NOCHECK(mb, n, burst.jobs) == n


cdef inline bint mb_ctr(IMB_MGR* mb, const void* schedule, CipherPass* p) noexcept nogil:
    """AES-CM of one packet, both directions. False: the library refused."""
    cdef IMB_JOB job
    if p.payload_bytes == 0:
        return True
    memset(&job, 0, sizeof(IMB_JOB))
    job.key_len_in_bytes = IMB_KEY_128_BYTES
    job.enc_keys = schedule
    job.src = p.source
    job.dst = p.sink
    job.msg_len_to_cipher_in_bytes = p.payload_bytes
    job.iv = p.iv
    job.iv_len_in_bytes = 16
    return IMB_SUBMIT_CIPHER_BURST(mb, &job, 1, IMB_CIPHER_CNTR, IMB_DIR_ENCRYPT, IMB_KEY_128_BYTES) == 1


cdef inline void mb_schedule(IMB_MGR* mb, int key_bytes, bint gcm, const uint8_t* key, void* schedule) noexcept nogil:
    """Expands a session key: gcm_key_data for GCM, round keys (CTR_SCHEDULE_BYTES) for AES-CM."""
    cdef uint8_t[CTR_SCHEDULE_BYTES] decrypting
    if not gcm:
        IMB_AES_KEYEXP_128(mb, key, schedule, decrypting)
        OPENSSL_cleanse(decrypting, CTR_SCHEDULE_BYTES)
    elif key_bytes == 32:
        IMB_AES256_GCM_PRE(mb, key, <gcm_key_data*>schedule)
    else:
        IMB_AES128_GCM_PRE(mb, key, <gcm_key_data*>schedule)


cdef inline void mb_seal(IMB_MGR* mb, int key_bytes, const void* schedule, CipherPass* p) noexcept nogil:
    """Encrypts and writes p.tag."""
    cdef const gcm_key_data* keys = <const gcm_key_data*>schedule
    cdef gcm_context_data scratch
    if key_bytes == 32:
        IMB_AES256_GCM_ENC(mb, keys, &scratch, p.sink, p.source, p.payload_bytes, p.iv + IV_GCM_AT, p.aad, p.aad_bytes,
                           p.tag, GCM_TAG_BYTES)
    else:
        IMB_AES128_GCM_ENC(mb, keys, &scratch, p.sink, p.source, p.payload_bytes, p.iv + IV_GCM_AT, p.aad, p.aad_bytes,
                           p.tag, GCM_TAG_BYTES)


cdef inline bint mb_open(IMB_MGR* mb, int key_bytes, const void* schedule, CipherPass* p) noexcept nogil:
    """Decrypts. False: p.tag is not the packet's tag; the sink then holds unverified bytes."""
    cdef const gcm_key_data* keys = <const gcm_key_data*>schedule
    cdef gcm_context_data scratch
    cdef uint8_t[GCM_TAG_BYTES] tag
    if key_bytes == 32:
        IMB_AES256_GCM_DEC(mb, keys, &scratch, p.sink, p.source, p.payload_bytes, p.iv + IV_GCM_AT, p.aad, p.aad_bytes,
                           tag, GCM_TAG_BYTES)
    else:
        IMB_AES128_GCM_DEC(mb, keys, &scratch, p.sink, p.source, p.payload_bytes, p.iv + IV_GCM_AT, p.aad, p.aad_bytes,
                           tag, GCM_TAG_BYTES)
    return CRYPTO_memcmp(tag, p.tag, GCM_TAG_BYTES) == 0

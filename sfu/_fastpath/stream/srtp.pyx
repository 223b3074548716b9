"""SRTP and SRTCP: framing, key schedules and replay windows; see srtp.pxd."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, getenv
from libc.string cimport memcpy, strcmp

from sfu._fastpath.includes.ipsec_mb cimport gcm_key_data
from sfu._fastpath.includes.openssl_evp cimport CRYPTO_memcmp, EVP_CIPHER_CTX, EVP_CIPHER_CTX_free, OPENSSL_cleanse
from sfu._fastpath.stream.srtp_cipher cimport (
    Ciphers,
    CipherSuite,
    cipher_ctr,
    cipher_open,
    cipher_rtcp_key,
    cipher_seal,
    ciphers_close,
    ciphers_open_mb,
    ciphers_open_openssl,
)
from sfu._fastpath.stream.srtp_ipsec_mb cimport (
    CACHE_LINE,
    CTR_SCHEDULE_BYTES,
    CmBurst,
    GcmBurst,
    mb_aligned,
    mb_burst_add,
    mb_burst_init,
    mb_burst_run,
    mb_gcm_lend,
    mb_gcm_run,
    mb_gcm_set,
    mb_schedule,
    mb_supported,
)
from sfu._fastpath.stream.srtp_keys cimport (
    DIGEST_BYTES,
    LABEL_RTCP,
    HmacKey,
    SessionKeys,
    derive_keys,
    hmac_key,
    hmac_sha1,
    packet_iv,
)
from sfu._fastpath.stream.srtp_openssl cimport GCM_TAG_BYTES, CipherPass, openssl_cipher
from sfu._fastpath.wire.drops cimport (
    DROP_AUTH_FAILED,
    DROP_REPLAYED,
    DROP_RTCP_MALFORMED,
    DROP_RTP_MALFORMED,
    DROP_TOO_OLD,
)
from sfu._fastpath.wire.endian cimport load_be16, load_be32, store_be32

cdef enum:
    SHA1_80_TAG_BYTES = 10
    ROC_BYTES = 4
    RTCP_HEADER_BYTES = 8       # what SRTCP leaves readable
    RTCP_INDEX_BYTES = 4
    RTCP_AAD_BYTES = RTCP_HEADER_BYTES + RTCP_INDEX_BYTES
    GCM_BURST_LEAST = 2         # fewer packets are faster one by one (bench/micro/crypto.py)
    CM_BURST_LEAST = 4
    SEQ_AT = 2
    RTP_SSRC_AT = 8
    RTCP_SSRC_AT = 4

cdef uint32_t E_FLAG = 0x80000000

cdef struct Staged:             # jobs of one batch that go through a burst together
    ProtectJob* jobs[SRTP_BATCH]
    int count

cdef struct SrtpEngine:
    Ciphers ciphers
    CmBurst* cm_burst           # ipsec-mb only, as all below
    GcmBurst gcm_burst
    Staged cm
    Staged gcm

cdef struct SrtpContext:
    CipherSuite suite
    void* rtp_key               # EVP_CIPHER_CTX, or the schedule right behind this struct
    uint8_t[16] rtp_salt
    HmacKey rtp_hmac
    HmacKey rtcp_hmac
    uint8_t[16] rtcp_salt
    uint8_t[32] rtcp_key
    int profile
    int size                    # of the allocation, to wipe it
    bint owns_cipher            # rtp_key is an EVP_CIPHER_CTX


cdef inline bint is_gcm(int profile) noexcept nogil:
    return profile != SRTP_AES128_CM_SHA1_80


# Profiles

cdef int srtp_key_bytes(int profile) noexcept nogil:
    if profile == SRTP_AES128_CM_SHA1_80 or profile == SRTP_AEAD_AES_128_GCM:
        return 16
    return 32 if profile == SRTP_AEAD_AES_256_GCM else -1


cdef int srtp_salt_bytes(int profile) noexcept nogil:
    return 12 if is_gcm(profile) else 14


cdef int srtp_trailer_bytes(int profile) noexcept nogil:
    return GCM_TAG_BYTES if is_gcm(profile) else SHA1_80_TAG_BYTES


# Engine

cdef int srtp_best_backend() noexcept nogil:
    cdef const char* wish = getenv("HEADWATER_CRYPTO")
    if wish != NULL and strcmp(wish, "openssl") == 0:
        return SRTP_BACKEND_OPENSSL
    return SRTP_BACKEND_IPSEC_MB if mb_supported() else SRTP_BACKEND_OPENSSL


cdef SrtpEngine* srtp_engine_new(int backend) noexcept nogil:
    cdef SrtpEngine* engine
    if backend != SRTP_BACKEND_OPENSSL and not (backend == SRTP_BACKEND_IPSEC_MB and mb_supported()):
        return NULL
    engine = <SrtpEngine*>mb_aligned(sizeof(SrtpEngine))
    if engine == NULL:
        return NULL
    if not (engine_open_mb(engine) if backend == SRTP_BACKEND_IPSEC_MB else ciphers_open_openssl(&engine.ciphers)):
        srtp_engine_free(engine)
        return NULL
    return engine


cdef bint engine_open_mb(SrtpEngine* engine) noexcept nogil:
    engine.cm_burst = <CmBurst*>mb_aligned(sizeof(CmBurst))
    if not ciphers_open_mb(&engine.ciphers) or engine.cm_burst == NULL:
        return False
    mb_burst_init(engine.cm_burst)
    return True


cdef void srtp_engine_free(SrtpEngine* engine) noexcept nogil:
    if engine == NULL:
        return
    ciphers_close(&engine.ciphers)
    free(engine.cm_burst)
    free(engine)


cdef int srtp_engine_backend(SrtpEngine* engine) noexcept nogil:
    return SRTP_BACKEND_OPENSSL if engine.ciphers.mb == NULL else SRTP_BACKEND_IPSEC_MB


# Context

cdef SrtpContext* srtp_context_new(SrtpEngine* engine, int profile, const uint8_t* master_key,
                                   const uint8_t* master_salt) noexcept nogil:
    cdef int key_bytes = srtp_key_bytes(profile)
    cdef size_t header = (sizeof(SrtpContext) + CACHE_LINE - 1) // CACHE_LINE * CACHE_LINE
    cdef size_t schedule = 0
    cdef SrtpContext* context
    if key_bytes < 0:
        return NULL
    if engine.ciphers.mb != NULL:
        schedule = sizeof(gcm_key_data) if is_gcm(profile) else CTR_SCHEDULE_BYTES
    context = <SrtpContext*>mb_aligned(header + schedule)
    if context == NULL:
        return NULL
    context.profile = profile
    context.suite.key_bytes = key_bytes
    context.suite.gcm = is_gcm(profile)
    context.size = <int>(header + schedule)
    context.owns_cipher = schedule == 0
    if schedule > 0:
        context.rtp_key = <uint8_t*>context + header
    if not context_key(engine, context, master_key, master_salt):
        srtp_context_free(context)
        return NULL
    return context


cdef bint context_key(SrtpEngine* engine, SrtpContext* context, const uint8_t* master_key,
                      const uint8_t* master_salt) noexcept nogil:
    """Derives and installs the session keys. False: libcrypto refused."""
    cdef SessionKeys rtp
    cdef SessionKeys rtcp
    cdef int salt_bytes = srtp_salt_bytes(context.profile)
    if not derive_keys(&rtp, 0, master_key, context.suite.key_bytes, master_salt, salt_bytes):
        return False
    if not derive_keys(&rtcp, LABEL_RTCP, master_key, context.suite.key_bytes, master_salt, salt_bytes):
        return False
    memcpy(context.rtp_salt, rtp.salt, 16)
    memcpy(context.rtcp_salt, rtcp.salt, 16)
    memcpy(context.rtcp_key, rtcp.encryption, 32)
    hmac_key(&context.rtp_hmac, rtp.authentication)
    hmac_key(&context.rtcp_hmac, rtcp.authentication)
    if engine.ciphers.mb != NULL:
        mb_schedule(engine.ciphers.mb, context.suite.key_bytes, context.suite.gcm, rtp.encryption, context.rtp_key)
    else:
        context.rtp_key = openssl_cipher(context.suite.gcm, context.suite.key_bytes, rtp.encryption)
    OPENSSL_cleanse(&rtp, sizeof(SessionKeys))
    OPENSSL_cleanse(&rtcp, sizeof(SessionKeys))
    return context.rtp_key != NULL


cdef void srtp_context_free(SrtpContext* context) noexcept nogil:
    if context == NULL:
        return
    if context.owns_cipher:
        EVP_CIPHER_CTX_free(<EVP_CIPHER_CTX*>context.rtp_key)
    OPENSSL_cleanse(context, context.size)
    free(context)


cdef int srtp_context_profile(SrtpContext* context) noexcept nogil:
    return context.profile


cdef inline bint hmac_verified(const HmacKey* key, const uint8_t* packet, int n, const uint8_t* roc,
                               const uint8_t* tag) noexcept nogil:
    cdef uint8_t[DIGEST_BYTES] digest
    hmac_sha1(key, packet, n, roc, digest)
    return CRYPTO_memcmp(digest, tag, SHA1_80_TAG_BYTES) == 0


cdef inline uint64_t rtp_index(const uint8_t* packet, uint32_t roc) noexcept nogil:
    return <uint64_t>roc << 16 | load_be16(packet + SEQ_AT)


# RTP

cdef void protect_batch(SrtpEngine* engine, ProtectJob* jobs, int n) noexcept nogil:
    """See srtp.pxd. packet_bytes 0: the back end refused, the packet must not be sent."""
    cdef int i
    if engine.ciphers.mb == NULL:
        for i in range(n):
            protect_one(engine, &jobs[i])
        return
    for i in range(n):
        if jobs[i].context.suite.gcm:
            stage(&engine.gcm, &jobs[i])
        elif jobs[i].payload_bytes > 0:
            stage(&engine.cm, &jobs[i])
        else:
            protect_cm(engine, &jobs[i])
    protect_staged_gcm(engine)
    protect_staged_cm(engine)


cdef inline void stage(Staged* staged, ProtectJob* job) noexcept nogil:
    staged.jobs[staged.count] = job
    staged.count += 1


cdef inline void protect_one(SrtpEngine* engine, ProtectJob* job) noexcept nogil:
    if job.context.suite.gcm:
        protect_gcm(engine, job)
    else:
        protect_cm(engine, job)


cdef inline void begin_pass(CipherPass* p, ProtectJob* job) noexcept nogil:
    p.source = job.payload
    p.sink = job.packet + job.header_bytes
    p.payload_bytes = job.payload_bytes
    p.aad = job.packet
    p.aad_bytes = job.header_bytes
    packet_iv(p.iv, job.context.rtp_salt, job.packet + RTP_SSRC_AT, rtp_index(job.packet, job.roc))


cdef inline void protect_gcm(SrtpEngine* engine, ProtectJob* job) noexcept nogil:
    """RFC 7714 section 8."""
    cdef CipherPass p
    begin_pass(&p, job)
    job.packet_bytes = 0
    if cipher_seal(&engine.ciphers, job.context.suite, job.context.rtp_key, &p):
        memcpy(p.sink + p.payload_bytes, p.tag, GCM_TAG_BYTES)
        job.packet_bytes = job.header_bytes + job.payload_bytes + GCM_TAG_BYTES


cdef void protect_cm(SrtpEngine* engine, ProtectJob* job) noexcept nogil:
    """RFC 3711 sections 4.1.1 and 4.2, one packet."""
    cdef CipherPass p
    cdef uint8_t[DIGEST_BYTES] digest
    cdef int n = job.header_bytes + job.payload_bytes
    begin_pass(&p, job)
    job.packet_bytes = 0
    if cipher_ctr(&engine.ciphers, job.context.rtp_key, &p):
        store_be32(job.packet + n, job.roc)
        hmac_sha1(&job.context.rtp_hmac, job.packet, n + ROC_BYTES, NULL, digest)
        memcpy(job.packet + n, digest, SHA1_80_TAG_BYTES)
        job.packet_bytes = n + SHA1_80_TAG_BYTES


cdef void protect_staged_gcm(SrtpEngine* engine) noexcept nogil:
    """RFC 7714 section 8 for all staged packets at once."""
    cdef GcmBurst* burst = &engine.gcm_burst
    cdef int n = engine.gcm.count
    cdef CipherPass p
    cdef ProtectJob* job
    cdef int row
    cdef bint ok
    engine.gcm.count = 0
    if n < GCM_BURST_LEAST or not mb_gcm_lend(engine.ciphers.mb, burst, n):
        for row in range(n):
            protect_gcm(engine, engine.gcm.jobs[row])
        return
    for row in range(n):
        job = engine.gcm.jobs[row]
        begin_pass(&p, job)
        mb_gcm_set(burst, row, job.context.suite.key_bytes, job.context.rtp_key, &p)
    ok = mb_gcm_run(engine.ciphers.mb, burst, n)
    for row in range(n):
        job = engine.gcm.jobs[row]
        job.packet_bytes = job.header_bytes + job.payload_bytes + GCM_TAG_BYTES if ok else 0


cdef void protect_staged_cm(SrtpEngine* engine) noexcept nogil:
    """RFC 3711 sections 4.1.1 and 4.2 for all staged packets at once; a tag's place holds the counter meanwhile."""
    cdef CmBurst* burst = engine.cm_burst
    cdef int n = engine.cm.count
    cdef CipherPass p
    cdef ProtectJob* job
    cdef int row, end
    cdef bint ok
    engine.cm.count = 0
    if n < CM_BURST_LEAST:
        for row in range(n):
            protect_cm(engine, engine.cm.jobs[row])
        return
    for row in range(n):
        job = engine.cm.jobs[row]
        end = job.header_bytes + job.payload_bytes
        begin_pass(&p, job)
        store_be32(job.packet + end, job.roc)
        mb_burst_add(burst, job.context.rtp_key, &job.context.rtp_hmac, &p, job.packet, end + ROC_BYTES)
    ok = mb_burst_run(engine.ciphers.mb, burst)
    for row in range(n):
        job = engine.cm.jobs[row]
        end = job.header_bytes + job.payload_bytes
        memcpy(job.packet + end, burst.tags[row], SHA1_80_TAG_BYTES)
        job.packet_bytes = end + SHA1_80_TAG_BYTES if ok else 0


cdef int unprotect(SrtpEngine* engine, SrtpContext* context, const uint8_t* packet, int packet_bytes,
                   int header_bytes, uint32_t roc, uint8_t* payload_out) noexcept nogil:
    cdef CipherPass p
    cdef uint8_t[ROC_BYTES] counter
    cdef int end = packet_bytes - srtp_trailer_bytes(context.profile)
    if end < header_bytes:
        return -DROP_RTP_MALFORMED
    p.source = packet + header_bytes
    p.sink = payload_out
    p.payload_bytes = end - header_bytes
    p.aad = packet
    p.aad_bytes = header_bytes
    packet_iv(p.iv, context.rtp_salt, packet + RTP_SSRC_AT, rtp_index(packet, roc))
    if context.suite.gcm:
        memcpy(p.tag, packet + end, GCM_TAG_BYTES)
        return p.payload_bytes if cipher_open(&engine.ciphers, context.suite, context.rtp_key, &p) else -DROP_AUTH_FAILED
    store_be32(counter, roc)
    if not hmac_verified(&context.rtp_hmac, packet, end, counter, packet + end):
        return -DROP_AUTH_FAILED
    return p.payload_bytes if cipher_ctr(&engine.ciphers, context.rtp_key, &p) else -DROP_AUTH_FAILED


# RTCP: 8 bytes readable, then ciphertext; then GCM has tag and E|index, SHA1 profiles have E|index and tag

cdef int protect_rtcp(SrtpEngine* engine, SrtpContext* context, uint8_t* packet, int n, uint32_t index) noexcept nogil:
    cdef CipherPass p
    cdef uint8_t[RTCP_AAD_BYTES] aad
    cdef uint8_t[DIGEST_BYTES] digest
    cdef void* key
    if n < RTCP_HEADER_BYTES:
        return -DROP_RTCP_MALFORMED
    key = cipher_rtcp_key(&engine.ciphers, context.suite, context.rtcp_key)
    if key == NULL:
        return -DROP_AUTH_FAILED
    begin_rtcp(&p, context, packet, n, E_FLAG | index)
    if context.suite.gcm:
        rtcp_aad(aad, &p, packet, E_FLAG | index)
        if not cipher_seal(&engine.ciphers, context.suite, key, &p):
            return -DROP_AUTH_FAILED
        memcpy(packet + n, p.tag, GCM_TAG_BYTES)
        store_be32(packet + n + GCM_TAG_BYTES, E_FLAG | index)
        return n + GCM_TAG_BYTES + RTCP_INDEX_BYTES
    if not cipher_ctr(&engine.ciphers, key, &p):
        return -DROP_AUTH_FAILED
    store_be32(packet + n, E_FLAG | index)
    hmac_sha1(&context.rtcp_hmac, packet, n + RTCP_INDEX_BYTES, NULL, digest)
    memcpy(packet + n + RTCP_INDEX_BYTES, digest, SHA1_80_TAG_BYTES)
    return n + RTCP_INDEX_BYTES + SHA1_80_TAG_BYTES


cdef int unprotect_rtcp(SrtpEngine* engine, SrtpContext* context, uint8_t* packet, int n,
                        uint32_t* index_out) noexcept nogil:
    """See srtp.pxd. Unencrypted SRTCP is refused: WebRTC never sends it (RFC 8827 section 6.5)."""
    cdef bint gcm = context.suite.gcm
    cdef int plain = n - RTCP_INDEX_BYTES - srtp_trailer_bytes(context.profile)
    cdef CipherPass p
    cdef uint8_t[RTCP_AAD_BYTES] aad
    cdef uint32_t flagged_index
    cdef const uint8_t* tag
    cdef void* key
    if plain < RTCP_HEADER_BYTES:
        return -DROP_RTCP_MALFORMED
    flagged_index = load_be32(packet + (n - RTCP_INDEX_BYTES if gcm else plain))
    if not flagged_index & E_FLAG:
        return -DROP_AUTH_FAILED
    tag = packet + plain + (0 if gcm else RTCP_INDEX_BYTES)
    if not gcm and not hmac_verified(&context.rtcp_hmac, packet, plain + RTCP_INDEX_BYTES, NULL, tag):
        return -DROP_AUTH_FAILED
    key = cipher_rtcp_key(&engine.ciphers, context.suite, context.rtcp_key)
    if key == NULL:
        return -DROP_AUTH_FAILED
    begin_rtcp(&p, context, packet, plain, flagged_index)
    if gcm:
        rtcp_aad(aad, &p, packet, flagged_index)
        memcpy(p.tag, tag, GCM_TAG_BYTES)
    if not (cipher_open(&engine.ciphers, context.suite, key, &p) if gcm else cipher_ctr(&engine.ciphers, key, &p)):
        return -DROP_AUTH_FAILED
    index_out[0] = flagged_index & ~E_FLAG
    return plain


cdef inline void begin_rtcp(CipherPass* p, SrtpContext* context, uint8_t* packet, int n,
                            uint32_t flagged_index) noexcept nogil:
    p.source = packet + RTCP_HEADER_BYTES
    p.sink = packet + RTCP_HEADER_BYTES
    p.payload_bytes = n - RTCP_HEADER_BYTES
    packet_iv(p.iv, context.rtcp_salt, packet + RTCP_SSRC_AT, flagged_index & ~E_FLAG)


cdef inline void rtcp_aad(uint8_t* aad, CipherPass* p, const uint8_t* packet, uint32_t flagged_index) noexcept nogil:
    """RFC 7714 section 9.2: the readable header, then E and the index."""
    memcpy(aad, packet, RTCP_HEADER_BYTES)
    store_be32(aad + RTCP_HEADER_BYTES, flagged_index)
    p.aad = aad
    p.aad_bytes = RTCP_AAD_BYTES


# Replay window: bit k stands for the packet k before the highest

cdef int replay_check(const ReplayWindow* window, uint64_t index) noexcept nogil:
    cdef uint64_t age
    if not window.started or index > window.highest:
        return 0
    age = window.highest - index
    if age >= 128:
        return DROP_TOO_OLD
    return DROP_REPLAYED if window.bits[age >> 6] >> (age & 63) & 1 else 0


cdef void replay_commit(ReplayWindow* window, uint64_t index) noexcept nogil:
    """Marks a packet that passed replay_check and authentication."""
    cdef uint64_t age
    if not window.started:
        window.started = True
        window.highest = index
        window.bits[0], window.bits[1] = 1, 0
    elif index > window.highest:
        slide(window, index - window.highest)
        window.highest = index
    else:
        age = window.highest - index
        if age < 128:
            window.bits[age >> 6] |= <uint64_t>1 << (age & 63)


cdef inline void slide(ReplayWindow* window, uint64_t by) noexcept nogil:
    """Moves the window up by at least one and marks its new head."""
    if by >= 128:
        window.bits[1] = 0
        window.bits[0] = 0
    elif by >= 64:
        window.bits[1] = window.bits[0] << (by - 64)
        window.bits[0] = 0
    else:
        window.bits[1] = window.bits[1] << by | window.bits[0] >> (64 - by)
        window.bits[0] <<= by
    window.bits[0] |= 1

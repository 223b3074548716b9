# SRTP and SRTCP framing (RFC 3711, RFC 7714) over a crypto back end chosen at run time.
#
# An `SrtpEngine` belongs to one thread. An `SrtpContext` holds the session keys of one direction of one Transport
# (all its SSRCs); it is read-only after creation. The caller keeps rollover counters and replay windows.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef enum SrtpProfile:                 # values are the DTLS-SRTP protection profile numbers (RFC 5764, RFC 7714)
    SRTP_AES128_CM_SHA1_80 = 0x0001
    SRTP_AEAD_AES_128_GCM = 0x0007
    SRTP_AEAD_AES_256_GCM = 0x0008

cdef enum SrtpBackend:
    SRTP_BACKEND_OPENSSL = 0
    SRTP_BACKEND_IPSEC_MB = 1

cdef enum:
    SRTP_MAX_TRAILER = 32              # room to leave behind a packet for tag (and SRTCP index)
    SRTP_BATCH = 128                   # most jobs in one protect_batch

cdef struct SrtpEngine                 # one thread's back end (ipsec-mb manager or EVP scratch)
cdef struct SrtpContext                # keys of one direction

cdef struct ProtectJob:
    SrtpContext* context
    const uint8_t* payload             # plaintext; may lie in a shared source packet, or be packet + header_bytes
    uint8_t* packet                    # the RTP header is already here; ciphertext and tag are written behind it
    uint32_t roc                       # rollover counter of this packet
    uint16_t header_bytes              # fixed header + CSRCs + extension
    uint16_t payload_bytes             # incl. RTP padding
    uint16_t packet_bytes              # out: length of the protected packet

cdef int srtp_best_backend() noexcept nogil            # honours HEADWATER_CRYPTO=openssl at first use
cdef SrtpEngine* srtp_engine_new(int backend) noexcept nogil        # NULL: that back end is not available
cdef void srtp_engine_free(SrtpEngine* engine) noexcept nogil
cdef int srtp_engine_backend(SrtpEngine* engine) noexcept nogil

cdef int srtp_key_bytes(int profile) noexcept nogil    # 16, 16, 32; -1: unknown profile
cdef int srtp_salt_bytes(int profile) noexcept nogil   # 14, 12, 12
cdef int srtp_trailer_bytes(int profile) noexcept nogil   # RTP tag: 10, 16, 16
cdef SrtpContext* srtp_context_new(SrtpEngine* engine, int profile, const uint8_t* master_key,
                                   const uint8_t* master_salt) noexcept nogil
cdef void srtp_context_free(SrtpContext* context) noexcept nogil
cdef int srtp_context_profile(SrtpContext* context) noexcept nogil

# Protects n <= SRTP_BATCH packets, any mix of contexts and profiles of this engine.
cdef void protect_batch(SrtpEngine* engine, ProtectJob* jobs, int n) noexcept nogil
# Writes the plaintext payload to `payload_out` (may be packet + header_bytes). Returns its length >= 0, or -Drop.
cdef int unprotect(SrtpEngine* engine, SrtpContext* context, const uint8_t* packet, int packet_bytes,
                   int header_bytes, uint32_t roc, uint8_t* payload_out) noexcept nogil
# In place; `packet` has SRTP_MAX_TRAILER spare bytes. Returns the new length, or -Drop.
cdef int protect_rtcp(SrtpEngine* engine, SrtpContext* context, uint8_t* packet, int n, uint32_t index) noexcept nogil
# In place, returns the plain length and the SRTCP index, or -Drop. The caller checks the index for replay.
cdef int unprotect_rtcp(SrtpEngine* engine, SrtpContext* context, uint8_t* packet, int n,
                        uint32_t* index_out) noexcept nogil

# 128-packet replay window over 48-bit indexes (RFC 3711 section 3.3.2).
cdef struct ReplayWindow:
    uint64_t highest
    uint64_t bits[2]
    bint started

cdef int replay_check(const ReplayWindow* window, uint64_t index) noexcept nogil     # 0, DROP_REPLAYED or DROP_TOO_OLD
cdef void replay_commit(ReplayWindow* window, uint64_t index) noexcept nogil


cdef inline uint64_t srtp_guess_index(uint64_t highest, bint started, uint16_t seq) noexcept nogil:
    """The 48-bit index of a packet, `highest` being the highest authenticated one (RFC 3711 section 3.3.1).

    In the first cycle there is no earlier one to guess, so a distant `seq` stays in it; authentication decides.
    """
    cdef uint64_t cycle = highest & ~<uint64_t>0xffff
    cdef uint16_t newest = <uint16_t>highest
    if not started:
        return seq
    if newest < 0x8000:
        if seq > newest + 0x8000 and cycle > 0:
            cycle -= 0x10000
    elif seq < newest - 0x8000:
        cycle += 0x10000
    return (cycle | seq) & ((<uint64_t>1 << 48) - 1)

"""Python faces of srtp for the tests. Refusals come back as negative numbers, as the packet core sees them."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from sfu._fastpath.includes.openssl_evp cimport EVP_CIPHER_CTX, EVP_CIPHER_CTX_free
from sfu._fastpath.stream cimport srtp, srtp_keys, srtp_openssl

AES128_CM_SHA1_80 = srtp.SRTP_AES128_CM_SHA1_80
AEAD_AES_128_GCM = srtp.SRTP_AEAD_AES_128_GCM
AEAD_AES_256_GCM = srtp.SRTP_AEAD_AES_256_GCM
OPENSSL = srtp.SRTP_BACKEND_OPENSSL
IPSEC_MB = srtp.SRTP_BACKEND_IPSEC_MB
MAX_TRAILER = srtp.SRTP_MAX_TRAILER
BATCH = srtp.SRTP_BATCH

cdef enum:
    ROOM = 2048                 # bytes of a packet slot
    CANARY = 0xA5


def best_backend() -> int:
    return srtp.srtp_best_backend()


def key_bytes(int profile) -> int:
    return srtp.srtp_key_bytes(profile)


def salt_bytes(int profile) -> int:
    return srtp.srtp_salt_bytes(profile)


def trailer_bytes(int profile) -> int:
    return srtp.srtp_trailer_bytes(profile)


def guess_index(uint64_t highest, bint started, uint16_t seq) -> int:
    return srtp.srtp_guess_index(highest, started, seq)


cdef class Engine:
    cdef srtp.SrtpEngine* engine

    def __cinit__(self, int backend) -> None:
        self.engine = srtp.srtp_engine_new(backend)
        if self.engine == NULL:
            raise ValueError(f"back end {backend} is not available")

    def __dealloc__(self) -> None:
        srtp.srtp_engine_free(self.engine)

    @property
    def backend(self) -> int:
        return srtp.srtp_engine_backend(self.engine)

    def protect(self, packets: list[tuple[Context, bytes, int, int]], in_place: bool = False) -> list[bytes]:
        """Protects (context, packet, header_bytes, roc) each in one batch; checks that nothing else was written."""
        cdef srtp.ProtectJob[srtp.SRTP_BATCH] jobs
        cdef int n = len(packets)
        cdef int i, length, header
        cdef Context context
        cdef bytes packet
        cdef uint8_t* slot
        slots = bytearray(n * ROOM)
        cdef uint8_t[::1] view = slots if n else bytearray(1)
        memset(&view[0], CANARY, n * ROOM)
        for i in range(n):
            context, packet, header, roc = packets[i]
            slot = &view[i * ROOM]
            length = len(packet)
            memcpy(slot, <const uint8_t*>packet, length if in_place else header)
            jobs[i].context = context.context
            jobs[i].packet = slot
            jobs[i].payload = <const uint8_t*>packet + header
            if in_place:
                jobs[i].payload = slot + header
            jobs[i].roc = roc
            jobs[i].header_bytes = header
            jobs[i].payload_bytes = length - header
        with nogil:
            srtp.protect_batch(self.engine, jobs, n)
        out = []
        for i in range(n):
            slot = &view[i * ROOM]
            assert all(byte == CANARY for byte in slots[i * ROOM + jobs[i].packet_bytes:(i + 1) * ROOM])
            out.append(PyBytes_FromStringAndSize(<char*>slot, jobs[i].packet_bytes))
        return out

    def unprotect(self, Context context, bytes packet, int header_bytes, uint32_t roc, in_place: bool = False) -> bytes | int:
        """The plaintext payload, or -Drop; checks that a refusal leaves no unverified plaintext behind."""
        cdef uint8_t[ROOM] slot
        cdef uint8_t[ROOM] payload
        cdef uint8_t* sink = payload
        cdef int n
        if in_place:
            sink = <uint8_t*>slot + header_bytes
        memcpy(slot, <const uint8_t*>packet, len(packet))
        memset(payload, CANARY, ROOM)
        n = srtp.unprotect(self.engine, context.context, slot, len(packet), header_bytes, roc, sink)
        if n < 0 and not in_place:
            assert set(payload[:ROOM]) <= {0, CANARY}
        return n if n < 0 else PyBytes_FromStringAndSize(<char*>sink, n)

    def protect_rtcp(self, Context context, bytes packet, uint32_t index) -> bytes | int:
        cdef uint8_t[ROOM] slot
        memcpy(slot, <const uint8_t*>packet, len(packet))
        cdef int n = srtp.protect_rtcp(self.engine, context.context, slot, len(packet), index)
        return n if n < 0 else PyBytes_FromStringAndSize(<char*>slot, n)

    def unprotect_rtcp(self, Context context, bytes packet) -> tuple[bytes, int] | int:
        cdef uint8_t[ROOM] slot
        cdef uint32_t index = 0
        memcpy(slot, <const uint8_t*>packet, len(packet))
        cdef int n = srtp.unprotect_rtcp(self.engine, context.context, slot, len(packet), &index)
        return n if n < 0 else (PyBytes_FromStringAndSize(<char*>slot, n), index)


cdef class Context:
    cdef srtp.SrtpContext* context
    cdef Engine engine          # contexts must not outlive it

    def __cinit__(self, Engine engine, int profile, bytes key, bytes salt) -> None:
        self.engine = engine
        self.context = srtp.srtp_context_new(engine.engine, profile, key, salt)
        if self.context == NULL:
            raise ValueError(f"profile {profile} is not known")

    def __dealloc__(self) -> None:
        srtp.srtp_context_free(self.context)

    @property
    def profile(self) -> int:
        return srtp.srtp_context_profile(self.context)


cdef class ReplayWindow:
    cdef srtp.ReplayWindow window

    def check(self, uint64_t index) -> int:
        return srtp.replay_check(&self.window, index)

    def commit(self, uint64_t index) -> None:
        srtp.replay_commit(&self.window, index)


def derive_keys(bytes key, bytes salt, bint rtcp = False) -> tuple[bytes, bytes, bytes]:
    """Session encryption key, authentication key and salt row."""
    cdef srtp_keys.SessionKeys keys
    if not srtp_keys.derive_keys(&keys, srtp_keys.LABEL_RTCP if rtcp else 0, key, len(key), salt, len(salt)):
        raise ValueError("refused")
    return keys.encryption[:len(key)], keys.authentication[:20], keys.salt[:16]


def packet_iv(bytes salt_row, bytes ssrc, uint64_t index) -> bytes:
    cdef uint8_t[16] iv
    srtp_keys.packet_iv(iv, salt_row, ssrc, index)
    return iv[:16]


def key_stream(bytes key, bytes iv, int n) -> bytes:
    """`n` bytes of AES-CM key stream."""
    cdef srtp_openssl.CipherPass p
    cdef EVP_CIPHER_CTX* cipher = srtp_openssl.openssl_cipher(False, 16, key)
    zeros = bytes(n)
    out = bytearray(n)
    memcpy(p.iv, <const uint8_t*>iv, 16)
    p.source = zeros
    p.sink = out
    p.payload_bytes = n
    assert srtp_openssl.openssl_ctr(cipher, &p)
    EVP_CIPHER_CTX_free(cipher)
    return bytes(out)


def gcm_seal(bytes key, bytes iv_row, bytes aad, bytes plaintext) -> bytes:
    """Ciphertext and tag under a session key."""
    cdef srtp_openssl.CipherPass p
    cdef EVP_CIPHER_CTX* cipher = srtp_openssl.openssl_cipher(True, len(key), key)
    out = bytearray(len(plaintext))
    memcpy(p.iv, <const uint8_t*>iv_row, 16)
    p.source = plaintext
    p.sink = out
    p.aad = aad
    p.payload_bytes = len(plaintext)
    p.aad_bytes = len(aad)
    assert srtp_openssl.openssl_seal(cipher, &p)
    EVP_CIPHER_CTX_free(cipher)
    return bytes(out) + p.tag[:16]

"""STUN for ICE: binding requests, their answers and their checks (RFC 8489, RFC 8445 section 7).

Short-term credentials only: the key of MESSAGE-INTEGRITY is the ICE password. `stun_parse` proves nothing about who
sent a message; `stun_check_fingerprint` and `stun_check_integrity` do.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from sfu._fastpath.includes.openssl_hmac cimport CRYPTO_memcmp
from sfu._fastpath.wire.crc32 cimport crc32
from sfu._fastpath.wire.drops cimport DROP_STUN_MALFORMED
from sfu._fastpath.wire.endian cimport load_be16, load_be32, load_be64, store_be16, store_be32, store_be64
from sfu._fastpath.wire.hmac_sha1 cimport HmacSha1, hmac_sha1_add, hmac_sha1_close, hmac_sha1_open, SHA1_BYTES

cdef enum:
    STUN_HEADER_BYTES = 20
    STUN_MAGIC_COOKIE = 0x2112a442
    STUN_FINGERPRINT_XOR = 0x5354554e
    STUN_MAX_UNKNOWN = 4
    STUN_BAD_REQUEST = 400
    STUN_UNAUTHENTICATED = 401
    STUN_UNKNOWN_ATTRIBUTE = 420
    STUN_ROLE_CONFLICT = 487

cdef enum StunType:                # method and class together, as they are on the wire
    STUN_BINDING_REQUEST = 0x0001
    STUN_BINDING_INDICATION = 0x0011
    STUN_BINDING_SUCCESS = 0x0101
    STUN_BINDING_ERROR = 0x0111

cdef enum StunAttribute:
    STUN_MAPPED_ADDRESS = 0x0001
    STUN_USERNAME = 0x0006
    STUN_MESSAGE_INTEGRITY = 0x0008
    STUN_ERROR_CODE = 0x0009
    STUN_UNKNOWN_ATTRIBUTES = 0x000a
    STUN_REALM = 0x0014
    STUN_NONCE = 0x0015
    STUN_XOR_MAPPED_ADDRESS = 0x0020
    STUN_PRIORITY = 0x0024
    STUN_USE_CANDIDATE = 0x0025
    STUN_FIRST_OPTIONAL = 0x8000   # from here on: comprehension-optional
    STUN_FINGERPRINT = 0x8028
    STUN_ICE_CONTROLLED = 0x8029
    STUN_ICE_CONTROLLING = 0x802a

cdef struct StunMessage:
    uint16_t method_class          # a StunType, or another method's
    const uint8_t* transaction     # 12 bytes in the message
    const uint8_t* username        # in the message; NULL if there is none
    int username_bytes
    uint32_t priority
    uint64_t tie_breaker
    bint use_candidate
    bint ice_controlling
    bint ice_controlled
    bint has_integrity
    bint has_fingerprint
    int integrity_offset           # of the attribute's header in the message
    int fingerprint_offset
    uint16_t error_code
    bint has_mapped_address
    uint16_t[STUN_MAX_UNKNOWN] unknown     # comprehension-required and unknown here, the first few
    int unknown_count


cdef inline int stun_parse(const uint8_t* p, int n, StunMessage* out) noexcept nogil:
    """Header and attributes of exactly one message. 0 or DROP_STUN_MALFORMED.

    Of an attribute that comes twice the first one counts (RFC 8489 section 14). What follows MESSAGE-INTEGRITY is not
    protected, so of that only FINGERPRINT counts (14.5); nothing may follow FINGERPRINT (14.7).
    """
    cdef int at = STUN_HEADER_BYTES
    cdef int length
    cdef uint16_t type
    if n < STUN_HEADER_BYTES or n & 3 or p[0] & 0xc0:
        return DROP_STUN_MALFORMED
    if load_be32(p + 4) != STUN_MAGIC_COOKIE or load_be16(p + 2) != n - STUN_HEADER_BYTES:
        return DROP_STUN_MALFORMED
    memset(out, 0, sizeof(StunMessage))
    out.method_class = load_be16(p)
    out.transaction = p + 8
    while at < n:
        type = load_be16(p + at)
        length = load_be16(p + at + 2)
        if length > n - at - 4 or out.has_fingerprint:
            return DROP_STUN_MALFORMED
        if type == STUN_FINGERPRINT:
            if length != 4:
                return DROP_STUN_MALFORMED
            out.has_fingerprint = True
            out.fingerprint_offset = at
        elif not out.has_integrity and not stun_note(p, at, type, length, out):
            return DROP_STUN_MALFORMED
        at += 4 + ((length + 3) & ~3)
    return 0


cdef inline bint stun_note(const uint8_t* p, int at, uint16_t type, int length, StunMessage* out) noexcept nogil:
    """Takes in one attribute up to and including MESSAGE-INTEGRITY; False if its length is wrong."""
    cdef const uint8_t* value = p + at + 4
    if type == STUN_USERNAME:
        if out.username == NULL:
            out.username = value
            out.username_bytes = length
    elif type == STUN_MESSAGE_INTEGRITY:
        out.has_integrity = True
        out.integrity_offset = at
        return length == SHA1_BYTES
    elif type == STUN_PRIORITY:
        if length == 4 and out.priority == 0:
            out.priority = load_be32(value)
        return length == 4
    elif type == STUN_USE_CANDIDATE:
        out.use_candidate = True
        return length == 0
    elif type == STUN_ICE_CONTROLLING or type == STUN_ICE_CONTROLLED:
        return stun_note_role(type, value, length, out)
    elif type == STUN_XOR_MAPPED_ADDRESS or type == STUN_MAPPED_ADDRESS:
        out.has_mapped_address = True
        return length == 8 or length == 20
    elif type == STUN_ERROR_CODE:
        if length < 4:
            return False
        if out.error_code == 0:
            out.error_code = <uint16_t>((value[2] & 0x07) * 100 + value[3])
    elif type < STUN_FIRST_OPTIONAL and type not in (STUN_UNKNOWN_ATTRIBUTES, STUN_REALM, STUN_NONCE):
        if out.unknown_count < STUN_MAX_UNKNOWN:
            out.unknown[out.unknown_count] = type
            out.unknown_count += 1
    return True


cdef inline bint stun_note_role(uint16_t type, const uint8_t* value, int length, StunMessage* out) noexcept nogil:
    """A message may claim one role (RFC 8445 section 7.1.3)."""
    if length != 8 or (out.ice_controlled if type == STUN_ICE_CONTROLLING else out.ice_controlling):
        return False
    if not out.ice_controlling and not out.ice_controlled:
        out.tie_breaker = load_be64(value)
    if type == STUN_ICE_CONTROLLING:
        out.ice_controlling = True
    else:
        out.ice_controlled = True
    return True


cdef inline bint stun_check_fingerprint(const uint8_t* p, int n, const StunMessage* msg) noexcept nogil:
    """Whether the message (as parsed from these `n` bytes) ends in a right FINGERPRINT (RFC 8489 section 14.7)."""
    if not msg.has_fingerprint or msg.fingerprint_offset + 8 != n:
        return False
    return load_be32(p + msg.fingerprint_offset + 4) == crc32(p, msg.fingerprint_offset) ^ <uint32_t>STUN_FINGERPRINT_XOR


cdef inline bint stun_check_integrity(const uint8_t* p, int n, const StunMessage* msg, const uint8_t* pwd,
                                      int pwd_bytes) noexcept nogil:
    """Whether MESSAGE-INTEGRITY is there and right under this password (RFC 8489 section 14.5), in constant time."""
    cdef uint8_t[SHA1_BYTES] mac
    if not msg.has_integrity or msg.integrity_offset + 4 + SHA1_BYTES > n:
        return False
    stun_mac(p, msg.integrity_offset, pwd, pwd_bytes, mac)
    return CRYPTO_memcmp(mac, p + msg.integrity_offset + 4, SHA1_BYTES) == 0


cdef inline void stun_mac(const uint8_t* p, int offset, const uint8_t* pwd, int pwd_bytes, uint8_t* mac) noexcept nogil:
    """MAC of what is before `offset`, with the length field as if the message ended behind MESSAGE-INTEGRITY."""
    cdef HmacSha1 h
    cdef uint8_t[4] head
    memcpy(head, p, 2)
    store_be16(head + 2, <uint16_t>(offset + 4 + SHA1_BYTES - STUN_HEADER_BYTES))
    hmac_sha1_open(&h, pwd, pwd_bytes)
    hmac_sha1_add(&h, head, 4)
    hmac_sha1_add(&h, p + 4, offset - 4)
    hmac_sha1_close(&h, mac)


cdef struct StunWriter:
    uint8_t* start
    int capacity
    int used                       # -1 once something did not fit


cdef inline void stun_open(StunWriter* w, uint8_t* out, int capacity, uint16_t type,
                           const uint8_t* transaction) noexcept nogil:
    w.start = out
    w.capacity = capacity
    w.used = -1
    if capacity >= STUN_HEADER_BYTES:
        store_be16(out, type)
        store_be32(out + 4, STUN_MAGIC_COOKIE)
        memcpy(out + 8, transaction, 12)
        w.used = STUN_HEADER_BYTES


cdef inline uint8_t* stun_add(StunWriter* w, uint16_t type, int length) noexcept nogil:
    """Room for the value of one attribute, zero padded; NULL if it does not fit."""
    cdef int total = 4 + ((length + 3) & ~3)
    cdef uint8_t* p
    if w.used < 0 or length < 0 or length > 0xffff or total > w.capacity - w.used:
        w.used = -1
        return NULL
    p = w.start + w.used
    memset(p, 0, total)
    store_be16(p, type)
    store_be16(p + 2, <uint16_t>length)
    w.used += total
    return p + 4


cdef inline void stun_add_bytes(StunWriter* w, uint16_t type, const uint8_t* value, int length) noexcept nogil:
    cdef uint8_t* p = stun_add(w, type, length)
    if p != NULL and length:
        memcpy(p, value, length)


cdef inline void stun_add_xor_address(StunWriter* w, int family, const uint8_t* addr, uint16_t port) noexcept nogil:
    """XOR-MAPPED-ADDRESS (RFC 8489 section 14.2): `addr` is 4 or 16 bytes in network order as `family` says."""
    cdef int bytes = 4 if family == 4 else 16
    cdef uint8_t* p = stun_add(w, STUN_XOR_MAPPED_ADDRESS, 4 + bytes)
    cdef int i
    if p == NULL:
        return
    p[1] = 1 if family == 4 else 2
    store_be16(p + 2, port ^ <uint16_t>(STUN_MAGIC_COOKIE >> 16))
    for i in range(bytes):
        p[4 + i] = addr[i] ^ w.start[4 + i]


cdef inline int stun_close(StunWriter* w, const uint8_t* pwd, int pwd_bytes) noexcept nogil:
    """MESSAGE-INTEGRITY (unless there is no password), FINGERPRINT and the length. The message's bytes, or 0."""
    cdef uint8_t* p
    cdef int offset
    if pwd_bytes > 0:
        offset = w.used
        p = stun_add(w, STUN_MESSAGE_INTEGRITY, SHA1_BYTES)
        if p != NULL:
            stun_mac(w.start, offset, pwd, pwd_bytes, p)
    offset = w.used
    p = stun_add(w, STUN_FINGERPRINT, 4)
    if p == NULL:
        return 0
    store_be16(w.start + 2, <uint16_t>(w.used - STUN_HEADER_BYTES))
    store_be32(p, crc32(w.start, offset) ^ <uint32_t>STUN_FINGERPRINT_XOR)
    return w.used


cdef inline int stun_write_binding_response(
    uint8_t* out, int capacity, const uint8_t* transaction, int family, const uint8_t* addr, uint16_t port,
    const uint8_t* pwd, int pwd_bytes,
) noexcept nogil:
    """A success response that tells the far end its address. Bytes written; 0 if `capacity` is too small."""
    cdef StunWriter w
    stun_open(&w, out, capacity, STUN_BINDING_SUCCESS, transaction)
    stun_add_xor_address(&w, family, addr, port)
    return stun_close(&w, pwd, pwd_bytes)


cdef inline int stun_write_error_response(
    uint8_t* out, int capacity, const uint8_t* transaction, int code, const uint16_t* unknown, int unknown_count,
    const uint8_t* pwd, int pwd_bytes,
) noexcept nogil:
    """An error response, without a reason phrase. Bytes written; 0 if `capacity` is too small.

    401 never carries MESSAGE-INTEGRITY (RFC 8489 section 9.1.3), nor does any other code when `pwd_bytes` is 0.
    """
    cdef StunWriter w
    cdef uint8_t* p
    cdef int i
    stun_open(&w, out, capacity, STUN_BINDING_ERROR, transaction)
    p = stun_add(&w, STUN_ERROR_CODE, 4)
    if p != NULL:
        p[2] = <uint8_t>(code // 100)
        p[3] = <uint8_t>(code % 100)
    if unknown_count > 0:
        p = stun_add(&w, STUN_UNKNOWN_ATTRIBUTES, 2 * unknown_count)
        if p != NULL:
            for i in range(unknown_count):
                store_be16(p + 2 * i, unknown[i])
    return stun_close(&w, pwd, 0 if code == STUN_UNAUTHENTICATED else pwd_bytes)


cdef inline int stun_write_binding_request(
    uint8_t* out, int capacity, const uint8_t* transaction, const uint8_t* username, int username_bytes,
    const uint8_t* pwd, int pwd_bytes, uint32_t priority, uint64_t tie_breaker, bint controlling, bint use_candidate,
) noexcept nogil:
    """A connectivity or consent check (RFC 8445 section 7.2.2). Bytes written; 0 if `capacity` is too small."""
    cdef StunWriter w
    cdef uint8_t* p
    stun_open(&w, out, capacity, STUN_BINDING_REQUEST, transaction)
    stun_add_bytes(&w, STUN_USERNAME, username, username_bytes)
    p = stun_add(&w, STUN_PRIORITY, 4)
    if p != NULL:
        store_be32(p, priority)
    p = stun_add(&w, STUN_ICE_CONTROLLING if controlling else STUN_ICE_CONTROLLED, 8)
    if p != NULL:
        store_be64(p, tie_breaker)
    if use_candidate:
        stun_add(&w, STUN_USE_CANDIDATE, 0)
    return stun_close(&w, pwd, pwd_bytes)

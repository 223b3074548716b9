from libc.string cimport memcmp
from sfu._fastpath.includes.linux cimport AF_INET, ntohs
from sfu._fastpath.stream.srtp cimport protect_rtcp
from sfu._fastpath.wire.endian cimport store_be32, store_be64
from sfu._fastpath.wire.stun cimport (
    StunMessage, stun_check_integrity, stun_parse, stun_write_binding_request, stun_write_binding_response,
)
from bench.load.ports cimport TX_BYTES, tx_commit, tx_reserve

cdef enum:
    BINDING_REQUEST = 0x0001
    BINDING_SUCCESS = 0x0101
    HOST_PRIORITY = (126 << 24) | (65535 << 8) | 255


cdef uint64_t next_random(Outlet* outlet) noexcept nogil:
    """xorshift64: enough for traffic shapes and transaction ids of a load tool, never for keys."""
    cdef uint64_t x = outlet.random
    x ^= x << 13
    x ^= x >> 7
    x ^= x << 17
    outlet.random = x
    return x


cdef TxSlot* transport_slot(Outlet* outlet, Transport* transport) noexcept nogil:
    cdef TxSlot* slot = tx_reserve(&outlet.tx)
    slot.fd = transport.fd
    slot.local_ip = transport.local_ip
    slot.remote.sin_family = AF_INET
    slot.remote.sin_port = transport.remote_port
    slot.remote.sin_addr.s_addr = transport.remote_ip
    return slot


cdef void transport_check(Outlet* outlet, Transport* transport) noexcept nogil:
    """Sends a connectivity or consent check; an unanswered one is repeated under its transaction."""
    cdef TxSlot* slot = transport_slot(outlet, transport)
    if transport.answered:
        store_be64(transport.transaction, next_random(outlet))
        store_be32(transport.transaction + 8, <uint32_t> next_random(outlet))
        transport.answered = False
    slot.n = stun_write_binding_request(
        slot.packet, TX_BYTES, transport.transaction, transport.username, transport.username_bytes,
        transport.remote_pwd, transport.remote_pwd_bytes, HOST_PRIORITY, transport.tie_breaker, True, True,
    )
    transport.next_check_us = outlet.now_us + (CONSENT_US if transport.ice == ICE_CONNECTED else CHECK_RETRY_US)
    if slot.n > 0:
        outlet.checks_sent += 1
        tx_commit(&outlet.tx)


cdef bint transport_receive_stun(Outlet* outlet, Transport* transport, const uint8_t* p, int n) noexcept nogil:
    cdef StunMessage message
    if stun_parse(p, n, &message) != 0:
        return False
    if message.method_class == BINDING_REQUEST:
        answer_check(outlet, transport, p, n, &message)
        return False
    if message.method_class != BINDING_SUCCESS or memcmp(message.transaction, transport.transaction, 12) != 0:
        return False
    if not stun_check_integrity(p, n, &message, transport.remote_pwd, transport.remote_pwd_bytes):
        return False
    transport.answered = True
    transport.next_check_us = outlet.now_us + CONSENT_US
    if transport.ice == ICE_CONNECTED:
        return False
    transport.ice = ICE_CONNECTED
    transport.connected_us = outlet.now_us
    return True


cdef void answer_check(Outlet* outlet, Transport* transport, const uint8_t* p, int n, StunMessage* message) noexcept nogil:
    """A far end with a full ICE agent checks us too (RFC 8445 section 7.3)."""
    cdef TxSlot* slot
    if not stun_check_integrity(p, n, message, transport.local_pwd, transport.local_pwd_bytes):
        return
    slot = transport_slot(outlet, transport)
    slot.n = stun_write_binding_response(
        slot.packet, TX_BYTES, message.transaction, 4, <const uint8_t*> &transport.remote_ip,
        ntohs(transport.remote_port), transport.local_pwd, transport.local_pwd_bytes,
    )
    if slot.n > 0:
        tx_commit(&outlet.tx)


cdef void transport_commit_rtcp(Outlet* outlet, Transport* transport, TxSlot* slot, int n) noexcept nogil:
    if transport.tx == NULL:
        return
    transport.rtcp_index += 1
    slot.n = protect_rtcp(outlet.crypto, transport.tx, slot.packet, n, transport.rtcp_index)
    if slot.n > 0:
        outlet.rtcp_sent += 1
        tx_commit(&outlet.tx)

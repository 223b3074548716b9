"""STUN towards the Transports of one Worker.

A ufrag starts with a routing hint (sfu/rtc/ice.py): 4 characters of the Node, 1 of the Worker, 6 of the Transport
handle. So the owner is found without a look-up, and a request for another Worker is handed on.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset
from sfu._fastpath.batch cimport batch_commit_to, batch_flush, batch_reserve
from sfu._fastpath.core cimport (
    MAX_PUNT_BYTES, MAX_WORKERS, NOTICE_TRANSPORT, RELAY_DATAGRAM, PuntSlot, RelaySlot, count_drop, notify,
)
from sfu._fastpath.includes.linux cimport AF_INET6, ntohs
from sfu._fastpath.ring cimport ring_commit, ring_reserve, ring_room
from sfu._fastpath.selection cimport reselect_transport
from sfu._fastpath.stream.history cimport MAX_PAYLOAD_BYTES
from sfu._fastpath.tables cimport (
    MAX_ADDRESSES, TRANSPORT_ADDRESS_CHANGED, TRANSPORT_CONNECTED, TRANSPORT_EXPIRED, IceCredentials,
    address_equal, address_insert, address_remove, index_of, transport_get,
)
from sfu._fastpath.wire.drops cimport (
    DROP_PUNT_FULL, DROP_STUN_BAD_FINGERPRINT, DROP_STUN_BAD_INTEGRITY, DROP_STUN_NOT_REQUEST,
    DROP_STUN_TOO_MANY, DROP_STUN_UNKNOWN_UFRAG, DROP_STUN_WRONG_WORKER, DROP_TOO_LARGE,
)
from sfu._fastpath.wire.stun cimport (
    StunMessage, stun_check_fingerprint, stun_check_integrity, stun_parse, stun_write_binding_response,
    stun_write_error_response,
)

cdef enum:
    BINDING_REQUEST = 0x0001
    NODE_HINT_BYTES = 4
    WORKER_HINT_BYTES = 1
    HANDLE_HINT_BYTES = 6
    HINT_BYTES = 11
    PUNTS_PER_WINDOW = 64          # datagrams of one Transport that Python sees in PUNT_WINDOW_US
    PUNT_WINDOW_US = 1000000
    MAX_CHECK_BYTES = 548          # what fits any IPv4 path (RFC 8489 section 6.1); longer ones only cost time
    CHECKS_PER_WINDOW = 200        # answered to one Transport in CHECK_WINDOW_US; agents send fewer than 50
    CHECK_WINDOW_US = 1000000
    ERROR_UNKNOWN_ATTRIBUTE = 420
    ERROR_ROLE_CONFLICT = 487


cdef void receive_stun(Core* c, Datagram* d, uint64_t now_us) noexcept nogil:
    """Answers a binding request that proves knowledge of a Transport's password; everything else is a Drop."""
    cdef StunMessage m
    cdef Transport* transport
    cdef IceCredentials* credentials
    cdef uint32_t worker
    cdef int refused = DROP_TOO_LARGE if d.bytes > MAX_CHECK_BYTES else stun_parse(d.data, <int> d.bytes, &m)
    if refused == 0 and m.method_class != BINDING_REQUEST:
        refused = DROP_STUN_NOT_REQUEST
    if refused:
        count_drop(c, refused)
        return
    if m.username_bytes < HINT_BYTES or memcmp(m.username, c.node_hint, NODE_HINT_BYTES) != 0:
        count_drop(c, DROP_STUN_UNKNOWN_UFRAG)
        return
    worker = ice_value(m.username + NODE_HINT_BYTES, WORKER_HINT_BYTES)
    if worker != c.worker_index:
        hand_on(c, d, &m, worker)
        return
    transport = transport_get(
        c.tables, ice_value(m.username + NODE_HINT_BYTES + WORKER_HINT_BYTES, HANDLE_HINT_BYTES))
    credentials = find_credentials(transport, &m)
    if credentials == NULL:
        count_drop(c, DROP_STUN_UNKNOWN_UFRAG)
        return
    if not m.has_integrity or not stun_check_integrity(
            d.data, <int> d.bytes, &m, credentials.pwd, credentials.pwd_bytes):
        count_drop(c, DROP_STUN_BAD_INTEGRITY)
        return
    if m.has_fingerprint and not stun_check_fingerprint(d.data, <int> d.bytes, &m):
        count_drop(c, DROP_STUN_BAD_FINGERPRINT)
        return
    if now_us - transport.check_window_us > CHECK_WINDOW_US:
        transport.check_window_us = now_us
        transport.checks_in_window = 0
    transport.checks_in_window += 1
    if transport.checks_in_window > CHECKS_PER_WINDOW:
        count_drop(c, DROP_STUN_TOO_MANY)
        return
    answer(c, transport, credentials, d, &m, now_us)


cdef uint32_t ice_value(const uint8_t* p, int n) noexcept nogil:
    """A number in ice-chars (RFC 8839 section 5.1: A-Z a-z 0-9 + /), most significant first; 2^32 - 1 if it is none."""
    cdef uint32_t value = 0
    cdef uint32_t digit
    cdef int i
    for i in range(n):
        if 65 <= p[i] <= 90:
            digit = p[i] - 65
        elif 97 <= p[i] <= 122:
            digit = p[i] - 71
        elif 48 <= p[i] <= 57:
            digit = p[i] + 4
        elif p[i] == 43:
            digit = 62
        elif p[i] == 47:
            digit = 63
        else:
            return <uint32_t> 0xffffffff
        value = value << 6 | digit
    return value


cdef IceCredentials* find_credentials(Transport* transport, const StunMessage* m) noexcept nogil:
    """The credentials whose whole ufrag leads USERNAME (RFC 8445 section 7.2.2: `local:remote`)."""
    cdef int i
    cdef IceCredentials* k
    if transport == NULL:
        return NULL
    for i in range(transport.credentials):
        k = &transport.local[i]
        if (m.username_bytes > k.ufrag_bytes and m.username[k.ufrag_bytes] == 58
                and memcmp(m.username, k.ufrag, k.ufrag_bytes) == 0):
            return k
    return NULL


cdef void hand_on(Core* c, const Datagram* d, const StunMessage* m, uint32_t worker) noexcept nogil:
    """Passes a request to the Worker its hint names; that one answers from its own port, and accounts for it.

    Anybody may send these, so they take at most half of a ring that carries media.
    """
    cdef RelaySlot* slot = NULL
    if worker >= MAX_WORKERS or c.peers_out[worker] == NULL or d.bytes > MAX_PAYLOAD_BYTES:
        count_drop(c, DROP_STUN_WRONG_WORKER)
        return
    if m.has_fingerprint and not stun_check_fingerprint(d.data, <int> d.bytes, m):
        count_drop(c, DROP_STUN_BAD_FINGERPRINT)
        return
    if ring_room(c.peers_out[worker]) > (c.peers_out[worker].mask + 1) // 2:
        slot = <RelaySlot*> ring_reserve(c.peers_out[worker])
    if slot == NULL:
        count_drop(c, DROP_STUN_WRONG_WORKER)
        return
    slot.kind = RELAY_DATAGRAM
    slot.bytes = d.bytes
    slot.remote = d.remote
    slot.remote_bytes = d.remote_bytes
    memcpy(slot.packet.payload, d.data, d.bytes)
    ring_commit(c.peers_out[worker])
    c.relayed_to[worker] = True
    c.counters.datagrams_in -= 1
    c.counters.bytes_in -= d.bytes


cdef void answer(Core* c, Transport* transport, IceCredentials* credentials, Datagram* d, const StunMessage* m,
                 uint64_t now_us) noexcept nogil:
    """One response for one authenticated request; a success also learns or nominates the address."""
    cdef Address from_address
    cdef uint8_t* out
    cdef int n
    cdef int error = 0
    cdef bint is_v6
    address_of(&d.remote, &from_address)
    is_v6 = from_address.is_v6
    c.counters.stun_in += 1
    transport.heard_us = now_us
    if m.unknown_count:
        error = ERROR_UNKNOWN_ATTRIBUTE
    elif m.ice_controlled and not m.ice_controlling:
        error = ERROR_ROLE_CONFLICT
    batch_flush(&c.batch)
    out = batch_reserve(&c.batch)
    if error:
        n = stun_write_error_response(out, MAX_PUNT_BYTES, m.transaction, error, m.unknown, m.unknown_count,
                                      credentials.pwd, credentials.pwd_bytes)
    else:
        n = stun_write_binding_response(
            out, MAX_PUNT_BYTES, m.transaction, 6 if is_v6 else 4,
            &from_address.ip[0 if is_v6 else 12], from_address.port,
            credentials.pwd, credentials.pwd_bytes)
        learn_address(c, transport, &from_address, d, m.use_candidate)
        if credentials == &transport.local[0] and m.use_candidate:
            transport.credentials = 1
    if n > 0:
        c.reply_to = d.remote
        batch_commit_to(&c.batch, &c.reply_to, d.remote_bytes, <uint32_t> n)
        batch_flush(&c.batch)


cdef void learn_address(Core* c, Transport* transport, const Address* address, const Datagram* d,
                        bint nominated) noexcept nogil:
    """Accepts datagrams from a validated address; sends to the nominated one (or the first, until one is)."""
    cdef uint32_t index = index_of(transport.handle)
    cdef bint known = False
    cdef bint moved
    cdef int i
    for i in range(transport.address_count):
        known = known or address_equal(&transport.addresses[i], address)
    if not known:
        if transport.address_count == MAX_ADDRESSES:
            forget_address(c, transport)
        transport.addresses[transport.address_count] = address[0]
        transport.address_count += 1
    address_insert(c.tables, address, index)
    if transport.has_remote and (not nominated or address_equal(&transport.remote_address, address)):
        return
    moved = transport.has_remote
    transport.remote = d.remote
    transport.remote_bytes = d.remote_bytes
    transport.remote_address = address[0]
    transport.has_remote = True
    if not moved:
        reselect_transport(c, transport)
    transport.state |= TRANSPORT_CONNECTED | (TRANSPORT_ADDRESS_CHANGED if moved else 0)
    notify(c, c.transport_notices, NOTICE_TRANSPORT, index, transport.handle, transport.state)


cdef void forget_address(Core* c, Transport* transport) noexcept nogil:
    """Makes room by dropping the oldest address that is not in use."""
    cdef int i
    cdef int victim = 0
    while victim < transport.address_count - 1 and address_equal(
            &transport.addresses[victim], &transport.remote_address):
        victim += 1
    address_remove(c.tables, &transport.addresses[victim], index_of(transport.handle))
    transport.address_count -= 1
    for i in range(victim, transport.address_count):
        transport.addresses[i] = transport.addresses[i + 1]


cdef void punt_dtls(Core* c, Transport* transport, const Datagram* d, uint64_t now_us) noexcept nogil:
    """Hands a DTLS datagram of a known address to Python, so many a second; the far end repeats what is lost."""
    cdef PuntSlot* slot
    if d.bytes > MAX_PUNT_BYTES:
        count_drop(c, DROP_TOO_LARGE)
        return
    if now_us - transport.punt_window_us > PUNT_WINDOW_US:
        transport.punt_window_us = now_us
        transport.punts_in_window = 0
    slot = NULL
    if transport.punts_in_window < PUNTS_PER_WINDOW:
        slot = <PuntSlot*> ring_reserve(c.punts)
    if slot == NULL:
        count_drop(c, DROP_PUNT_FULL)
        return
    transport.punts_in_window += 1
    slot.transport = transport.handle
    slot.bytes = d.bytes
    memcpy(slot.data, d.data, d.bytes)
    ring_commit(c.punts)
    c.counters.dtls_in += 1
    c.raised = True


cdef void expire_transports(Core* c, uint64_t now_us, uint32_t slice_count) noexcept nogil:
    """Looks at the next few Transports: one that was not heard for `consent_us` is reported once."""
    cdef Transport* transport
    if c.tables.transport_high == 0:
        return
    for _ in range(min(slice_count, c.tables.transport_high)):
        c.consent_cursor = (c.consent_cursor + 1) % c.tables.transport_high
        transport = &c.tables.transports[c.consent_cursor]
        if transport.handle == 0 or transport.state & TRANSPORT_EXPIRED:
            continue
        if now_us > transport.heard_us and now_us - transport.heard_us > c.consent_us:
            transport.state |= TRANSPORT_EXPIRED
            transport.has_remote = False
            reselect_transport(c, transport)
            notify(c, c.transport_notices, NOTICE_TRANSPORT, c.consent_cursor, transport.handle, transport.state)


cdef void address_of(const Sockaddr* remote, Address* out) noexcept nogil:
    """Socket address to table key; IPv4 as an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2)."""
    memset(out, 0, sizeof(Address))
    if remote.v6.sin6_family == AF_INET6:
        out.is_v6 = True
        out.port = ntohs(remote.v6.sin6_port)
        memcpy(out.ip, &remote.v6.sin6_addr, 16)
        return
    out.port = ntohs(remote.v4.sin_port)
    out.ip[10] = 0xff
    out.ip[11] = 0xff
    memcpy(out.ip + 12, &remote.v4.sin_addr, 4)

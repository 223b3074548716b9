"""Tables of Transports, Tracks and Subscriptions; the address index; listener lists."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcmp, memset
from sfu._fastpath.stream.history cimport history_free, history_init
from sfu._fastpath.stream.nack cimport nack_init
from sfu._fastpath.stream.reception cimport reception_init
from sfu._fastpath.stream.srtp cimport srtp_context_free


cdef Tables* tables_new(uint32_t transports, uint32_t tracks, uint32_t subscriptions, uint64_t seed) noexcept nogil:
    """Allocates once; pages are touched as slots are first used. NULL: out of memory."""
    cdef Tables* t = <Tables*> calloc(1, sizeof(Tables))
    cdef uint32_t slots = 16
    cdef uint32_t i
    if t == NULL:
        return NULL
    while slots < 2 * MAX_ADDRESSES * transports:
        slots *= 2
    t.transport_capacity, t.track_capacity, t.subscription_capacity = transports, tracks, subscriptions
    t.transports = <Transport*> calloc(transports, sizeof(Transport))
    t.transport_free = <uint32_t*> calloc(transports, sizeof(uint32_t))
    t.tracks = <Track*> calloc(tracks, sizeof(Track))
    t.track_free = <uint32_t*> calloc(tracks, sizeof(uint32_t))
    t.subscriptions = <Subscription*> calloc(subscriptions, sizeof(Subscription))
    t.subscription_free = <uint32_t*> calloc(subscriptions, sizeof(uint32_t))
    t.profile_capacity = min(subscriptions, <uint32_t> MAX_PROFILES)
    t.profiles = <ExtProfile*> calloc(t.profile_capacity, sizeof(ExtProfile))
    t.profile_users = <uint32_t*> calloc(t.profile_capacity, sizeof(uint32_t))
    t.address_slots = <AddressSlot*> calloc(slots, sizeof(AddressSlot))
    t.address_mask = slots - 1
    t.address_seed = seed
    if (t.transports == NULL or t.transport_free == NULL or t.tracks == NULL or t.track_free == NULL
            or t.subscriptions == NULL or t.subscription_free == NULL or t.profiles == NULL
            or t.profile_users == NULL or t.address_slots == NULL):
        tables_free(t)
        return NULL
    for i in range(slots):
        t.address_slots[i].transport = NO_INDEX
    return t


cdef void tables_free(Tables* t) noexcept nogil:
    cdef uint32_t i
    if t == NULL:
        return
    if t.transports != NULL:
        for i in range(t.transport_high):
            srtp_context_free(t.transports[i].tx)
            srtp_context_free(t.transports[i].rx)
            free(t.transports[i].publish)
    if t.tracks != NULL:
        for i in range(t.track_high):
            track_free_encodings(&t.tracks[i])
    if t.subscriptions != NULL:
        for i in range(t.subscription_high):
            free(t.subscriptions[i].sent)
    free(t.transports)
    free(t.transport_free)
    free(t.tracks)
    free(t.track_free)
    free(t.subscriptions)
    free(t.subscription_free)
    free(t.profiles)
    free(t.profile_users)
    free(t.address_slots)
    free(t)


cdef void track_free_encodings(Track* track) noexcept nogil:
    cdef int i
    for i in range(track.encoding_count):
        encoding_free(track.encodings[i])
        track.encodings[i] = NULL
    track.encoding_count = 0


cdef uint32_t next_generation(uint32_t generation) noexcept nogil:
    generation = (generation + 1) & (<uint32_t> 0xffffffff >> INDEX_BITS)
    return generation if generation != 0 else 1


cdef uint32_t take_index(uint32_t* free_list, uint32_t* free_count, uint32_t* high, uint32_t capacity) noexcept nogil:
    cdef uint32_t index
    if free_count[0] > 0:
        free_count[0] -= 1
        return free_list[free_count[0]]
    if high[0] >= capacity:
        return NO_INDEX
    index = high[0]
    high[0] += 1
    return index


cdef Transport* transport_take(Tables* t) noexcept nogil:
    cdef uint32_t index = take_index(t.transport_free, &t.transport_free_count, &t.transport_high, t.transport_capacity)
    cdef Transport* transport
    cdef uint32_t generation
    if index == <uint32_t> NO_INDEX:
        return NULL
    transport = &t.transports[index]
    generation = next_generation(transport.generation)
    memset(transport, 0, sizeof(Transport))
    transport.generation = generation
    transport.handle = generation << INDEX_BITS | index
    transport.first_subscription = NO_INDEX
    transport.first_track = NO_INDEX
    t.transport_count += 1
    return transport


cdef void transport_give_back(Tables* t, Transport* transport) noexcept nogil:
    cdef int i
    for i in range(transport.address_count):
        address_remove(t, &transport.addresses[i], index_of(transport.handle))
    srtp_context_free(transport.tx)
    srtp_context_free(transport.rx)
    free(transport.publish)
    transport.tx = NULL
    transport.rx = NULL
    transport.publish = NULL
    t.transport_free[t.transport_free_count] = index_of(transport.handle)
    t.transport_free_count += 1
    t.transport_count -= 1
    transport.handle = 0


cdef Track* track_take(Tables* t) noexcept nogil:
    cdef uint32_t index = take_index(t.track_free, &t.track_free_count, &t.track_high, t.track_capacity)
    cdef Track* track
    cdef uint32_t generation
    if index == <uint32_t> NO_INDEX:
        return NULL
    track = &t.tracks[index]
    generation = next_generation(track.generation)
    memset(track, 0, sizeof(Track))
    memset(track.codec_of, CODEC_NONE, sizeof(track.codec_of))
    memset(track.rtx_apt, 255, sizeof(track.rtx_apt))
    track.generation = generation
    track.handle = generation << INDEX_BITS | index
    track.transport = NO_INDEX
    track.next_of_transport = NO_INDEX
    track.first_subscription = NO_INDEX
    t.track_count += 1
    return track


cdef void track_give_back(Tables* t, Track* track) noexcept nogil:
    track_free_encodings(track)
    t.track_free[t.track_free_count] = index_of(track.handle)
    t.track_free_count += 1
    t.track_count -= 1
    track.handle = 0


cdef Subscription* subscription_take(Tables* t) noexcept nogil:
    cdef uint32_t index = take_index(
        t.subscription_free, &t.subscription_free_count, &t.subscription_high, t.subscription_capacity)
    cdef Subscription* subscription
    cdef uint32_t generation
    if index == <uint32_t> NO_INDEX:
        return NULL
    subscription = &t.subscriptions[index]
    generation = next_generation(subscription.generation)
    memset(subscription, 0, sizeof(Subscription))
    subscription.generation = generation
    subscription.handle = generation << INDEX_BITS | index
    subscription.next_of_transport = NO_INDEX
    subscription.next_of_track = NO_INDEX
    subscription.cached_in_pt = 255
    t.subscription_count += 1
    return subscription


cdef void subscription_give_back(Tables* t, Subscription* subscription) noexcept nogil:
    free(subscription.sent)
    subscription.sent = NULL
    t.subscription_free[t.subscription_free_count] = index_of(subscription.handle)
    t.subscription_free_count += 1
    t.subscription_count -= 1
    subscription.handle = 0


cdef Encoding* encoding_new(Track* track, int number) noexcept nogil:
    cdef Encoding* encoding = <Encoding*> calloc(1, sizeof(Encoding))
    cdef uint32_t packets = VIDEO_HISTORY_PACKETS if track.is_video else AUDIO_HISTORY_PACKETS
    if encoding == NULL:
        return NULL
    if not history_init(&encoding.history, packets):
        free(encoding)
        return NULL
    encoding.track = track
    encoding.number = <uint8_t> number
    encoding.audio_level_q8 = 127 << 8
    nack_init(&encoding.nacks)
    reception_init(&encoding.reception, track.clock_rate)
    return encoding


cdef void encoding_free(Encoding* encoding) noexcept nogil:
    if encoding != NULL:
        history_free(&encoding.history)
        free(encoding.listeners)
        free(encoding)


cdef bint address_insert(Tables* t, const Address* address, uint32_t transport) noexcept nogil:
    """Points `address` at a Transport, replacing whoever had it. The table is twice as large as it can get full."""
    cdef uint32_t i = address_hash(t, address)
    while t.address_slots[i].transport != <uint32_t> NO_INDEX:
        if address_equal(&t.address_slots[i].address, address):
            break
        i = (i + 1) & t.address_mask
    t.address_slots[i].address = address[0]
    t.address_slots[i].transport = transport
    return True


cdef void address_remove(Tables* t, const Address* address, uint32_t transport) noexcept nogil:
    """Backward-shift deletion (no tombstones). An address that another Transport has taken over stays."""
    cdef uint32_t i = address_hash(t, address)
    cdef uint32_t j, home
    while True:
        if t.address_slots[i].transport == <uint32_t> NO_INDEX:
            return
        if address_equal(&t.address_slots[i].address, address):
            break
        i = (i + 1) & t.address_mask
    if t.address_slots[i].transport != transport:
        return
    j = i
    while True:
        j = (j + 1) & t.address_mask
        if t.address_slots[j].transport == <uint32_t> NO_INDEX:
            break
        home = address_hash(t, &t.address_slots[j].address)
        if ((j - home) & t.address_mask) >= ((j - i) & t.address_mask):
            t.address_slots[i] = t.address_slots[j]
            i = j
    t.address_slots[i].transport = NO_INDEX


cdef int profile_intern(Tables* t, const ExtProfile* profile) noexcept nogil:
    """Finds or stores a profile and counts one more user. Profiles are compared as bytes: callers zero them first."""
    cdef uint32_t i
    cdef int unused = -1
    for i in range(t.profile_count):
        if t.profile_users[i] == 0:
            unused = <int> i
        elif memcmp(&t.profiles[i], profile, sizeof(ExtProfile)) == 0:
            t.profile_users[i] += 1
            return <int> i
    if unused < 0:
        if t.profile_count >= t.profile_capacity:
            return -1
        unused = <int> t.profile_count
        t.profile_count += 1
    t.profiles[unused] = profile[0]
    t.profile_users[unused] = 1
    return unused


cdef void profile_release(Tables* t, uint32_t profile) noexcept nogil:
    t.profile_users[profile] -= 1


cdef bint listeners_add(Encoding* encoding, uint32_t subscription, uint32_t* slot) noexcept nogil:
    cdef uint32_t capacity
    cdef uint32_t* grown
    if encoding.listener_count == encoding.listener_capacity:
        capacity = 2 * encoding.listener_capacity if encoding.listener_capacity else 16
        grown = <uint32_t*> realloc(encoding.listeners, capacity * sizeof(uint32_t))
        if grown == NULL:
            return False
        encoding.listeners = grown
        encoding.listener_capacity = capacity
    encoding.listeners[encoding.listener_count] = subscription
    slot[0] = encoding.listener_count
    encoding.listener_count += 1
    return True


cdef void listeners_remove(Tables* t, Encoding* encoding, uint32_t slot) noexcept nogil:
    """The last listener moves into the hole; its Subscription learns its new slot."""
    cdef Subscription* moved
    encoding.listener_count -= 1
    if slot == encoding.listener_count:
        return
    encoding.listeners[slot] = encoding.listeners[encoding.listener_count]
    moved = &t.subscriptions[encoding.listeners[slot]]
    if moved.current == encoding and moved.current_slot == encoding.listener_count:
        moved.current_slot = slot
    else:
        moved.target_slot = slot

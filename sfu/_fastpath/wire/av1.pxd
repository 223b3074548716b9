"""The AV1 aggregation header and the dependency descriptor's mandatory fields (RTP Payload Format For AV1, 4.4 and A.8)."""

from libc.stdint cimport uint8_t, uint16_t

from sfu._fastpath.wire.drops cimport DROP_RTP_MALFORMED
from sfu._fastpath.wire.endian cimport load_be16

cdef enum:
    OBU_SEQUENCE_HEADER = 1
    LEB128_MAX_BYTES = 8
    DEPENDENCY_DESCRIPTOR_BYTES = 3

cdef struct Av1Payload:
    bint keyframe                  # N: first packet of a coded video sequence
    bint continues                 # Z: the first OBU element began in an earlier packet
    bint continued                 # Y: the last OBU element goes on in the next packet
    bint has_sequence_header       # an OBU of that type starts in here
    uint8_t element_count          # OBU elements in here, up to 255

cdef struct DependencyDescriptor:
    bint start_of_frame
    bint end_of_frame
    bint has_structure             # a template dependency structure is attached: a keyframe starts
    bint has_active_targets        # a decode target bit mask is attached
    uint8_t template_id
    uint16_t frame_number


cdef inline int av1_parse(const uint8_t* payload, int n, Av1Payload* out) noexcept nogil:
    """Aggregation header and the sizes of all OBU elements. 0 or DROP_RTP_MALFORMED."""
    cdef int at = 1
    cdef int count, size
    cdef int elements = 0
    if n < 2:
        return DROP_RTP_MALFORMED
    out.continues = (payload[0] & 0x80) != 0
    out.continued = (payload[0] & 0x40) != 0
    out.keyframe = (payload[0] & 0x08) != 0
    out.has_sequence_header = False
    count = (payload[0] >> 4) & 0x03
    if out.keyframe and out.continues:
        return DROP_RTP_MALFORMED
    while at < n:
        elements += 1
        if elements == count:
            size = n - at
        elif not read_leb128(payload, n, &at, &size):
            return DROP_RTP_MALFORMED
        if size > 0 and (elements > 1 or not out.continues):
            if (payload[at] >> 3) & 0x0f == OBU_SEQUENCE_HEADER:
                out.has_sequence_header = True
        at += size
    if count and elements != count:
        return DROP_RTP_MALFORMED
    out.element_count = <uint8_t>(elements if elements < 255 else 255)
    return 0


cdef inline bint read_leb128(const uint8_t* payload, int n, int* at, int* size) noexcept nogil:
    """An element's size, at most what is left behind it; `at` moves behind the number."""
    cdef int i
    cdef unsigned long long value = 0
    for i in range(LEB128_MAX_BYTES):
        if at[0] >= n:
            return False
        value |= <unsigned long long>(payload[at[0]] & 0x7f) << (7 * i)
        at[0] += 1
        if not payload[at[0] - 1] & 0x80:
            if value > <unsigned long long>(n - at[0]):
                return False
            size[0] = <int>value
            return True
    return False


cdef inline int dependency_parse(const uint8_t* data, int n, DependencyDescriptor* out) noexcept nogil:
    """The fields every dependency descriptor begins with. 0 or DROP_RTP_MALFORMED."""
    if n < DEPENDENCY_DESCRIPTOR_BYTES:
        return DROP_RTP_MALFORMED
    out.start_of_frame = (data[0] & 0x80) != 0
    out.end_of_frame = (data[0] & 0x40) != 0
    out.template_id = data[0] & 0x3f
    out.frame_number = load_be16(data + 1)
    out.has_structure = n > DEPENDENCY_DESCRIPTOR_BYTES and (data[3] & 0x80) != 0
    out.has_active_targets = n > DEPENDENCY_DESCRIPTOR_BYTES and (data[3] & 0x40) != 0
    return 0

"""Checks the values of a Command and lays them out as plain bytes."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, memset
from sfu._fastpath.commands cimport *
from sfu._fastpath.stream.payload cimport CODEC_NONE
from sfu._fastpath.stream.srtp cimport srtp_key_bytes, srtp_salt_bytes
from sfu._fastpath.wire.extensions cimport EXT_TYPE_COUNT, ExtIds

from sfu._fastpath.values import CODEC_KINDS

CODEC_NUMBERS = {name: number for number, name in enumerate(CODEC_KINDS)}
NO_PAYLOAD_TYPE = 255


cdef int put_text(uint8_t* out, uint8_t* length, str text, int capacity) except -1:
    """Copies an ASCII token and its length; ValueError if it is longer than `capacity`."""
    raw = text.encode("ascii")
    if len(raw) > capacity:
        raise ValueError(f"{text!r} is longer than {capacity} bytes")
    memcpy(out, <const char*> raw, len(raw))
    length[0] = <uint8_t> len(raw)
    return 0


cdef int put_extension_ids(ExtIds* out, dict ids) except -1:
    memset(out, 0, sizeof(ExtIds))
    for kind, number in ids.items():
        if not 0 < kind < EXT_TYPE_COUNT or not 0 < number < 256:
            raise ValueError(f"extension {kind} cannot have id {number}")
        out.id[<int> kind] = <uint8_t> number
    return 0


cdef int encode_ice(IceCommand* out, str ufrag, str pwd) except -1:
    memset(out, 0, sizeof(IceCommand))
    put_text(out.ufrag, &out.ufrag_bytes, ufrag, ICE_TEXT_BYTES)
    put_text(out.pwd, &out.pwd_bytes, pwd, ICE_TEXT_BYTES)
    return 0


cdef int encode_srtp(SrtpCommand* out, int profile, bytes rx, bytes tx) except -1:
    cdef int wanted = srtp_key_bytes(profile) + srtp_salt_bytes(profile)
    if srtp_key_bytes(profile) < 0:
        raise ValueError(f"unknown SRTP profile {profile}")
    if len(rx) != wanted or len(tx) != wanted:
        raise ValueError(f"profile {profile} takes {wanted} bytes of key and salt")
    out.profile = profile
    memcpy(out.rx, <const char*> rx, wanted)
    memcpy(out.tx, <const char*> tx, wanted)
    return 0


cdef int encode_track(TrackCommand* out, object spec) except -1:
    cdef int i
    memset(out, 0, sizeof(TrackCommand))
    memset(out.codec_of, CODEC_NONE, sizeof(out.codec_of))
    memset(out.rtx_apt, NO_PAYLOAD_TYPE, sizeof(out.rtx_apt))
    if not 0 < len(spec.encodings) <= MAX_ENCODINGS:
        raise ValueError(f"a Track has 1 to {MAX_ENCODINGS} Encodings")
    out.is_video = spec.kind == "video"
    out.clock_rate = spec.clock_rate
    out.feedback = int(spec.feedback)
    put_text(out.mid, &out.mid_bytes, spec.mid, 32)
    put_extension_ids(&out.ext_ids, spec.extension_ids)
    for payload_type in spec.payload_types:
        put_payload_type(out, payload_type)
    for i, encoding in enumerate(spec.encodings):
        put_text(out.encodings[i].rid, &out.encodings[i].rid_bytes, encoding.rid, 16)
        out.encodings[i].ssrc = encoding.ssrc
        out.encodings[i].rtx_ssrc = encoding.rtx_ssrc
    out.encoding_count = len(spec.encodings)
    return 0


cdef int put_payload_type(TrackCommand* out, object payload_type) except -1:
    if not 0 <= payload_type.payload_type < 128 or not -1 <= payload_type.rtx < 128:
        raise ValueError(f"payload type {payload_type.payload_type} or its RTX is not 0 to 127")
    out.codec_of[<int> payload_type.payload_type] = <uint8_t> CODEC_NUMBERS.get(payload_type.codec_kind, 0)
    if payload_type.rtx >= 0:
        out.rtx_apt[<int> payload_type.rtx] = <uint8_t> payload_type.payload_type
    return 0


cdef int encode_subscription(SubscribeCommand* out, object spec) except -1:
    memset(out, 0, sizeof(SubscribeCommand))
    out.is_video = spec.kind == "video"
    out.clock_rate = spec.clock_rate
    out.ssrc = spec.ssrc
    out.rtx_ssrc = spec.rtx_ssrc
    out.feedback = int(spec.feedback)
    put_text(out.mid, &out.mid_bytes, spec.mid, 32)
    put_text(out.cname, &out.cname_bytes, spec.cname, 24)
    put_extension_ids(&out.ext_ids, spec.extension_ids)
    return 0


cdef int encode_map(BindCommand* out, uint32_t track, object payload_types) except -1:
    cdef int count = 0
    memset(out, 0, sizeof(BindCommand))
    out.track = track
    for entry in payload_types:
        if count == MAX_PAYLOAD_MAP:
            raise ValueError(f"at most {MAX_PAYLOAD_MAP} payload types")
        out.map[count].incoming = entry.incoming
        out.map[count].outgoing = entry.outgoing
        out.map[count].outgoing_rtx = entry.outgoing_rtx if entry.outgoing_rtx >= 0 else NO_PAYLOAD_TYPE
        count += 1
    out.count = <uint8_t> count
    return 0

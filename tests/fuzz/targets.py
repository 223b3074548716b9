"""Fuzz targets: one body per parser of bytes from a far end. Its docstring states what holds for any bytes.

A body fails by raising (or by dying under a sanitizer). It returns the shape of what it saw, one of a few
hundred: the runner keeps inputs that lead to a new shape as material for further mutations. A new parser
lands with its body here, seeds in `corpus/<target>/` and a row in THREAT_MODEL.md.
"""

from collections.abc import Callable, Hashable
from datetime import UTC, datetime
from functools import cache

from aiortc.codecs.vpx import VpxPayloadDescriptor

from sfu.rtc.dtls import MTU_BYTES, DtlsAssociation, DtlsIdentity
from sfu.rtc.negotiate import NegotiationError, negotiate
from sfu.rtc.sdp import SdpError, parse, parse_fragment
from sfu.rtc.sealed import SealedAssociation, Secrets
from tests.fastpath.probes import srtp_probe, stream_probe
from tests.fastpath.probes import wire_probe as probe
from tests.fuzz import orders, stage
from tests.support.offers import LOCAL, terms

Target = Callable[[bytes], Hashable]
TARGETS: dict[str, Target] = {}
REFUSED = "refused"
LIVE = (
    "stranger",
    "insider",
    "layers",
    "forwarder",
)  # a packet core each time: a thousand times slower than a parser


def target(body: Target) -> Target:
    """Registers a body under its function's name."""
    TARGETS[body.__name__] = body
    return body


@target
def demux(data: bytes) -> Hashable:
    """The verdict depends on the first two bytes alone."""
    protocol: str = probe.classify(data)
    assert protocol == probe.classify(data[:2])
    return protocol


@target
def rtp(data: bytes) -> Hashable:
    """A header lies within its packet, and its fixed part written again is the same bytes."""
    h = probe.rtp_parse(data)
    if isinstance(h, int):
        return REFUSED
    assert 12 + 4 * h["csrc_count"] <= h["header_bytes"] <= len(data)
    assert h["ext_offset"] + h["ext_bytes"] <= h["header_bytes"]
    names = ("pt", "marker", "seq", "rtp_ts", "ssrc", "padding")
    fixed = probe.rtp_write_header(has_ext=bool(h["ext_offset"]), **{name: h[name] for name in names})
    assert bytes([fixed[0] | h["csrc_count"]]) + fixed[1:] == data[:12]
    padding = probe.rtp_padding(data[h["header_bytes"] :])
    assert padding == -probe.MALFORMED["rtp"] or 1 <= padding <= len(data) - h["header_bytes"]
    return h["csrc_count"], bool(h["ext_offset"]), min(h["ext_bytes"], 16), padding > 0


@target
def extensions(data: bytes) -> Hashable:
    """Elements are disjoint pieces of the extension block, and written again they read the same."""
    found = probe.ext_elements(data)
    if isinstance(found, int):
        return REFUSED
    h = probe.rtp_parse(data)
    one_byte = h["ext_profile"] == 0xBEDE
    assert sum((1 if one_byte else 2) + len(value) for _, value in found) <= h["ext_bytes"]
    block, taken = probe.ext_write(found, 4 + h["ext_bytes"] + 3, not one_byte)
    assert all(taken)
    again = bytes([0x90, *data[1:12]]) + (block or bytes(4))
    assert probe.ext_elements(again) == found
    return one_byte, min(len(found), 8), max((len(value) for _, value in found), default=0)


@target
def rtcp(data: bytes) -> Hashable:
    """Packets cover the compound in order; no reader finds more items than the body holds."""
    return read_rtcp(data), read_rtcp(with_length(data, 2, len(data) // 4 - 1))


def with_length(data: bytes, at: int, length: int) -> bytes:
    """The same in whole words with a right length field, which mutations seldom leave alone."""
    whole = data[: len(data) // 4 * 4]
    return whole[:at] + max(length, 0).to_bytes(2, "big") + whole[at + 2 :] if len(whole) > at + 2 else whole


def read_rtcp(data: bytes) -> Hashable:
    blocks = probe.rtcp_parse(data)
    if isinstance(blocks, int):
        return REFUSED
    at = 0
    for block in blocks:
        at = data.index(block["body"], at + 4) + len(block["body"])
        items = 24 * len(block["reports"]) + 4 * len(block["byes"])
        items += 4 * len(block["nacks"]) + 8 * len(block["intra_requests"])
        assert items <= len(block["body"])
        for report in block["reports"]:
            assert probe.rtcp_parse(probe.rtcp_write_rr(1, [report]))[0]["reports"] == [report]
    assert at <= len(data)
    return len(blocks[:6]), tuple(
        (block["type"] - 200 & 31, len(block["body"][:40])) for block in blocks[-1:]
    )


@target
def stun(data: bytes) -> Hashable:
    """A message fills its datagram; nothing is authentic under a password that its writer did not have."""
    return read_stun(data), read_stun(with_length(data, 2, len(data) // 4 * 4 - 20))


def read_stun(data: bytes) -> Hashable:
    m = probe.stun_parse(data, b"not the password")
    if isinstance(m, int):
        return REFUSED
    assert 20 + int.from_bytes(data[2:4], "big") == len(data)
    assert m["transaction"] == data[8:20]
    assert m["username"] is None or m["username"] in data
    assert not m["integrity_ok"]
    assert not (m["ice_controlling"] and m["ice_controlled"])
    assert m["has_fingerprint"] or not m["fingerprint_ok"]
    answer = probe.stun_write_error(m["transaction"], 420, m["unknown"], b"pwd")
    assert probe.stun_parse(answer, b"pwd")["integrity_ok"]
    flags = ("use_candidate", "ice_controlling", "ice_controlled", "has_integrity", "fingerprint_ok")
    return m["type"] & 0x0110, len(m["unknown"]), m["error_code"] // 100, *(m[name] for name in flags)


@target
def vp8(data: bytes) -> Hashable:
    """The other implementation reads the same descriptor, and ids written back change nothing."""
    d = probe.vp8_parse(data)
    try:
        theirs, frame = VpxPayloadDescriptor.parse(data)
    except ValueError:
        frame = b""
    if isinstance(d, int):
        assert frame == b""
        return REFUSED
    assert data[d["descriptor_bytes"] :] == frame != b""
    assert (d["picture_id"] if d["has_picture_id"] else None) == theirs.picture_id
    assert (d["tl0_pic_idx"] if d["has_tl0"] else None) == theirs.tl0picidx
    assert ((d["tid"], int(d["layer_sync"])) if d["has_tid"] else None) == theirs.tid
    assert probe.vp8_write_ids(data, d["picture_id"], d["tl0_pic_idx"]) == data
    return data[0] >> 4, data[1] >> 4 if data[0] & 0x80 else 0, d["picture_id_15bit"], d["keyframe"]


@target
def vp9(data: bytes) -> Hashable:
    """Something follows the descriptor, and a packet without layers is in the lowest."""
    d = probe.vp9_parse(data)
    if isinstance(d, int):
        return REFUSED
    assert 1 <= d["descriptor_bytes"] < len(data)
    assert d["has_layers"] or d["sid"] == d["tid"] == 0
    assert not (d["keyframe"] and d["inter_predicted"])
    return data[0], min(d["descriptor_bytes"], 24)


@target
def h264(data: bytes) -> Hashable:
    """A lone unit or an aggregate is as its first bytes say; only what starts here can start a keyframe."""
    d = probe.h264_parse(data)
    if isinstance(d, int):
        return REFUSED
    outer = data[0] & 0x1F
    assert 1 <= outer <= 29
    if outer >= 28 and not data[1] & 0x80:
        assert not any(d[name] for name in ("keyframe", "has_sps", "has_pps", "start_of_frame"))
    if outer < 24:
        assert d["keyframe"] == (outer == 5)
    return outer, d["keyframe"], d["has_sps"], d["has_pps"], d["start_of_frame"]


@target
def av1(data: bytes) -> Hashable:
    """Element sizes add up to the payload, so there are never more elements than bytes."""
    d = probe.av1_parse(data)
    if isinstance(d, int):
        return REFUSED
    assert 1 <= d["element_count"] < len(data)
    assert not (d["keyframe"] and d["continues"])
    return data[0] >> 3, min(d["element_count"], 8), d["has_sequence_header"]


@target
def dependency(data: bytes) -> Hashable:
    """The mandatory fields are the first three bytes, whatever follows."""
    d = probe.dependency_parse(data)
    if isinstance(d, int):
        assert len(data) < 3
        return REFUSED
    first = d["start_of_frame"] << 7 | d["end_of_frame"] << 6 | d["template_id"]
    assert bytes([first]) + d["frame_number"].to_bytes(2, "big") == data[:3]
    return data[0] >> 6, d["has_structure"], d["has_active_targets"]


@cache
def contexts() -> list[tuple[srtp_probe.Engine, srtp_probe.Context]]:
    """Each profile on each back end, under keys that no fuzzed bytes were made with."""
    engines = [srtp_probe.Engine(back_end) for back_end in {srtp_probe.OPENSSL, srtp_probe.best_backend()}]
    names = ("AES128_CM_SHA1_80", "AEAD_AES_128_GCM", "AEAD_AES_256_GCM")
    profiles = [getattr(srtp_probe, name) for name in names]
    return [
        (
            engine,
            srtp_probe.Context(
                engine,
                profile,
                bytes(range(srtp_probe.key_bytes(profile))),
                bytes(range(srtp_probe.salt_bytes(profile))),
            ),
        )
        for engine in engines
        for profile in profiles
    ]


@target
def srtp(data: bytes) -> Hashable:
    """Nothing is authentic that was not protected; what was protected comes back whole."""
    header = probe.rtp_parse(data)
    if isinstance(header, int):
        return REFUSED
    size = header["header_bytes"]
    whole = data[: max(size, 1400)]
    refusals = []
    for engine, context in contexts():
        refusals.append(engine.unprotect(context, data, size, 0))
        if size <= 1400:
            (sent,) = engine.protect([(context, whole, size, 7)])
            assert engine.unprotect(context, sent, size, 7) == whole[size:]
    assert all(isinstance(refusal, int) and refusal < 0 for refusal in refusals)
    return tuple(refusals), min(len(whole) - size, 40)


@target
def srtcp(data: bytes) -> Hashable:
    """Nothing is authentic that was not protected; a compound that was comes back with its index."""
    refusals = []
    whole = data[:1400]
    for engine, context in contexts():
        refusals.append(engine.unprotect_rtcp(context, data))
        sent = engine.protect_rtcp(context, whole, 9)
        if isinstance(sent, bytes):
            assert engine.unprotect_rtcp(context, sent) == (whole, 9)
    assert all(isinstance(refusal, int) and refusal < 0 for refusal in refusals)
    return tuple(refusals), min(len(data), 64)


@target
def transport_feedback(data: bytes) -> Hashable:
    """There are as many arrivals as the status count says, each within its deltas."""
    parsed = stream_probe.twcc_parse(data, 2048)
    if isinstance(parsed, int):
        return REFUSED
    ticks = parsed["ticks"]
    assert len(ticks) == int.from_bytes(data[10:12], "big") <= 2048
    came = [tick for tick in ticks if tick is not None]
    assert all(-0x8000 * len(ticks) <= tick <= 0x7FFF * len(ticks) for tick in came)
    assert len(data) >= 16 + len(came)
    return min(len(ticks), 64), min(len(came), 16)


@target
def sdp(data: bytes) -> Hashable:
    """Text is refused as a whole, or what was read is what its own writing says."""
    try:
        description = parse(data)
    except SdpError as error:
        return REFUSED, error.reason.split()[0]
    assert parse(str(description)) == description
    assert parse_fragment(description.fragment()) == description
    names = {name for media in description.media for name in media.__slots__ if getattr(media, name, None)}
    return len(description.media), tuple(sorted(names))


@target
def offer(data: bytes) -> Hashable:
    """An offer is refused, or its answer has each of its m-lines and one that is used."""
    try:
        session = negotiate(parse(data), LOCAL, terms("talk"))
    except (SdpError, NegotiationError) as error:
        return REFUSED, str(error).split()[0]
    answer = parse(session.answer)
    assert [media.mid for media in answer.media] == [media.mid for media in parse(data).media]
    assert any(media.port for media in answer.media)
    return tuple((section.direction, len(section.codecs), section.feedback) for section in session.sections)


@cache
def identity() -> DtlsIdentity:
    """One certificate for all that follows."""
    return DtlsIdentity(now=datetime.now(UTC))


@target
def dtls(data: bytes) -> Hashable:
    """A server neither raises nor gives keys to whoever proves nothing; what it answers fits into datagrams."""
    server = DtlsAssociation(identity(), [("sha-256", "00:" * 31 + "00")], role="server")
    answers = server.receive(data)
    assert all(len(answer) <= MTU_BYTES for answer in answers)
    assert server.keys is None
    return server.state, len(answers)


@target
def sealed(data: bytes) -> Hashable:
    """After the handshake only an authentic alert ends an association; a repeated flight is answered with ours."""
    secrets = Secrets(bytes(48), bytes(32), bytes(32))
    association = SealedAssociation(secrets, [b"flight"], is_server=True)
    authentic = SealedAssociation(secrets, [], is_server=False).close_notify()
    answers = association.receive(data)
    assert answers in ([], [b"flight"])
    assert not association.closed or authentic in data
    return len(answers), association.closed


@target
def stranger(data: bytes) -> Hashable:
    """Without keys, each datagram counts once and changes nothing: the viewer gets the next packet in sequence."""
    live = stage.Stage()
    before = live.accounts()
    datagrams = [data, *(argument for _, argument in stage.records(data))]
    for datagram in datagrams:
        live.core.ingest([(datagram, stage.STRANGER)])
        live.core.ingest([(datagram, live.publisher.address)])
    assert live.accounts() == before + 2 * len(datagrams)
    live.core.sent()
    packet = live.next_packet()
    assert (packet.seq - live.last.seq) & 0xFFFF == 1
    assert packet.rtp_ts - live.last.rtp_ts & 0xFFFFFFFF == 3000
    return tuple(name for name, count in live.core.snapshot().drops.items() if count)


@target
def insider(data: bytes) -> Hashable:
    """With keys, no script makes the core send what is malformed, or two packets under one SRTP index."""
    return play(stage.Stage(), data)


@target
def layers(data: bytes) -> Hashable:
    """The same for a simulcast publisher and a viewer with wishes."""
    return play(stage.Stage(stage.SIMULCAST), data)


@target
def forwarder(data: bytes) -> Hashable:
    """Commands, datagrams of all kinds and time in any order: every datagram counts once, nothing breaks."""
    script = orders.Script()
    script.run(data)
    reading = script.core.snapshot()
    names = (
        "packets_forwarded",
        "packets_retransmitted",
        "transports",
        "tracks",
        "subscriptions",
        "relayed_out",
    )
    counters = tuple(min(reading.counters[name], 2) for name in names)
    return counters, tuple(name for name, count in reading.drops.items() if count)


def play(live: stage.Stage, data: bytes) -> Hashable:
    live.run(data)
    reading = live.core.snapshot()
    assert reading.counters["datagrams_in"] == live.accounts()
    names = ("packets_forwarded", "packets_retransmitted", "packets_filled", "plis_out", "layer_switches")
    counters = tuple(min(reading.counters[name], 3) for name in names)
    return counters, tuple(name for name, count in reading.drops.items() if count)

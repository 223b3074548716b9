"""Python faces of the parsers and writers in `wire/`: a dict of what was read, or the number of the Drop.

Each parser sees a copy of exactly its bytes on the C heap, so that a sanitizer notices a read beyond them.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from sfu._fastpath.wire cimport av1, crc32 as crc, demux, extensions, h264, rtcp, rtp, stun, vp8, vp9
from sfu._fastpath.wire.drops cimport DROP_RTCP_MALFORMED, DROP_RTP_MALFORMED, DROP_STUN_MALFORMED

MALFORMED = {"stun": int(DROP_STUN_MALFORMED), "rtp": int(DROP_RTP_MALFORMED), "rtcp": int(DROP_RTCP_MALFORMED)}
PROTOCOLS = {
    int(demux.PROTOCOL_STUN): "stun",
    int(demux.PROTOCOL_DTLS): "dtls",
    int(demux.PROTOCOL_RTP): "rtp",
    int(demux.PROTOCOL_RTCP): "rtcp",
    int(demux.PROTOCOL_TURN_CHANNEL): "turn_channel",
    int(demux.PROTOCOL_OTHER): "other",
}
ROOM_BYTES = 65536


cdef class Exact:
    """`n` bytes on the C heap, not one more."""
    cdef uint8_t* p
    cdef int n

    def __cinit__(self, data) -> None:
        cdef bytes source = bytes(data)
        self.n = <int>len(source)
        self.p = <uint8_t*>malloc(self.n if self.n else 1)
        if self.n:
            memcpy(self.p, <const uint8_t*>source, self.n)

    def __dealloc__(self) -> None:
        free(self.p)

    cdef bytes first(self, int n):
        return self.p[:n]

    cdef bytes part(self, const uint8_t* at, int n):
        return at[:n]


cdef Exact room(int capacity):
    return Exact(bytes(capacity))


def classify(data: bytes) -> str:
    cdef Exact e = Exact(data)
    return PROTOCOLS[demux.classify(e.p, e.n)]


def crc32(data: bytes) -> int:
    cdef Exact e = Exact(data)
    return crc.crc32(e.p, e.n)


def rtp_parse(data: bytes) -> dict[str, int] | int:
    cdef Exact e = Exact(data)
    cdef rtp.RtpHeader h
    cdef int drop = rtp.rtp_parse(e.p, e.n, &h)
    if drop:
        return drop
    return h


def rtp_padding(payload: bytes) -> int:
    cdef Exact e = Exact(payload)
    return rtp.rtp_padding(e.p, e.n)


def rtp_write_header(*, int pt, bint marker, int seq, uint32_t rtp_ts, uint32_t ssrc, bint has_ext, bint padding) -> bytes:
    cdef Exact out = room(12)
    rtp.rtp_write_header(out.p, <uint8_t>pt, marker, <uint16_t>seq, rtp_ts, ssrc, has_ext, padding)
    return out.first(12)


def ext_elements(packet: bytes) -> list[tuple[int, bytes]] | int:
    """(id, data) of each element of an RTP packet."""
    cdef Exact e = Exact(packet)
    cdef rtp.RtpHeader h
    cdef extensions.ExtCursor cursor
    cdef extensions.ExtElement element
    cdef int drop = rtp.rtp_parse(e.p, e.n, &h)
    if drop:
        return drop
    found = []
    extensions.ext_open(&cursor, e.p, &h)
    while extensions.ext_next(&cursor, &element):
        found.append((element.id, e.part(element.data, element.length)))
    assert not extensions.ext_next(&cursor, &element)
    return found


def ext_write(elements: list[tuple[int, bytes]], int capacity, bint two_byte) -> tuple[bytes, list[bool]]:
    """The block and, for each element, whether it went in."""
    cdef Exact out = room(capacity)
    cdef Exact e
    cdef extensions.ExtWriter w
    taken = []
    extensions.ext_writer_open(&w, out.p, out.n, two_byte)
    for number, data in elements:
        e = Exact(data)
        taken.append(extensions.ext_write(&w, number, e.p, e.n) == 0)
    return out.first(extensions.ext_writer_close(&w)), taken


cdef list nacks(const rtcp.RtcpBlock* block):
    cdef uint16_t pid, blp
    found = []
    for i in range(rtcp.rtcp_nack_items(block)):
        rtcp.rtcp_read_nack(block, i, &pid, &blp)
        found.append((pid, blp))
    return found


cdef list intra_requests(const rtcp.RtcpBlock* block):
    cdef uint32_t ssrc
    cdef uint8_t seq
    found = []
    for i in range(rtcp.rtcp_fir_items(block)):
        rtcp.rtcp_read_fir(block, i, &ssrc, &seq)
        found.append((ssrc, seq))
    return found


cdef list reports(const rtcp.RtcpBlock* block):
    cdef rtcp.ReportBlock report
    cdef int count = rtcp.rtcp_report_count(block)
    found = []
    for i in range(count):
        assert rtcp.rtcp_read_report(block, i, &report) == 0
        found.append(dict(report))
    assert rtcp.rtcp_read_report(block, count, &report) == DROP_RTCP_MALFORMED
    return found


cdef dict everything(Exact e, const rtcp.RtcpBlock* block):
    cdef rtcp.SenderReport sender
    cdef uint64_t bps
    return {
        "type": block.type,
        "count": block.count,
        "body": e.part(block.body, block.body_bytes),
        "sender": None if rtcp.rtcp_read_sr(block, &sender) else dict(sender),
        "reports": reports(block),
        "sender_ssrc": rtcp.rtcp_sender_ssrc(block),
        "media_ssrc": rtcp.rtcp_fb_media_ssrc(block),
        "nacks": nacks(block),
        "intra_requests": intra_requests(block),
        "pli": bool(rtcp.rtcp_is_pli(block)),
        "remb_bps": None if rtcp.rtcp_read_remb(block, &bps) else bps,
        "byes": [rtcp.rtcp_bye_ssrc(block, i) for i in range(rtcp.rtcp_bye_count(block))],
    }


def rtcp_parse(data: bytes) -> list[dict[str, object]] | int:
    """Every reader on every packet of a compound."""
    cdef Exact e = Exact(data)
    cdef rtcp.RtcpCursor cursor
    cdef rtcp.RtcpBlock block
    cdef int more
    found = []
    rtcp.rtcp_open(&cursor, e.p, e.n)
    while True:
        more = rtcp.rtcp_next(&cursor, &block)
        if more < 0:
            return -more
        if more == 0:
            return found
        found.append(everything(e, &block))


def rtcp_write_sr(*, int capacity=ROOM_BYTES, **fields) -> bytes:
    cdef Exact out = room(capacity)
    cdef rtcp.SenderReport report = fields
    return out.first(rtcp.rtcp_write_sr(out.p, out.n, &report))


def rtcp_write_rr(uint32_t sender, blocks: list[dict[str, int]], *, int capacity=ROOM_BYTES) -> bytes:
    cdef Exact out = room(capacity)
    cdef rtcp.ReportBlock[40] array
    for i, block in enumerate(blocks):
        array[i] = block
    return out.first(rtcp.rtcp_write_rr(out.p, out.n, sender, array, <int>len(blocks)))


def rtcp_write_sdes_cname(uint32_t ssrc, cname: bytes, *, int capacity=ROOM_BYTES) -> bytes:
    cdef Exact out = room(capacity)
    cdef Exact e = Exact(cname)
    return out.first(rtcp.rtcp_write_sdes_cname(out.p, out.n, ssrc, e.p, e.n))


def rtcp_write_nack(uint32_t sender, uint32_t media, seqs: list[int], *, int capacity=ROOM_BYTES) -> bytes:
    cdef Exact out = room(capacity)
    cdef Exact e = Exact(b"".join(seq.to_bytes(2, "little") for seq in seqs))
    return out.first(rtcp.rtcp_write_nack(out.p, out.n, sender, media, <const uint16_t*>e.p, <int>len(seqs)))


def rtcp_write_pli(uint32_t sender, uint32_t media, *, int capacity=ROOM_BYTES) -> bytes:
    cdef Exact out = room(capacity)
    return out.first(rtcp.rtcp_write_pli(out.p, out.n, sender, media))


def rtcp_write_fir(uint32_t sender, uint32_t media, int seq_nr, *, int capacity=ROOM_BYTES) -> bytes:
    cdef Exact out = room(capacity)
    return out.first(rtcp.rtcp_write_fir(out.p, out.n, sender, media, <uint8_t>seq_nr))


def rtcp_write_remb(uint32_t sender, uint64_t bps, ssrcs: list[int], *, int capacity=ROOM_BYTES) -> bytes:
    cdef Exact out = room(capacity)
    cdef Exact e = Exact(b"".join(ssrc.to_bytes(4, "little") for ssrc in ssrcs))
    return out.first(rtcp.rtcp_write_remb(out.p, out.n, sender, bps, <const uint32_t*>e.p, <int>len(ssrcs)))


def rtcp_write_bye(uint32_t ssrc, *, int capacity=ROOM_BYTES) -> bytes:
    cdef Exact out = room(capacity)
    return out.first(rtcp.rtcp_write_bye(out.p, out.n, ssrc))


def stun_parse(data: bytes, password: bytes = b"") -> dict[str, object] | int:
    """The message's fields and both checks."""
    cdef Exact e = Exact(data)
    cdef Exact pwd = Exact(password)
    cdef stun.StunMessage m
    cdef int drop = stun.stun_parse(e.p, e.n, &m)
    if drop:
        return drop
    return {
        "type": m.method_class,
        "transaction": e.part(m.transaction, 12),
        "username": None if m.username == NULL else e.part(m.username, m.username_bytes),
        "priority": m.priority,
        "tie_breaker": m.tie_breaker,
        "use_candidate": bool(m.use_candidate),
        "ice_controlling": bool(m.ice_controlling),
        "ice_controlled": bool(m.ice_controlled),
        "has_integrity": bool(m.has_integrity),
        "has_fingerprint": bool(m.has_fingerprint),
        "error_code": m.error_code,
        "has_mapped_address": bool(m.has_mapped_address),
        "unknown": [m.unknown[i] for i in range(m.unknown_count)],
        "fingerprint_ok": bool(stun.stun_check_fingerprint(e.p, e.n, &m)),
        "integrity_ok": bool(stun.stun_check_integrity(e.p, e.n, &m, pwd.p, pwd.n)),
    }


def stun_write_response(
    transaction: bytes, address: bytes, int port, password: bytes, *, int capacity=ROOM_BYTES
) -> bytes:
    cdef Exact out = room(capacity)
    cdef Exact t = Exact(transaction)
    cdef Exact a = Exact(address)
    cdef Exact pwd = Exact(password)
    return out.first(stun.stun_write_binding_response(
        out.p, out.n, t.p, 4 if a.n == 4 else 6, a.p, <uint16_t>port, pwd.p, pwd.n))


def stun_write_error(
    transaction: bytes, int code, unknown: list[int], password: bytes, *, int capacity=ROOM_BYTES
) -> bytes:
    cdef Exact out = room(capacity)
    cdef Exact t = Exact(transaction)
    cdef Exact types = Exact(b"".join(kind.to_bytes(2, "little") for kind in unknown))
    cdef Exact pwd = Exact(password)
    return out.first(stun.stun_write_error_response(
        out.p, out.n, t.p, code, <const uint16_t*>types.p, types.n // 2, pwd.p, pwd.n))


def stun_write_request(
    transaction: bytes, username: bytes, password: bytes, *, uint32_t priority, uint64_t tie_breaker,
    bint controlling, bint use_candidate, int capacity=ROOM_BYTES,
) -> bytes:
    cdef Exact out = room(capacity)
    cdef Exact t = Exact(transaction)
    cdef Exact u = Exact(username)
    cdef Exact pwd = Exact(password)
    return out.first(stun.stun_write_binding_request(
        out.p, out.n, t.p, u.p, u.n, pwd.p, pwd.n, priority, tie_breaker, controlling, use_candidate))


def vp8_parse(payload: bytes) -> dict[str, int] | int:
    cdef Exact e = Exact(payload)
    cdef vp8.Vp8Descriptor d
    cdef int drop = vp8.vp8_parse(e.p, e.n, &d)
    if drop:
        return drop
    return d


def vp8_write_ids(payload: bytes, int picture_id, int tl0) -> bytes:
    cdef Exact e = Exact(payload)
    cdef vp8.Vp8Descriptor d
    assert vp8.vp8_parse(e.p, e.n, &d) == 0
    vp8.vp8_write_ids(e.p, &d, <uint16_t>picture_id, <uint8_t>tl0)
    return e.first(e.n)


def vp9_parse(payload: bytes) -> dict[str, int] | int:
    cdef Exact e = Exact(payload)
    cdef vp9.Vp9Descriptor d
    cdef int drop = vp9.vp9_parse(e.p, e.n, &d)
    if drop:
        return drop
    return d


def h264_parse(payload: bytes) -> dict[str, int] | int:
    cdef Exact e = Exact(payload)
    cdef h264.H264Payload d
    cdef int drop = h264.h264_parse(e.p, e.n, &d)
    if drop:
        return drop
    return d


def av1_parse(payload: bytes) -> dict[str, int] | int:
    cdef Exact e = Exact(payload)
    cdef av1.Av1Payload d
    cdef int drop = av1.av1_parse(e.p, e.n, &d)
    if drop:
        return drop
    return d


def dependency_parse(data: bytes) -> dict[str, int] | int:
    cdef Exact e = Exact(data)
    cdef av1.DependencyDescriptor d
    cdef int drop = av1.dependency_parse(e.p, e.n, &d)
    if drop:
        return drop
    return d

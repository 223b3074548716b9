"""Losses on either side: asked for upstream, answered downstream, and never two packets under one SRTP index."""

from __future__ import annotations

import struct

import pytest

from sfu._fastpath.values import PayloadTypeMap
from tests.support.far_end import Rtp, make_rtp, nack, rtcp_packets
from tests.support.stage import (
    AUDIO,
    FRAME_US,
    OPUS,
    VP8,
    VP8_RTX,
    Source,
    Stage,
    Viewer,
    consecutive,
    simulcast,
)

TICK_US = 5000
REORDER_US = 10_000
RTX_SSRC = 8000
NACKS_PER_WINDOW = 2048


def asked(compounds: list[bytes]) -> list[int]:
    """The seqs that generic NACKs name."""
    seqs = []
    for compound in compounds:
        for kind, fmt, packet in rtcp_packets(compound):
            if (kind, fmt) == (205, 1):
                for at in range(8, len(packet), 4):
                    pid, blp = struct.unpack_from("!HH", packet, at)
                    seqs += [pid] + [pid + 1 + bit & 0xFFFF for bit in range(16) if blp >> bit & 1]
    return seqs


def wire(stage: Stage, viewer: Viewer) -> list[bytes]:
    """The media datagrams to this viewer as they are on the wire."""
    return [
        data
        for data, address, _ in stage.core.sent()
        if address == viewer.far_end.address and data[0] >> 6 == 2 and not 192 <= data[1] <= 223
    ]


def rtx(camera: Source, seq: int, packet: Rtp | bytes, *, rtx_seq: int) -> bytes:
    """The publisher's retransmission of one of its packets (RFC 4588 section 4)."""
    raw = bytes(packet)
    marker, rtp_ts = bool(raw[1] & 128), struct.unpack_from("!I", raw, 4)[0]
    return make_rtp(
        payload_type=VP8_RTX,
        seq=rtx_seq,
        rtp_ts=rtp_ts,
        ssrc=9000,
        payload=struct.pack("!H", seq) + camera.payloads[seq],
        marker=marker,
        extensions={1: b"v"},
    )


@pytest.mark.parametrize("way", ["rtx", "again"])
def test_a_lost_packet_is_asked_for_and_goes_out_in_its_place(way: str) -> None:
    stage = Stage()
    viewer = stage.watch()
    camera = Source(1000, VP8, seq=65_534)
    stage.play(*camera.frame((100, 100), key=True))
    lost_seq = camera.seq
    lost, *others = camera.frame((100, 100, 100))
    stage.play(others[0])
    stage.advance(TICK_US)
    assert asked(stage.take_control()) == []
    stage.play(others[1])
    stage.advance(REORDER_US)
    assert asked(stage.take_control()) == [lost_seq]
    stage.play(rtx(camera, lost_seq, lost, rtx_seq=300) if way == "rtx" else lost)
    stage.advance(1_000_000)
    assert asked(stage.take_control()) == []
    assert [(seq - viewer.seqs[0]) & 0xFFFF for seq in viewer.seqs] == [0, 1, 3, 4, 2]
    assert sorted(viewer.payloads) == sorted(camera.payloads.values())
    assert [packet.marker for packet in viewer.media] == [False, True, False, True, False]
    (row,) = stage.snapshot().encodings
    assert (row.lost, row.recovered) == (0, way == "rtx")


def test_reordering_alone_asks_for_nothing() -> None:
    stage = Stage()
    stage.watch()
    camera = Source(1000, VP8)
    stage.play(*camera.frame(key=True))
    for _ in range(20):
        a, b = camera.frame((100, 100))
        stage.play(b)
        stage.play(a)
        stage.advance(FRAME_US)
    assert asked(stage.take_control()) == []


def test_a_packet_that_never_comes_is_given_up() -> None:
    stage = Stage()
    viewer = stage.watch()
    camera = Source(1000, VP8)
    stage.play(*camera.frame(key=True))
    camera.frame()
    for _ in range(300):
        stage.play(*camera.frame())
        stage.advance(FRAME_US)
    requests = asked(stage.take_control())
    assert set(requests) == {1}
    assert 3 <= len(requests) <= 10
    assert viewer.seqs == [viewer.seqs[0], *range(viewer.seqs[0] + 2, viewer.seqs[0] + 302)]


def test_a_nack_is_answered_over_rtx() -> None:
    stage = Stage()
    viewer = stage.watch(rtx_ssrc=RTX_SSRC)
    camera = Source(1000, VP8)
    stage.play(*camera.frame((100, 200, 300), key=True))
    wanted = viewer.media[1]
    before = len(viewer.media)
    for _ in range(3):
        viewer.far_end.send_rtcp(nack(1, viewer.ssrc, wanted.seq))
        stage.advance(20_000)
    answers = viewer.media[before:]
    assert {(packet.ssrc, packet.payload_type) for packet in answers} == {(RTX_SSRC, 121)}
    assert consecutive([packet.seq for packet in answers])
    for packet in answers:
        assert packet.payload == struct.pack("!H", wanted.seq) + wanted.payload
        assert (packet.rtp_ts, packet.marker, packet.extensions) == (wanted.rtp_ts, wanted.marker, {9: b"0"})
    assert viewer.far_end.unreadable == 0


def test_every_sender_numbers_its_rtcp_itself() -> None:
    """An SRTCP index belongs to its SSRC (RFC 3711 section 3.2.3); a replay is told from another's first packet."""
    stage = Stage()
    viewer = stage.watch(rtx_ssrc=RTX_SSRC)
    camera = Source(1000, VP8)
    stage.play(*camera.frame((100, 200, 300), key=True))
    wanted, before = viewer.media[1], len(viewer.media)
    for _ in range(200):
        viewer.far_end.send_rtcp(nack(1, 12345, 0))
    others = range(2, 6)
    for sender in others:
        viewer.far_end.send_rtcp(nack(sender, viewer.ssrc, wanted.seq))
        stage.advance(20_000)
    assert len(viewer.media) - before == len(others)
    assert stage.snapshot().drops["replayed"] == stage.snapshot().drops["too_old"] == 0


def test_without_rtx_the_very_same_datagram_comes_again() -> None:
    """Padded for its run and with shifted VP8 ids too: one SRTP index is one ciphertext (RFC 3711 section 9.1)."""
    stage = Stage(simulcast())
    stage.core.holding = True
    viewer = stage.watch(payload_types=[PayloadTypeMap(VP8, 120)])
    low, high = (
        Source(1000 + k, VP8, extensions={5: rid}, picture_id=500 * k) for k, rid in enumerate((b"l", b"h"))
    )
    stage.play(*low.frame((1000, 990, 980), key=True))
    stage.play(*high.frame((1000, 990, 980), key=True))
    first = {data[2:4]: data for data in wire(stage, viewer)}
    assert first == {}
    stage.publisher.send(*high.frame((1000, 990, 980), key=True), *high.frame((1000, 990, 980)))
    first = {data[2:4]: data for data in wire(stage, viewer)}
    assert len(first) == 6
    assert len({len(data) for data in first.values()}) < 3
    for seq, data in first.items():
        viewer.far_end.send_rtcp(nack(1, viewer.ssrc, int.from_bytes(seq, "big")))
        assert wire(stage, viewer) == [data]
        stage.core.now_us += 20_000


def test_a_repetition_within_ten_milliseconds_is_not_repeated() -> None:
    stage = Stage()
    viewer = stage.watch()
    stage.play(*Source(1000, VP8).frame(key=True))
    for _ in range(5):
        viewer.far_end.send_rtcp(nack(1, viewer.ssrc, viewer.seqs[0]))
    assert stage.snapshot().counters["packets_retransmitted"] == 1


def test_what_history_no_longer_holds_is_counted() -> None:
    stage = Stage()
    viewer = stage.watch()
    camera = Source(1000, VP8)
    stage.play(*camera.frame(key=True))
    oldest = viewer.seqs[0]
    for _ in range(600):
        stage.play(*camera.frame())
    viewer.far_end.send_rtcp(nack(1, viewer.ssrc, oldest))
    viewer.far_end.send_rtcp(nack(1, viewer.ssrc, viewer.seqs[-1] + 100))
    assert stage.drops() == {"history_miss": 2}
    assert viewer.row(stage.core).retransmitted == 0


def test_a_flood_of_nacks_is_bounded() -> None:
    stage = Stage()
    viewer = stage.watch()
    camera = Source(1000, VP8)
    for number in range(500):
        stage.play(*camera.frame(key=number == 0))
    newest = viewer.seqs[-1]
    for turn in range(40):
        stage.core.now_us += 11_000
        for back in range(17, 476, 17):
            viewer.far_end.send_rtcp(nack(1, viewer.ssrc, newest - back & 0xFFFF, 0xFFFF))
        if turn == 20:
            stage.core.sent()
    seconds = 40 * 11_000 / 1_000_000
    assert stage.snapshot().counters["packets_retransmitted"] <= NACKS_PER_WINDOW * (1 + seconds)


def test_audio_is_repaired_too() -> None:
    stage = Stage(AUDIO)
    viewer = stage.watch()
    voice = Source(500, OPUS, mid=b"a")
    for _ in range(20):
        stage.play(voice.sound())
    data = viewer.media[3]
    viewer.far_end.send_rtcp(nack(1, viewer.ssrc, data.seq))
    sent = wire(stage, viewer)
    assert len(sent) == 1
    assert int.from_bytes(sent[0][2:4], "big") == data.seq

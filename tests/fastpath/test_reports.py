"""RTCP both ways: lip sync survives, publishers learn what arrived, keyframe requests merge."""

from __future__ import annotations

import struct
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest

from sfu._fastpath.values import Feedback
from tests.fastpath.probes.stream_probe import twcc_parse
from tests.support.far_end import rtcp_packets, sender_report
from tests.support.stage import (
    AUDIO,
    FRAME_TICKS,
    FRAME_US,
    OPUS,
    VIDEO,
    VP8,
    Source,
    Stage,
    simulcast,
)

SECOND_US = 1_000_000
NTP_EPOCH = 3_900_000_000 << 32
KEYFRAME_SPACING_US = 500_000
MAX_PUBLISH_BPS = 8_000_000


def blocks(compounds: list[bytes], kind: int, fmt: int | None = None) -> list[bytes]:
    """Bodies of the RTCP packets of this kind."""
    return [
        body
        for compound in compounds
        for found, count, body in rtcp_packets(compound)
        if found == kind and fmt in (None, count)
    ]


def ntp_at(us: int) -> int:
    """A publisher's wall clock."""
    return NTP_EPOCH + (us << 32) // SECOND_US


def seconds_of(compounds: list[bytes], rtp_ts: int, clock_rate: int) -> Fraction:
    """When `rtp_ts` was sampled, by the newest sender report."""
    _, ntp, at = struct.unpack_from("!IQI", blocks(compounds, 200)[-1])
    step = (rtp_ts - at + 2**31) % 2**32 - 2**31
    return Fraction(ntp - NTP_EPOCH, 2**32) + Fraction(step, clock_rate)


def second_of_viewing(stage: Stage, camera: Source, *, frames: int = 30, key: bool = False) -> None:
    for number in range(frames):
        stage.play(*camera.frame(key=key and number == 0))
        stage.advance(FRAME_US)


@pytest.mark.parametrize("start_ts", [0, 2**32 - 90_000, 123_456_789])
def test_the_publishers_wall_clock_reaches_the_viewer(start_ts: int) -> None:
    stage = Stage()
    viewer = stage.watch()
    camera = Source(1000, VP8, rtp_ts=start_ts)
    second_of_viewing(stage, camera, key=True)
    assert blocks(viewer.control, 200) == []
    stage.publisher.send_rtcp(sender_report(1000, ntp_at(5_000_000), camera.rtp_ts))
    second_of_viewing(stage, camera, frames=60)
    told = seconds_of(viewer.control, viewer.media[-1].rtp_ts, 90_000)
    sampled = 5 + Fraction(59 * FRAME_TICKS, 90_000)
    assert abs(told - sampled) < Fraction(1, 1000)


def test_a_sender_report_counts_what_went_out() -> None:
    stage = Stage(AUDIO)
    viewer = stage.watch()
    voice = Source(500, OPUS, mid=b"a")
    stage.publisher.send_rtcp(sender_report(500, ntp_at(0), 0))
    for _ in range(100):
        stage.play(voice.sound(80))
        if voice.seq == 1:
            stage.publisher.send_rtcp(sender_report(500, ntp_at(0), 0))
        stage.advance(20_000)
    ssrc, _, _, packets, octets = struct.unpack_from("!IQIII", blocks(viewer.control, 200)[-1])
    assert ssrc == viewer.ssrc
    assert 0 < packets <= 100
    assert octets == 80 * packets
    assert b"cname" in blocks(viewer.control, 202)[0]


def test_an_encoding_switch_keeps_the_viewers_clock() -> None:
    """Each Encoding has its own random RTP clock; the viewer's line from RTP to NTP is one."""
    stage = Stage(simulcast())
    viewer = stage.watch()
    layers = [
        Source(1000 + k, VP8, rtp_ts=start, extensions={5: rid})
        for k, (rid, start) in enumerate(zip((b"l", b"m", b"h"), (7, 2**32 - 100_000, 2**31), strict=True))
    ]
    for number in range(240):
        stage.core.command("select", viewer.subscription, number // 60 % 3, -1)
        for layer in layers:
            if number % 30 == 0:
                stage.publisher.send_rtcp(sender_report(layer.ssrc, ntp_at(number * FRAME_US), layer.rtp_ts))
            stage.play(*layer.frame(key=number % 15 == 0))
        stage.advance(FRAME_US)
        if number % 60 == 59:
            told = seconds_of(viewer.control, viewer.media[-1].rtp_ts, 90_000)
            assert abs(told - Fraction(number * FRAME_US, SECOND_US)) < Fraction(1, 1000)
    steps = [(b.rtp_ts - a.rtp_ts) % 2**32 for a, b in pairwise(viewer.media)]
    same_instant = [step for step in steps if step == 1]
    assert len(same_instant) == 2, "at a step up the same picture comes in both Encodings"
    assert all(abs(step - FRAME_TICKS) <= 9 for step in steps if step != 1)
    assert stage.snapshot().counters["layer_switches"] >= 4


def reception(stage: Stage) -> dict[str, int]:
    """The newest report block that the publisher got."""
    body = blocks(stage.take_control(), 201)[-1]
    assert len(body) == 28
    ssrc, lost, highest, jitter, lsr, dlsr = struct.unpack_from("!IIIIII", body, 4)
    return {
        "ssrc": ssrc,
        "fraction": lost >> 24,
        "lost": lost & 0xFFFFFF,
        "highest": highest,
        "jitter": jitter,
        "lsr": lsr,
        "dlsr": dlsr,
    }


def test_the_publisher_learns_of_its_losses() -> None:
    stage = Stage()
    camera = Source(1000, VP8, seq=65_500)
    second_of_viewing(stage, camera, key=True)
    stage.advance(SECOND_US)
    reception(stage)
    for number in range(100):
        frame = camera.frame()
        if number % 4:
            stage.play(*frame)
    stage.advance(SECOND_US)
    report = reception(stage)
    assert report["ssrc"] == 1000
    assert report["fraction"] == 25 * 256 // 100
    assert report["lost"] == 25
    assert report["highest"] == 65_536 + camera.seq - 1


def test_jitter_is_that_of_the_arrivals() -> None:
    stage = Stage()
    camera = Source(1000, VP8)
    for number in range(300):
        stage.core.now_us += FRAME_US + (6000 if number % 2 else -6000)
        stage.play(*camera.frame(key=number == 0))
    stage.advance(SECOND_US)
    assert reception(stage)["jitter"] == pytest.approx(6000 * 90 / 1000, rel=0.1)


def test_a_report_block_lets_the_publisher_find_its_round_trip() -> None:
    stage = Stage()
    camera = Source(1000, VP8)
    stage.play(*camera.frame(key=True))
    stage.publisher.send_rtcp(sender_report(1000, ntp_at(123), 0))
    stage.advance(SECOND_US)
    stage.take_control()
    stage.play(*camera.frame())
    stage.advance(SECOND_US)
    report = reception(stage)
    assert report["lsr"] == ntp_at(123) >> 16 & 0xFFFFFFFF
    assert report["dlsr"] == pytest.approx(2 * 65_536, abs=1)


def test_the_round_trip_to_a_viewer_comes_from_its_report() -> None:
    stage = Stage()
    viewer = stage.watch()
    camera = Source(1000, VP8)
    stage.play(*camera.frame(key=True))
    stage.publisher.send_rtcp(sender_report(1000, ntp_at(0), 0))
    stage.advance(SECOND_US)
    lsr = struct.unpack_from("!IQ", blocks(viewer.control, 200)[-1])[1] >> 16 & 0xFFFFFFFF
    stage.core.now_us += 80_000 + SECOND_US // 2
    block = struct.pack("!IIIIII", viewer.ssrc, 64 << 24, 0, 900, lsr, 65_536 // 2)
    viewer.far_end.send_rtcp(struct.pack("!BBHI", 0x81, 201, 7, 1) + block)
    (row,) = (row for row in stage.snapshot().transports if row.transport == viewer.far_end.handle)
    assert row.rtt_us == pytest.approx(80_000, abs=20)
    assert viewer.row(stage.core).fraction_lost == 64
    assert viewer.row(stage.core).jitter_us == 10_000


def test_transport_feedback_covers_every_packet_that_came() -> None:
    stage = Stage(replace(VIDEO, feedback=Feedback.TRANSPORT_CC))
    camera = Source(1000, VP8)
    came: dict[int, int] = {}
    number = 65_400
    for _ in range(200):
        for _ in range(3):
            number += 1
            seq = number & 0xFFFF
            packet = camera.packet(b"\x10\x00\x9d\x01\x2a", extensions={3: seq.to_bytes(2, "big")})
            if number % 11:
                stage.play(packet)
                came[seq] = stage.core.now_us
        stage.advance(FRAME_US)
    stage.advance(SECOND_US)
    told: dict[int, int] = {}
    for body in blocks(stage.take_control(), 205, 15):
        feedback = twcc_parse(body)
        assert struct.unpack_from("!I", body, 4) == (1000,)
        for k, tick in enumerate(feedback["ticks"]):
            if tick is not None:
                told[(feedback["base_seq"] + k) & 0xFFFF] = 64_000 * feedback["reference_time"] + 250 * tick
    assert told.keys() == came.keys()
    first = next(iter(came))
    assert all(abs((told[seq] - told[first]) - (came[seq] - came[first])) <= 500 for seq in came)


@pytest.mark.parametrize(
    ("feedback", "wanted"),
    [(Feedback.REMB, True), (Feedback.REMB | Feedback.TRANSPORT_CC, False), (Feedback.NACK, False)],
)
def test_remb_is_for_those_without_transport_feedback(feedback: Feedback, wanted: bool) -> None:
    stage = Stage(replace(VIDEO, feedback=feedback))
    second_of_viewing(stage, Source(1000, VP8), frames=90, key=True)
    remb = blocks(stage.take_control(), 206, 15)
    assert bool(remb) == wanted
    for body in remb:
        assert body[8:12] == b"REMB"
        mantissa = int.from_bytes(body[13:16], "big")
        assert (mantissa & 0x3FFFF) << (mantissa >> 18) == pytest.approx(MAX_PUBLISH_BPS, rel=0.01)
        assert struct.unpack_from("!I", body, 16) == (1000,)

"""What a Participant with valid keys cannot do to a Worker or to the others of its Room."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from sfu._fastpath.values import Feedback, PayloadType, TrackSpec
from tests.support.far_end import pli
from tests.support.stage import FRAME_TICKS, FRAME_US, VIDEO, VP8, Source, Stage, simulcast

TICK_US = 5000
SOON_US = 1000
HISTORY_PACKETS = 1024
CHECKS_PER_SECOND = 200
H264 = 102
H264_VIDEO: TrackSpec = replace(
    VIDEO, payload_types=(PayloadType(H264, "h264"),), feedback=Feedback.NACK | Feedback.PLI
)
PARAMETER_SETS = bytes([24, 0, 4, 0x67, 1, 2, 3, 0, 3, 0x68, 1, 2])  # STAP-A of SPS and PPS (RFC 6184 5.7.1)


def h264_frame(source: Source, *, key: bool, packets: int = 3) -> list[bytes]:
    """Parameter sets and an IDR slice, or a plain slice, as FU-A fragments (RFC 6184 section 5.8)."""
    nal = 5 if key else 1
    made = [source.packet(PARAMETER_SETS)] if key else []
    for k in range(packets):
        edge = 0x80 if k == 0 else 0x40 if k == packets - 1 else 0
        payload = bytes([0x7C, edge | nal, 0x80]) + source.seq.to_bytes(2, "big") + bytes(50)
        made.append(source.packet(payload, marker=k == packets - 1))
    source.rtp_ts += FRAME_TICKS
    return made


def bye(ssrc: int) -> bytes:
    """An empty RR and a BYE (RFC 3550 section 6.6)."""
    return struct.pack("!BBHI", 0x80, 201, 1, 1) + struct.pack("!BBHI", 0x81, 203, 1, ssrc)


def test_a_joiner_behind_an_h264_keyframe_gets_its_parameter_sets() -> None:
    stage = Stage(H264_VIDEO)
    camera = Source(1000, H264)
    stage.play(*h264_frame(camera, key=True))
    stage.advance(FRAME_US)
    stage.play(*h264_frame(camera, key=False))
    viewer = stage.watch()
    stage.advance(FRAME_US)
    stage.play(*h264_frame(camera, key=False))
    assert viewer.payloads == list(camera.payloads.values())


def test_a_switch_to_an_h264_keyframe_that_came_inside_a_frame_brings_its_parameter_sets() -> None:
    stage = Stage(simulcast(H264_VIDEO, ("l", "h")))
    low = Source(1000, H264, extensions={5: b"l"})
    high = Source(1001, H264, extensions={5: b"h"})
    viewer = stage.watch()
    stage.core.command("select", viewer.subscription, 0, -1)
    stage.play(*h264_frame(low, key=True))
    stage.advance(FRAME_US)
    stage.play(*h264_frame(high, key=True))
    stage.core.command("select", viewer.subscription, 1, -1)
    unfinished = h264_frame(low, key=False)
    stage.play(unfinished[0])
    stage.advance(FRAME_US)
    keyframe_at = high.seq
    for packet in h264_frame(high, key=True):
        stage.play(packet)
    stage.play(*unfinished[1:])
    shown = list(high.payloads.items())
    assert viewer.payloads[-4:] == [payload for seq, payload in shown if seq >= keyframe_at]


def test_requests_by_the_hundred_do_not_run_the_timers_more_often() -> None:
    stage = Stage()
    viewer = stage.watch()
    camera = Source(1000, VP8)
    stage.play(*camera.frame(key=True))
    stage.advance(TICK_US)
    for _ in range(100):
        stage.play(*camera.frame(key=True))
        viewer.far_end.send_rtcp(pli(1, viewer.ssrc))
        assert stage.core.next_deadline_us >= stage.core.now_us + SOON_US


def test_a_source_that_says_goodbye_and_goes_on_is_taken_off_once_a_second() -> None:
    stage = Stage()
    viewer = stage.watch()
    camera = Source(1000, VP8)
    stage.play(*camera.frame(key=True))
    stage.core.notices()
    changes = []
    for _ in range(300):
        stage.publisher.send_rtcp(bye(1000))
        stage.advance(TICK_US)
        stage.play(*camera.frame())
        stage.advance(TICK_US)
        changes += stage.core.notices()
    assert len(changes) <= 3
    assert viewer.payloads == list(camera.payloads.values())


def test_a_goodbye_is_believed() -> None:
    stage = Stage()
    stage.watch()
    camera = Source(1000, VP8)
    for number in range(40):
        stage.play(*camera.frame(key=number == 0))
        stage.advance(FRAME_US)
    stage.core.notices()
    stage.publisher.send_rtcp(bye(1000))
    stage.advance(TICK_US)
    assert stage.core.notices() == [("track", stage.track, 0)]


def test_more_checks_than_any_agent_sends_are_not_answered() -> None:
    stage = Stage()
    viewer = stage.watch().far_end
    stage.core.advance(2_000_000)
    stage.core.sent()
    for _ in range(300):
        viewer.check()
    assert len(stage.core.sent()) == CHECKS_PER_SECOND
    assert stage.drops()["stun_too_many"] == 300 - CHECKS_PER_SECOND
    stage.core.advance(1_000_001)
    stage.core.sent()
    viewer.check()
    assert len(stage.core.sent()) == 1


def test_a_check_too_long_for_any_agent_is_refused_unread() -> None:
    stage = Stage()
    stage.core.ingest([(bytes(20) + bytes(600), ("10.9.9.9", 999))])
    assert stage.drops() == {"too_large": 1}


def test_a_viewer_that_loses_packets_of_a_jumping_source_still_reads_the_next() -> None:
    stage = Stage()
    viewer = stage.watch()
    camera = Source(1000, VP8)
    stage.play(*camera.frame(key=True))
    for k in range(60):
        camera.seq = (camera.seq + 30_000) & 0xFFFF
        packets = camera.frame()
        if k % 10 == 9:
            stage.play(*packets)
        else:
            stage.publisher.send(*packets)
            stage.core.sent()
        stage.advance(FRAME_US)
    assert len(viewer.media) == 1 + 6
    assert viewer.far_end.unreadable == 0
    assert viewer.seqs[-1] - viewer.seqs[0] < HISTORY_PACKETS


def test_a_switch_costs_no_more_than_history_holds() -> None:
    stage = Stage(simulcast(rids=("l", "h")))
    low = Source(1000, VP8, extensions={5: b"l"})
    high = Source(1001, VP8, extensions={5: b"h"})
    viewer = stage.watch()
    stage.core.command("select", viewer.subscription, 0, -1)
    stage.play(*low.frame(key=True), *high.frame(key=True))
    unfinished = low.frame((100, 100))
    stage.play(unfinished[0])
    stage.core.command("select", viewer.subscription, 1, -1)
    stage.play(*high.frame(key=True))
    for _ in range(2000):
        high.seq = (high.seq + 32_001) & 0xFFFF
        stage.publisher.send(*high.frame())
    stage.play(unfinished[1])
    assert len(viewer.media) <= 3 + HISTORY_PACKETS
    assert {packet.payload_type for packet in viewer.media} == {120}


def test_an_ssrc_serves_one_subscription_of_a_transport() -> None:
    stage = Stage()
    viewer = stage.watch(rtx_ssrc=9000)
    for ssrc, rtx_ssrc in ((viewer.ssrc, 0), (9000, 0), (1, viewer.ssrc), (1, 9000), (1, 1)):
        with pytest.raises(ValueError, match="status"):
            stage.watch(far_end=viewer.far_end, ssrc=ssrc, rtx_ssrc=rtx_ssrc)
    assert stage.snapshot().counters["subscriptions"] == 1


def test_a_repeated_packet_may_be_late_by_as_much_as_history_holds() -> None:
    stage = Stage()
    viewer = stage.watch()
    camera = Source(1000, VP8)
    stage.play(*camera.frame(key=True))
    (missing,) = camera.frame()
    late = stage.publisher.protect(missing)
    for _ in range(500):
        stage.play(*camera.frame())
    stage.core.ingest([late, late])
    stage.deliver()
    assert len(viewer.media) == 502
    assert {(seq - viewer.seqs[0]) & 0xFFFF for seq in viewer.seqs} == set(range(502))
    assert stage.drops() == {"replayed": 1}

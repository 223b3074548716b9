"""One outgoing stream whatever feeds it: a publisher that leaves and returns, another Track, another SSRC."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from sfu._fastpath.values import PayloadType, PayloadTypeMap
from tests.support.far_end import CM_SHA1, FarEnd, nack
from tests.support.stage import (
    AUDIO,
    FRAME_US,
    OPUS,
    VIDEO,
    VP8,
    VP8_RTX,
    Source,
    Stage,
    Viewer,
    body,
    consecutive,
)

REBIND_US = 100_000


def check_one_stream(viewer: Viewer) -> None:
    """Gapless seq, rtp_ts that never goes back, VP8 ids that count up by one per picture."""
    assert viewer.far_end.unreadable == 0
    assert consecutive(viewer.seqs)
    assert {packet.ssrc for packet in viewer.media} == {viewer.ssrc}
    for earlier, later in zip(viewer.media, viewer.media[1:], strict=False):
        step = (later.rtp_ts - earlier.rtp_ts) % 2**32
        assert 0 <= step < 2**31
        (a, a_tl0), (b, b_tl0) = (struct.unpack_from("!HB", packet.payload, 2) for packet in (earlier, later))
        pictures = 1 if step else 0
        assert b & 0x7FFF == (a + pictures) & 0x7FFF
        assert b_tl0 == (a_tl0 + pictures) & 255


def watch_for_a_while(stage: Stage, camera: Source, publisher: FarEnd, *, frames: int = 40) -> None:
    for number in range(frames):
        for packet in camera.frame((120, 110), key=number == 2):
            publisher.send(packet)
            stage.deliver()
        stage.advance(FRAME_US)


def test_a_publisher_leaves_and_another_one_takes_over() -> None:
    stage = Stage()
    viewer = stage.watch()
    watch_for_a_while(stage, Source(1000, VP8, seq=65_500, rtp_ts=5, picture_id=300), stage.publisher)
    stage.core.command("close_transport", stage.publisher.handle)
    stage.advance(3_000_000)
    assert viewer.row(stage.core).encoding == -1
    for turn, profile in enumerate((CM_SHA1, 0x0007, 0x0008), start=1):
        before = viewer.media[-1].rtp_ts
        publisher = FarEnd(stage.core, profile)
        spec = replace(VIDEO, payload_types=(PayloadType(100, "vp8", 101),))
        stage.bind(
            viewer, stage.core.command("add_track", publisher.handle, spec), [PayloadTypeMap(100, 120)]
        )
        camera = Source(1000 * turn, 100, seq=turn, rtp_ts=2**32 - 9000 * turn, picture_id=9 * turn)
        first = len(viewer.media)
        watch_for_a_while(stage, camera, publisher)
        assert viewer.bodies[first:] == [body(payload) for payload in list(camera.payloads.values())[4:]]
        gap = (viewer.media[first].rtp_ts - before) % 2**32
        assert gap == pytest.approx(3 * 3000 + (3_000_000 * 9 // 100 if turn == 1 else 0), abs=3100)
        stage.core.command("close_transport", publisher.handle)
    check_one_stream(viewer)


def test_the_source_of_a_track_starts_anew_under_another_ssrc() -> None:
    stage = Stage()
    viewers = [stage.watch() for _ in range(3)]
    for turn in range(50):
        camera = Source(
            1000 + turn, VP8, seq=(turn * 7919) % 65_536, rtp_ts=turn * 77_777_777, picture_id=turn * 999
        )
        watch_for_a_while(stage, camera, stage.publisher, frames=6)
    for viewer in viewers:
        check_one_stream(viewer)
        assert len(viewer.media) == 50 * 8
    assert stage.snapshot().counters["layer_switches"] == 3 * 50


def test_a_late_packet_of_the_old_source_changes_nothing() -> None:
    stage = Stage()
    viewer = stage.watch()
    old, new = Source(1000, VP8), Source(2000, VP8)
    stage.play(*old.frame(key=True))
    late = old.frame((100, 100))
    stage.play(late[0])
    stage.advance(REBIND_US)
    stage.play(*new.frame(key=True))
    stage.play(late[1])
    stage.play(*new.frame())
    stage.play(*old.frame())
    stage.play(*new.frame())
    assert viewer.bodies[2:] == [body(payload) for payload in new.payloads.values()]
    assert stage.drops() == {"rtp_unknown_ssrc": 2}
    check_one_stream(viewer)


def test_a_publisher_that_changes_its_ssrc_with_every_packet_is_slowed_down() -> None:
    stage = Stage()
    stage.watch()
    for number in range(1000):
        stage.play(*Source(1000 + number, VP8).frame(key=True))
        stage.core.now_us += 1000
    assert stage.drops() == {"too_many_ssrcs": 990}


def test_a_probe_over_rtx_before_the_first_packet_keeps_nobody_out() -> None:
    """libwebrtc probes with padding over RTX, which may overtake the first media packet of an Encoding."""
    stage = Stage()
    viewer = stage.watch()
    padding = struct.pack("!BBHII", 0xA0, VP8_RTX, 7, 0, 9000) + bytes(199) + bytes([200])
    stage.play(padding)
    camera = Source(1000, VP8)
    stage.play(*camera.frame((100, 100), key=True))
    assert viewer.payloads == list(camera.payloads.values())
    assert stage.drops() == {"rtp_padding_only": 1}


def test_what_was_sent_from_an_old_track_is_not_repeated_from_a_new_one() -> None:
    stage = Stage()
    viewer = stage.watch()
    stage.play(*Source(1000, VP8, seq=50).frame((100, 100, 100), key=True))
    asked = viewer.seqs[1]
    stage.advance(REBIND_US)
    stage.play(*Source(2000, VP8, seq=50).frame((90, 90, 90), key=True))
    before = len(viewer.media)
    viewer.far_end.send_rtcp(nack(1, viewer.ssrc, asked))
    stage.advance(20_000)
    assert len(viewer.media) == before
    assert stage.drops() == {"history_miss": 1}


def test_unbound_and_bound_again_to_the_same_track() -> None:
    stage = Stage()
    viewer = stage.watch()
    camera = Source(1000, VP8)
    watch_for_a_while(stage, camera, stage.publisher)
    stage.bind(viewer, 0)
    watch_for_a_while(stage, camera, stage.publisher)
    assert len(viewer.media) == 76
    stage.bind(viewer, stage.track)
    watch_for_a_while(stage, camera, stage.publisher)
    assert len(viewer.media) == 76 + 76
    check_one_stream(viewer)


def test_audio_goes_on_with_the_first_packet_of_the_new_source() -> None:
    stage = Stage(AUDIO)
    viewer = stage.watch()
    for turn in range(20):
        voice = Source(500 + turn, OPUS, mid=b"a", seq=turn * 3000, rtp_ts=turn * 2**28)
        for _ in range(10):
            stage.play(voice.sound())
            stage.advance(20_000)
    assert len(viewer.media) == 200
    assert consecutive(viewer.seqs)
    steps = {(b.rtp_ts - a.rtp_ts) % 2**32 for a, b in zip(viewer.media, viewer.media[1:], strict=False)}
    assert steps <= {960, 961}


def test_a_track_may_come_with_known_ssrcs_and_change_them() -> None:
    spec = replace(VIDEO, encodings=(replace(VIDEO.encodings[0], ssrc=1000, rtx_ssrc=1001),))
    stage = Stage(spec)
    viewer = stage.watch()
    watch_for_a_while(stage, Source(1000, VP8), stage.publisher)
    watch_for_a_while(stage, Source(1002, VP8, seq=9), stage.publisher)
    assert len(viewer.media) == 2 * 76
    check_one_stream(viewer)

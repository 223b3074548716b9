"""A Track on two Workers: its mirror gets packets, reports and restarts, and asks back for keyframes."""

from __future__ import annotations

import struct
from fractions import Fraction

import pytest

from sfu._fastpath.values import PayloadTypeMap
from tests.fastpath.probes.core_probe import CoreProbe
from tests.support.far_end import FarEnd, pli, rtcp_packets, sender_report
from tests.support.stage import AUDIO, FRAME_US, OPUS, VIDEO, VP8, Source, Stage, Viewer, body, consecutive

RING_SLOTS = 1024


class Pair:
    """A publisher on Worker 0, viewers on Worker 1 by way of a mirror."""

    def __init__(self, spec: object = VIDEO) -> None:
        self.home = Stage(spec, core=CoreProbe(index=0))
        self.away = CoreProbe(index=1)
        self.home.core.join(self.away, 0, 1)
        self.mirror = self.away.command("mirror_track", 0, spec, 0, self.home.track)
        self.home.core.command("export_track", self.home.track, 1, self.mirror)
        self.viewers: list[Viewer] = []

    def watch(self, **fields: object) -> Viewer:
        far_end = FarEnd(self.away, worker=1)
        stage = self.home
        stage_core, stage.core, track, stage.track = stage.core, self.away, stage.track, self.mirror
        try:
            viewer = stage.watch(far_end=far_end, **fields)
        finally:
            stage.core, stage.track = stage_core, track
        stage.viewers.remove(viewer)
        self.viewers.append(viewer)
        return viewer

    def advance(self, us: int = FRAME_US) -> None:
        """Time passes on both Workers, in steps in which answers cross."""
        for _ in range(3):
            self.home.advance(us // 3)
            self.away.now_us = self.home.core.now_us
            self.away.advance(0)
        sent = self.away.sent()
        for viewer in self.viewers:
            media, control = viewer.far_end.read(sent)
            viewer.media += media
            viewer.control += control

    def play(self, *packets: bytes) -> None:
        self.home.play(*packets)
        self.advance()


def keyframe_requests(stage: Stage) -> int:
    compounds = stage.take_control()
    return sum((kind, fmt) == (206, 1) for compound in compounds for kind, fmt, _ in rtcp_packets(compound))


def test_viewers_on_both_workers_see_the_same() -> None:
    pair = Pair()
    near, far = pair.home.watch(), [pair.watch() for _ in range(3)]
    camera = Source(1000, VP8, seq=65_500)
    for number in range(60):
        pair.play(*camera.frame((500, 400), key=number == 0))
    for viewer in (near, *far):
        assert viewer.payloads == list(camera.payloads.values())
        assert consecutive(viewer.seqs)
        assert viewer.far_end.unreadable == 0
    assert pair.home.snapshot().counters["relayed_out"] == pair.away.snapshot().counters["relayed_in"] == 120


def test_a_viewer_of_the_mirror_asks_the_publisher_for_a_keyframe() -> None:
    pair = Pair()
    camera = Source(1000, VP8)
    pair.play(*camera.frame())
    viewer = pair.watch()
    pair.advance(5000)
    assert keyframe_requests(pair.home) == 1
    pair.play(*camera.frame(key=True))
    assert len(viewer.media) == 1
    pair.advance(1_000_000)
    assert keyframe_requests(pair.home) == 0
    viewer.far_end.send_rtcp(pli(1, viewer.ssrc))
    pair.advance(5000)
    assert keyframe_requests(pair.home) == 1


def test_lip_sync_crosses_workers() -> None:
    pair = Pair()
    viewer = pair.watch()
    camera = Source(1000, VP8, rtp_ts=2**32 - 5000)
    pair.home.publisher.send_rtcp(sender_report(1000, 77 << 32, 12_345))
    for number in range(30):
        pair.play(*camera.frame(key=number == 0))
        if number == 10:
            pair.home.publisher.send_rtcp(sender_report(1000, 77 << 32, camera.rtp_ts))
            at = camera.rtp_ts
    for _ in range(30):
        pair.advance()
    body_of = [b for compound in viewer.control for kind, _, b in rtcp_packets(compound) if kind == 200][-1]
    ssrc, ntp, rtp_ts = struct.unpack_from("!IQI", body_of)
    assert ssrc == viewer.ssrc
    sent_ts = viewer.media[-1].rtp_ts
    told = Fraction(ntp, 2**32) + Fraction((sent_ts - rtp_ts + 2**31) % 2**32 - 2**31, 90_000)
    meant = 77 + Fraction((camera.rtp_ts - 3000 - at) % 2**32, 90_000)
    assert abs(told - meant) < Fraction(1, 1000)


def test_a_report_from_a_clock_that_is_a_little_ahead_does_no_harm() -> None:
    pair = Pair()
    viewer = pair.watch()
    camera = Source(1000, VP8)
    pair.play(*camera.frame(key=True))
    pair.home.core.now_us += 10_000
    pair.home.publisher.send_rtcp(sender_report(1000, 77 << 32, 0))
    pair.away.advance(0)
    pair.away.advance(5000)
    (compound,) = viewer.far_end.read(pair.away.sent())[1]
    ntp = struct.unpack_from("!IQI", rtcp_packets(compound)[0][2])[1]
    assert ntp == 77 << 32


def test_a_source_that_starts_anew_goes_on_in_one_stream_there_too() -> None:
    pair = Pair()
    viewer = pair.watch()
    for turn in range(10):
        camera = Source(1000 + turn, VP8, seq=50, rtp_ts=turn * 2**29, picture_id=turn)
        for number in range(10):
            pair.play(*camera.frame((90, 90), key=number == 1))
        assert viewer.bodies[-18:] == [body(payload) for payload in list(camera.payloads.values())[2:]]
    assert consecutive(viewer.seqs)
    assert len(viewer.media) == 180


def test_what_a_full_ring_does_not_take_is_counted() -> None:
    pair = Pair(AUDIO)
    viewer = pair.watch()
    voice = Source(500, OPUS, mid=b"a")
    for _ in range(RING_SLOTS + 100):
        pair.home.publisher.send(voice.sound())
    assert pair.home.drops() == {"ring_full": 100}
    for _ in range(20):
        pair.advance(0)
    assert len(viewer.media) == RING_SLOTS
    pair.play(voice.sound())
    assert len(viewer.media) == RING_SLOTS + 1


def test_an_export_that_ended_carries_nothing() -> None:
    pair = Pair(AUDIO)
    viewer = pair.watch()
    voice = Source(500, OPUS, mid=b"a")
    pair.play(voice.sound())
    pair.home.core.command("export_track", pair.home.track, 1, 0)
    pair.play(voice.sound())
    assert len(viewer.media) == 1


def test_packets_for_a_mirror_that_is_gone_are_counted() -> None:
    pair = Pair(AUDIO)
    pair.watch()
    voice = Source(500, OPUS, mid=b"a")
    pair.away.command("remove_track", pair.mirror)
    pair.play(voice.sound())
    assert {name for name, count in pair.away.snapshot().drops.items() if count} == {"mirror_gone"}


@pytest.mark.parametrize("worker", [2, 31, 32, 2**32 - 1])
def test_a_worker_that_is_not_there_is_refused(worker: int) -> None:
    pair = Pair()
    with pytest.raises(ValueError, match="export_track"):
        pair.home.core.command("export_track", pair.home.track, worker, 1)
    with pytest.raises(ValueError, match="mirror_track"):
        pair.away.command("mirror_track", 0, VIDEO, worker, 1)


def test_a_muted_source_is_silent_everywhere() -> None:
    pair = Pair()
    near, far = pair.home.watch(), pair.watch()
    camera = Source(1000, VP8)
    pair.play(*camera.frame(key=True))
    for core, track in ((pair.home.core, pair.home.track), (pair.away, pair.mirror)):
        core.command("mute", track, True)
    for _ in range(5):
        pair.play(*camera.frame(key=True))
    for core, track in ((pair.home.core, pair.home.track), (pair.away, pair.mirror)):
        core.command("mute", track, False)
    pair.play(*camera.frame())
    pair.play(*camera.frame(key=True))
    for viewer in (near, far):
        assert len(viewer.media) == 2
        assert consecutive(viewer.seqs)


def test_payload_types_are_those_of_the_viewer() -> None:
    pair = Pair()
    viewer = pair.watch(payload_types=[PayloadTypeMap(VP8, 45)])
    pair.play(*Source(1000, VP8).frame(key=True))
    assert [packet.payload_type for packet in viewer.media] == [45]

"""What a viewer gets of what a publisher sends: the same payloads, gapless, under its own numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sfu._fastpath.values import PayloadTypeMap, SubscriptionSpec
from tests.fastpath.probes.core_probe import CoreProbe
from tests.support.far_end import CM_SHA1, GCM_128, GCM_256, FarEnd, make_rtp
from tests.support.stage import (
    ABS_SEND_TIME,
    AUDIO,
    AUDIO_LEVEL,
    FRAME_US,
    MID,
    OPUS,
    RID,
    TRANSPORT_CC,
    VP8,
    Source,
    Stage,
    body,
    consecutive,
    simulcast,
)

LOUD = bytes([0x80 | 17])


def speaker() -> Source:
    return Source(500, OPUS, mid=b"a", seq=65_000, extensions={2: b"abs", 3: b"\0\1", 4: LOUD})


@pytest.mark.parametrize("crypto", ["auto", "openssl"])
def test_viewers_of_every_profile_get_the_same_payloads_in_their_own_streams(crypto: str) -> None:
    stage = Stage(core=CoreProbe(crypto=crypto), profile=CM_SHA1)
    for profile in (GCM_128, CM_SHA1, GCM_256) * 3:
        stage.watch(profile=profile)
    camera = Source(1000, VP8, seq=65_530)
    for number in range(40):
        stage.play(*camera.frame((1200, 1199, 50), key=number == 0))
        stage.advance(FRAME_US)
    sent = list(camera.payloads.values())
    for viewer in stage.viewers:
        assert viewer.far_end.unreadable == 0
        assert viewer.payloads == sent
        assert consecutive(viewer.seqs)
        assert {packet.ssrc for packet in viewer.media} == {viewer.ssrc}
        assert {packet.payload_type for packet in viewer.media} == {120}
        assert [packet.marker for packet in viewer.media] == [False, False, True] * 40


def test_end_to_end_extensions_get_the_viewers_ids_and_the_hops_own_stay_here() -> None:
    stage = Stage(AUDIO)
    ids = {MID: 14, AUDIO_LEVEL: 7, ABS_SEND_TIME: 3, TRANSPORT_CC: 4}
    one, two, bare = (
        stage.watch(extension_ids=ids),
        stage.watch(extension_ids={MID: 20, AUDIO_LEVEL: 200}, mid="21"),
        stage.watch(extension_ids={}, mid=""),
    )
    stage.play(speaker().sound())
    assert [packet.extensions for packet in one.media] == [{14: b"0", 7: LOUD}]
    assert [packet.extensions for packet in two.media] == [{20: b"21", 200: LOUD}]
    assert [packet.extensions for packet in bare.media] == [{}]


def test_the_rid_of_an_encoding_is_not_told() -> None:
    stage = Stage(simulcast())
    viewer = stage.watch(extension_ids={MID: 9, RID: 5})
    stage.play(*Source(1000, VP8, extensions={5: b"m"}).frame(key=True))
    assert [packet.extensions for packet in viewer.media] == [{9: b"0"}]


def test_padding_only_packets_close_up() -> None:
    stage = Stage()
    viewer = stage.watch()
    camera = Source(1000, VP8)
    stage.play(*camera.frame(key=True))
    for _ in range(20):
        padding = bytearray(camera.packet(bytes(9) + b"\x0a"))
        padding[0] |= 0x20
        stage.play(bytes(padding))
        stage.play(*camera.frame((100, 90)))
    assert len(viewer.media) == 41
    assert consecutive(viewer.seqs)


def test_a_payload_type_that_was_not_negotiated_is_a_drop() -> None:
    stage = Stage()
    viewer = stage.watch()
    camera = Source(1000, VP8)
    stage.play(*camera.frame(key=True))
    camera.payload_type = 35
    stage.play(*camera.frame())
    assert stage.drops() == {"rtp_unknown_pt": 1}
    assert len(viewer.media) == 1


def test_a_payload_type_that_one_viewer_does_not_take_closes_up_for_it() -> None:
    red = replace(AUDIO.payload_types[0], payload_type=63, codec_kind="red")
    stage = Stage(replace(AUDIO, payload_types=(*AUDIO.payload_types, red)))
    knows_both = stage.watch(payload_types=[PayloadTypeMap(OPUS, 120), PayloadTypeMap(63, 121)])
    knows_one = stage.watch(payload_types=[PayloadTypeMap(OPUS, 96)])
    knows_none = stage.watch(payload_types=[])
    voice = speaker()
    for number in range(30):
        voice.payload_type = 63 if number % 3 else OPUS
        stage.play(voice.sound())
    assert consecutive(knows_both.seqs)
    assert len(knows_both.seqs) == 30
    assert consecutive(knows_one.seqs)
    assert len(knows_one.seqs) == 10
    assert knows_none.media == []
    assert stage.drops() == {"subscription_no_codec": 20 + 30}


def test_mute_silences_and_the_stream_goes_on_behind_it() -> None:
    stage = Stage()
    viewer = stage.watch()
    camera = Source(1000, VP8)
    stage.play(*camera.frame(key=True))
    stage.core.command("mute", stage.track, True)
    secret = camera.seq
    for number in range(5):
        stage.play(*camera.frame((300, 200), key=number == 3))
        stage.advance(FRAME_US)
    assert len(viewer.media) == 1
    stage.core.command("mute", stage.track, False)
    late = stage.watch()
    stage.advance(FRAME_US)
    shown = camera.seq
    for number in range(5):
        stage.play(*camera.frame((300, 200), key=number == 2))
        stage.advance(FRAME_US)
    hidden = {body(camera.payloads[seq]) for seq in range(secret, shown)}
    for watcher in (viewer, late):
        assert not hidden & set(watcher.bodies)
        assert consecutive(watcher.seqs)
        assert watcher.bodies[-1] == body(camera.payloads[camera.seq - 1])
    assert len(late.media) == 6


def test_pause_and_resume_of_one_viewer() -> None:
    stage = Stage()
    paused, other = stage.watch(), stage.watch()
    camera = Source(1000, VP8)
    stage.play(*camera.frame((90, 90), key=True))
    stage.core.command("pause", paused.subscription, True)
    for _ in range(20):
        stage.play(*camera.frame((90, 90)))
        stage.advance(FRAME_US)
    assert (len(paused.media), len(other.media)) == (2, 42)
    stage.core.command("pause", paused.subscription, False)
    stage.play(*camera.frame((90, 90)))
    assert len(paused.media) == 2
    stage.play(*camera.frame((90, 90), key=True))
    assert len(paused.media) == 4
    assert consecutive(paused.seqs)
    assert consecutive(other.seqs)


@pytest.mark.parametrize("profile", [GCM_128, CM_SHA1, GCM_256])
def test_many_turns_of_the_sequence_number(profile: int) -> None:
    """Runs of packets and long losses between them, over ten rollovers on either side (RFC 3711 section 3.3.1)."""
    stage = Stage(AUDIO, profile=profile)
    viewers = [stage.watch(profile=other) for other in (GCM_128, CM_SHA1, GCM_256)]
    voice = speaker()
    came, turns = [], 0
    while turns < 10:
        for _ in range(40):
            came.append(voice.seq)
            stage.play(voice.sound(20))
            stage.core.now_us += 20_000
        turns += voice.seq + 16_000 > 0xFFFF
        voice.seq = (voice.seq + 16_000) & 0xFFFF
    for viewer in viewers:
        assert viewer.far_end.unreadable == 0
        assert [(seq - viewer.seqs[0]) & 0xFFFF for seq in viewer.seqs] == [
            (seq - came[0]) & 0xFFFF for seq in came
        ]


def test_duplicates_go_out_once_and_late_packets_in_their_place() -> None:
    stage = Stage()
    viewer = stage.watch()
    camera = Source(1000, VP8, seq=65_533)
    stage.play(*camera.frame(key=True))
    a, b, c, d, e = (camera.frame()[0] for _ in range(5))
    for packet in (a, a, d, b, d, e, c, b, c):
        stage.play(packet)
    start = viewer.seqs[0]
    assert [(seq - start) & 0xFFFF for seq in viewer.seqs] == [0, 1, 4, 2, 5, 3]
    assert sorted(viewer.payloads) == sorted(camera.payloads.values())
    assert stage.drops() == {"replayed": 4}


def test_a_viewer_that_is_not_connected_costs_nothing_and_disturbs_nobody() -> None:
    stage = Stage()
    viewer = stage.watch()
    for number in range(5):
        dead = stage.core.command("open_transport")
        spec = SubscriptionSpec("video", 90_000, 9000 + number, "cname")
        subscription = stage.core.command("subscribe", dead, spec)
        stage.core.command("bind", subscription, stage.track, [PayloadTypeMap(VP8, 120)])
    camera = Source(1000, VP8)
    for number in range(20):
        stage.play(*camera.frame((500, 500), key=number == 0))
    assert consecutive(viewer.seqs)
    assert stage.snapshot().counters["packets_forwarded"] == len(viewer.media) == 40
    assert stage.drops() == {}


def test_a_viewer_that_connects_late_starts_from_the_keyframe_it_missed() -> None:
    stage = Stage()
    camera = Source(1000, VP8)
    stage.play(*camera.frame((100, 100), key=True))
    stage.core.advance(FRAME_US)
    far_end = FarEnd(stage.core, connected=False)
    viewer = stage.watch(far_end=far_end)
    stage.play(*camera.frame())
    far_end.connect()
    stage.play(*camera.frame())
    assert viewer.payloads == list(camera.payloads.values())
    stage.advance(FRAME_US)
    assert stage.snapshot().counters["plis_out"] == 0


def test_a_vanished_viewer_gets_nothing_more_and_the_others_go_on() -> None:
    stage = Stage(AUDIO)
    there, gone = stage.watch(), stage.watch()
    voice = speaker()
    for _ in range(40):
        stage.core.now_us += 1_000_000
        there.far_end.check()
        stage.play(voice.sound())
        stage.advance(5000)
    assert len(there.media) == 40
    assert consecutive(there.seqs)
    assert 29 <= len(gone.media) <= 32
    assert ("transport", gone.far_end.handle, 3) in stage.core.notices()


def test_a_packet_too_large_to_keep_is_a_drop() -> None:
    stage = Stage()
    unprotected = make_rtp(payload_type=VP8, seq=1, rtp_ts=1, ssrc=1000, payload=bytes(1500))
    stage.core.ingest([(unprotected, stage.publisher.address)])
    assert stage.drops() == {"too_large": 1}

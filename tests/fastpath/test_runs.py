"""Runs under load: the packets of a frame leave as one GSO message per viewer, made equally long by RTP padding."""

from __future__ import annotations

import random
from itertools import groupby

import pytest

from tests.support.far_end import CM_SHA1, GCM_128, GCM_256, Rtp
from tests.support.stage import AUDIO, FRAME_US, OPUS, VP8, Source, Stage, Viewer, body, consecutive

HOLD_US = 2000
PAD_WITHIN_BYTES = 48
NEAR_EQUAL = (1150, 1151, 1151, 1150, 1103, 1151, 700)


@pytest.fixture
def stage() -> Stage:
    made = Stage()
    made.core.holding = True
    return made


@pytest.fixture
def camera() -> Source:
    return Source(1000, VP8, seq=65_500)


def runs(media: list[Rtp]) -> list[list[Rtp]]:
    return [list(group) for _, group in groupby(media, key=lambda packet: packet.run)]


def begin(stage: Stage, camera: Source) -> None:
    """A first keyframe, so that what follows is steady."""
    stage.play(*camera.frame(key=True))
    for viewer in stage.viewers:
        viewer.media.clear()


def test_the_packets_of_a_frame_leave_as_one_run_per_viewer(stage: Stage, camera: Source) -> None:
    viewers = [stage.watch(profile=profile) for profile in (GCM_128, CM_SHA1, GCM_256, GCM_128)]
    begin(stage, camera)
    packets = camera.frame(NEAR_EQUAL)
    for packet in packets[:-1]:
        stage.play(packet)
        assert [viewer.media for viewer in viewers] == [[]] * 4
    stage.play(packets[-1])
    for viewer in viewers:
        (run,) = runs(viewer.media)
        *full, last = [packet.wire_bytes for packet in run]
        assert len(set(full)) == 1
        assert last <= full[0]
        assert viewer.far_end.unreadable == 0
        assert viewer.bodies == [body(payload) for payload in list(camera.payloads.values())[-len(packets) :]]
        assert consecutive(viewer.seqs)
    assert len({viewer.media[0].run for viewer in viewers}) == 4


def test_padding_is_bounded_and_only_where_it_joins_packets(stage: Stage, camera: Source) -> None:
    viewer = stage.watch()
    begin(stage, camera)
    rng = random.Random(1)
    for _ in range(200):
        sizes = [rng.choice((300, 1000, 1000, 1180)) + rng.randrange(40) for _ in range(rng.randint(1, 14))]
        stage.play(*camera.frame(sizes))
        for run in runs(viewer.media):
            *full, last = run
            assert {packet.wire_bytes for packet in full} <= {run[0].wire_bytes}
            assert last.wire_bytes <= run[0].wire_bytes
            assert all(packet.padding <= PAD_WITHIN_BYTES for packet in run)
        if len(sizes) == 1:
            assert viewer.media[0].padding == 0
        viewer.media.clear()
    assert viewer.far_end.unreadable == 0


def test_sizes_far_apart_are_not_made_equal(stage: Stage, camera: Source) -> None:
    viewer = stage.watch()
    begin(stage, camera)
    stage.play(*camera.frame((1200, 600, 1200, 600)))
    assert [packet.padding for packet in viewer.media] == [0] * 4
    assert [len(run) for run in runs(viewer.media)] == [2, 2]


def test_without_load_nothing_waits(stage: Stage, camera: Source) -> None:
    stage.core.holding = False
    viewer = stage.watch()
    begin(stage, camera)
    for count, packet in enumerate(camera.frame((900, 900, 900)), start=1):
        stage.play(packet)
        assert len(viewer.media) == count


def test_a_packet_waits_no_longer_than_the_limit(stage: Stage, camera: Source) -> None:
    viewer = stage.watch()
    begin(stage, camera)
    first, second, _ = camera.frame((900, 900, 900))
    stage.play(first)
    stage.advance(HOLD_US // 2)
    stage.play(second)
    assert viewer.media == []
    stage.advance(HOLD_US - HOLD_US // 2)
    assert [len(run) for run in runs(viewer.media)] == [2]


def test_the_next_deadline_is_that_of_the_oldest_run(stage: Stage, camera: Source) -> None:
    stage.watch()
    begin(stage, camera)
    stage.advance(10_000)
    stage.play(camera.frame((900, 900))[0])
    stage.advance(HOLD_US - 1)
    assert stage.core.next_deadline_us == stage.core.now_us + 1


def test_a_long_frame_leaves_in_several_runs(stage: Stage, camera: Source) -> None:
    viewer = stage.watch()
    begin(stage, camera)
    stage.play(*camera.frame([1000] * 40))
    assert [len(run) for run in runs(viewer.media)] == [32, 8]
    assert consecutive(viewer.seqs)


def test_audio_never_waits() -> None:
    stage = Stage(AUDIO)
    stage.core.holding = True
    viewer = stage.watch()
    voice = Source(500, OPUS, mid=b"a")
    for count in range(1, 5):
        stage.play(voice.sound())
        assert len(viewer.media) == count
        stage.advance(FRAME_US)


def test_without_segmentation_nothing_is_padded(stage: Stage, camera: Source) -> None:
    stage.core.gso = False
    viewer = stage.watch()
    begin(stage, camera)
    stage.play(*camera.frame(NEAR_EQUAL))
    assert [packet.padding for packet in viewer.media] == [0] * len(NEAR_EQUAL)
    assert [len(run) for run in runs(viewer.media)] == [1] * len(NEAR_EQUAL)


def test_a_viewer_that_joins_while_a_run_waits_misses_nothing(stage: Stage, camera: Source) -> None:
    seen: list[Viewer] = [stage.watch()]
    first, *others = camera.frame((900, 900, 900), key=True)
    stage.play(first)
    seen.append(stage.watch())
    stage.play(*others)
    assert [viewer.payloads for viewer in seen] == [list(camera.payloads.values())] * 2
    assert all(consecutive(viewer.seqs) for viewer in seen)


def test_a_run_that_waits_dies_with_its_track(stage: Stage, camera: Source) -> None:
    viewer = stage.watch()
    begin(stage, camera)
    stage.play(camera.frame((900, 900))[0])
    stage.core.command("remove_track", stage.track)
    stage.advance(HOLD_US)
    stage.advance(HOLD_US)
    assert viewer.media == []


def test_for_many_viewers_a_frame_is_gathered_even_at_rest(stage: Stage, camera: Source) -> None:
    """From GATHER_LISTENERS viewers on an unfinished frame waits a moment, in proportion to their number."""
    viewers = [stage.watch() for _ in range(40)]
    stage.core.holding = False
    begin(stage, camera)
    first, second, last = camera.frame((900, 900, 900))
    stage.play(first, second)
    assert [viewer.media for viewer in viewers] == [[]] * 40
    stage.advance(2 * 40)
    assert {len(viewer.media) for viewer in viewers} == {2}
    stage.play(last)
    assert {len(viewer.media) for viewer in viewers} == {3}

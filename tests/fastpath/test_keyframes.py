"""Keyframe requests: merged, spaced, spelt as the publisher negotiated; none where history can do."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from sfu._fastpath.values import Feedback
from tests.support.far_end import pli, rtcp_packets
from tests.support.stage import FRAME_US, VIDEO, VP8, Source, Stage, simulcast

KEYFRAME_SPACING_US = 500_000


def requests(stage: Stage) -> list[tuple[str, int]]:
    """(pli or fir, SSRC) of each request that came to the publisher."""
    found = []
    for compound in stage.take_control():
        for kind, fmt, body in rtcp_packets(compound):
            if (kind, fmt) == (206, 1):
                found.append(("pli", struct.unpack_from("!I", body, 4)[0]))
            elif (kind, fmt) == (206, 4):
                found.append(("fir", struct.unpack_from("!I", body, 8)[0]))
    return found


def fir(media: int, number: int) -> bytes:
    """An empty RR and a FIR (RFC 5104 section 4.3.1)."""
    return struct.pack("!BBHI", 0x80, 201, 1, 1) + struct.pack(
        "!BBHIIIB3x", 0x84, 206, 4, 1, 0, media, number
    )


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def camera() -> Source:
    return Source(1000, VP8)


def test_a_lone_viewer_waits_for_its_keyframe_with_one_request(stage: Stage, camera: Source) -> None:
    stage.play(*camera.frame())
    viewer = stage.watch()
    for _ in range(12):
        stage.play(*camera.frame())
        stage.advance(FRAME_US)
    assert viewer.media == []
    assert requests(stage) == [("pli", 1000)]
    stage.play(*camera.frame(key=True))
    assert len(viewer.media) == 1


def test_requests_are_repeated_every_half_second_until_answered(stage: Stage, camera: Source) -> None:
    stage.play(*camera.frame())
    stage.watch()
    for _ in range(90):
        stage.play(*camera.frame())
        stage.advance(FRAME_US)
    assert len(requests(stage)) == 90 * FRAME_US // KEYFRAME_SPACING_US + 1
    stage.play(*camera.frame(key=True))
    for _ in range(90):
        stage.play(*camera.frame())
        stage.advance(FRAME_US)
    assert requests(stage) == []


@pytest.mark.parametrize("ask", [lambda ssrc: pli(1, ssrc), lambda ssrc: fir(ssrc, 1)])
def test_requests_of_many_viewers_are_one(stage: Stage, camera: Source, ask: object) -> None:
    for _ in range(20):
        stage.watch()
    stage.play(*camera.frame(key=True))
    stage.advance(2 * KEYFRAME_SPACING_US)
    requests(stage)
    for viewer in stage.viewers:
        viewer.far_end.send_rtcp(ask(viewer.ssrc))
        stage.advance(5000)
    assert requests(stage) == [("pli", 1000)]
    stage.play(*camera.frame(key=True))
    stage.viewers[0].far_end.send_rtcp(ask(7000))
    stage.advance(5000)
    assert requests(stage) == []
    stage.advance(KEYFRAME_SPACING_US)
    assert requests(stage) == [("pli", 1000)]


def test_a_publisher_that_knows_only_fir_gets_fir(camera: Source) -> None:
    stage = Stage(replace(VIDEO, feedback=Feedback.FIR))
    stage.play(*camera.frame())
    stage.watch()
    for _ in range(35):
        stage.play(*camera.frame())
        stage.advance(FRAME_US)
    assert requests(stage) == [("fir", 1000)] * 3


def test_only_the_wanted_encoding_is_asked() -> None:
    stage = Stage(simulcast())
    layers = [Source(1000 + k, VP8, extensions={5: rid}) for k, rid in enumerate((b"l", b"m", b"h"))]
    for layer in layers:
        stage.play(*layer.frame())
    viewer = stage.watch()
    stage.core.command("select", viewer.subscription, 1, -1)
    for _ in range(3):
        stage.advance(KEYFRAME_SPACING_US)
        assert requests(stage) == [("pli", 1001)]


def test_a_joiner_right_behind_a_keyframe_starts_from_history(stage: Stage, camera: Source) -> None:
    stage.play(*camera.frame((900, 900, 900), key=True))
    for _ in range(5):
        stage.advance(FRAME_US)
        stage.play(*camera.frame((700, 600)))
    viewer = stage.watch()
    stage.advance(FRAME_US)
    stage.play(*camera.frame((700, 600)))
    stage.advance(FRAME_US)
    assert viewer.payloads == list(camera.payloads.values())
    assert requests(stage) == []


@pytest.mark.parametrize("why", ["too long ago", "too much since", "something is missing"])
def test_a_joiner_too_far_behind_asks(stage: Stage, camera: Source, why: str) -> None:
    stage.play(*camera.frame(key=True))
    if why == "too long ago":
        stage.advance(600_000)
    elif why == "too much since":
        stage.play(*camera.frame([500] * 70))
    else:
        camera.frame()
    stage.play(*camera.frame())
    viewer = stage.watch()
    stage.play(*camera.frame())
    stage.advance(5000)
    assert viewer.media == []
    assert requests(stage) == [("pli", 1000)]


def test_a_gap_too_wide_to_repair_asks_for_a_keyframe(stage: Stage, camera: Source) -> None:
    viewer = stage.watch()
    stage.play(*camera.frame(key=True))
    for _ in range(600):
        camera.frame()
    stage.play(*camera.frame())
    stage.advance(5000)
    assert requests(stage) == [("pli", 1000)]
    assert len(viewer.media) == 2


def test_an_order_from_above_asks_every_encoding() -> None:
    stage = Stage(simulcast())
    for k, rid in enumerate((b"l", b"m", b"h")):
        stage.play(*Source(1000 + k, VP8, extensions={5: rid}).frame())
    stage.core.command("request_keyframe", stage.track)
    stage.advance(5000)
    assert sorted(requests(stage)) == [("pli", 1000), ("pli", 1001), ("pli", 1002)]

"""A publisher's sources come and go (RFC 3550 section 8): its viewers see one stream."""

from __future__ import annotations

from tests.support.far_end import parse_rtp
from tests.support.stage import FRAME_US, VP8, Source, Stage, body, consecutive

FIRST_SEQS = (40_000, 300, 65_530, 12)


def test_a_source_that_starts_anew_is_followed_wherever_its_numbers_begin() -> None:
    stage = Stage()
    viewer = stage.watch()
    sent = []
    for generation, seq in enumerate(FIRST_SEQS):
        camera = Source(1000 + generation, VP8, mid=b"v", seq=seq)
        for number in range(10):
            packets = camera.frame((300, 200), key=number == 0)
            sent += [body(parse_rtp(packet).payload) for packet in packets]
            stage.play(*packets)
            stage.advance(FRAME_US)
    assert viewer.bodies == sent
    assert consecutive(viewer.seqs)
    assert {packet.ssrc for packet in viewer.media} == {viewer.ssrc}

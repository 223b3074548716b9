"""Which addresses a Transport listens to and which one it sends to; what a check must not look like."""

from __future__ import annotations

import struct

import pytest
from aioice import stun

from tests.fastpath.probes.core_probe import CoreProbe
from tests.support.far_end import FarEnd
from tests.support.stage import FRAME_US, VP8, Source, Stage, consecutive

UNKNOWN_REQUIRED, UNKNOWN_OPTIONAL = 0x7ABC, 0xC0DE
HINT_CHARS = 11


def drops(core: CoreProbe) -> dict[str, int]:
    return {reason: count for reason, count in core.snapshot().drops.items() if count}


def with_attribute(far_end: FarEnd, number: int) -> bytes:
    """A check with one more attribute before MESSAGE-INTEGRITY (RFC 8489 section 14)."""
    request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    request.attributes["USERNAME"] = f"{far_end.ufrag}:peer"
    plain = bytes(request) + struct.pack("!HHI", number, 4, 0)
    plain = plain[:2] + struct.pack("!H", len(plain) - 20) + plain[4:]
    integrity = stun.message_integrity(plain, far_end.pwd.encode())
    plain += struct.pack("!HH", 8, len(integrity)) + integrity
    return plain[:2] + struct.pack("!H", len(plain) - 20) + plain[4:]


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.mark.parametrize("away", [("10.9.0.1", 7000), ("2001:db8::7", 7000)])
def test_media_follows_a_nomination_without_a_gap(stage: Stage, away: tuple[str, int]) -> None:
    viewer, camera = stage.watch(), Source(1000, VP8)
    for number in range(30):
        stage.play(*camera.frame((90, 90), key=number == 0))
        if number == 10:
            viewer.far_end.address = away
            viewer.far_end.check()
        stage.advance(FRAME_US)
    assert len(viewer.media) == 60
    assert consecutive(viewer.seqs)
    row = next(row for row in stage.snapshot().transports if row.transport == viewer.far_end.handle)
    assert (row.remote_address, row.remote_port) == away
    assert ("transport", viewer.far_end.handle, 1 | 8) in stage.core.notices()


def test_a_publisher_may_send_from_any_address_it_proved(stage: Stage) -> None:
    viewer, camera = stage.watch(), Source(1000, VP8)
    homes = [stage.publisher.address, ("10.9.0.1", 1), ("2001:db8::1", 2), ("10.9.0.3", 3)]
    for address in homes[1:]:
        stage.core.ingest([(stage.publisher.binding_request(nominate=False), address)])
    for number in range(12):
        stage.publisher.address = homes[number % 4]
        stage.play(*camera.frame(key=number == 0))
    assert viewer.payloads == list(camera.payloads.values())
    stage.publisher.address = ("10.9.0.9", 9)
    stage.play(*camera.frame())
    assert len(viewer.media) == 12
    assert stage.drops() == {"unknown_source": 1}


def test_an_address_belongs_to_whoever_proved_it_last(stage: Stage) -> None:
    """A NAT gives the same port to somebody else; the first one's end does not take it away."""
    viewer, heir = stage.watch(), FarEnd(stage.core)
    heir.address = stage.publisher.address
    heir.check()
    camera = Source(1000, VP8)
    stage.play(*camera.frame(key=True))
    assert viewer.media == []
    assert stage.drops() == {"rtp_unknown_ssrc": 1}
    stage.core.command("close_transport", stage.publisher.handle)
    stage.core.ingest([heir.protect(camera.frame()[0])])
    assert stage.drops() == {"rtp_unknown_ssrc": 2}


def test_nothing_is_sent_to_an_address_that_was_closed(stage: Stage) -> None:
    viewer, camera = stage.watch(), Source(1000, VP8)
    stage.play(*camera.frame(key=True))
    stage.core.command("close_transport", viewer.far_end.handle)
    stage.play(*camera.frame())
    stage.core.ingest([viewer.far_end.protect(camera.frame()[0])])
    assert len(viewer.media) == 1
    assert stage.drops() == {"unknown_source": 1}


def test_a_required_attribute_that_is_unknown_is_named(stage: Stage) -> None:
    stage.core.ingest([(with_attribute(stage.publisher, UNKNOWN_REQUIRED), stage.publisher.address)])
    ((data, _, _),) = stage.core.sent()
    assert struct.unpack_from("!H", data) == (0x0111,)
    assert struct.pack("!HHBBBB", 9, 4, 0, 0, 4, 20) in data
    assert struct.pack("!HHH", 10, 2, UNKNOWN_REQUIRED) in data
    stage.core.ingest([(with_attribute(stage.publisher, UNKNOWN_OPTIONAL), stage.publisher.address)])
    ((data, _, _),) = stage.core.sent()
    assert struct.unpack_from("!H", data) == (0x0101,)


def test_a_fingerprint_that_is_wrong_is_a_drop(stage: Stage) -> None:
    request = bytearray(stage.publisher.binding_request())
    request[-1] ^= 1
    stage.core.ingest([(bytes(request), stage.publisher.address)])
    assert stage.core.sent() == []
    assert drops(stage.core) == {"stun_bad_fingerprint": 1}


@pytest.mark.parametrize("message_class", [stun.Class.INDICATION, stun.Class.RESPONSE, stun.Class.ERROR])
def test_only_requests_are_answered(stage: Stage, message_class: stun.Class) -> None:
    message = stun.Message(message_method=stun.Method.BINDING, message_class=message_class)
    message.attributes["USERNAME"] = f"{stage.publisher.ufrag}:peer"
    message.add_message_integrity(stage.publisher.pwd.encode())
    stage.core.ingest([(bytes(message), stage.publisher.address)])
    assert stage.core.sent() == []
    assert drops(stage.core) == {"stun_not_request": 1}


@pytest.mark.parametrize(
    ("ufrag", "reason"),
    [
        ("elsenode" + "x" * 8, "stun_unknown_ufrag"),
        ("node", "stun_unknown_ufrag"),
        ("nodeC" + "A" * 11, "stun_wrong_worker"),
        ("nodeA//////xxxxx", "stun_unknown_ufrag"),
        ("nodeA!!!!!!xxxxx", "stun_unknown_ufrag"),
        ("node!" + "A" * 11, "stun_wrong_worker"),
    ],
)
def test_a_ufrag_that_names_no_transport_here(stage: Stage, ufrag: str, reason: str) -> None:
    stage.publisher.ufrag = ufrag
    stage.publisher.check()
    assert stage.core.sent() == []
    assert drops(stage.core) == {reason: 1}


def test_a_ufrag_is_compared_as_a_whole(stage: Stage) -> None:
    right = stage.publisher.ufrag
    for wrong in (right[:-1], right + "x", right[:HINT_CHARS] + "wrong"):
        stage.publisher.ufrag = wrong
        stage.publisher.check()
    assert stage.core.sent() == []
    assert drops(stage.core) == {"stun_unknown_ufrag": 3}


def test_a_far_end_that_comes_back_before_anybody_closed_it_gets_its_media_again(stage: Stage) -> None:
    viewer, camera = stage.watch(), Source(1000, VP8)
    stage.play(*camera.frame(key=True))
    for _ in range(9000):
        stage.core.now_us += 4000
        if stage.core.now_us % 1_000_000 < 4000:
            stage.publisher.check()
        stage.core.advance(1000)
    stage.play(*camera.frame())
    assert len(viewer.media) == 1
    viewer.far_end.check()
    stage.play(*camera.frame(key=True))
    assert len(viewer.media) == 2
    assert consecutive(viewer.seqs)

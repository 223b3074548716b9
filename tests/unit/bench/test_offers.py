"""What the load client offers is what a Node's own SDP stack reads, and answers are read for what they say."""

import pytest

from bench.load.offers import (
    EXTENSIONS,
    LocalDescription,
    OfferedTrack,
    read_description,
    write_answer,
    write_offer,
)
from sfu._fastpath.extensions import extension_number
from sfu.rtc.sdp import parse

LOCAL = LocalDescription("abcd", "p" * 24, ":".join(["AB"] * 32))
PUBLISHING = [OfferedTrack("audio", ((1, 0),)), OfferedTrack("video", ((2, 3),))]


def test_extension_numbers_are_those_of_the_packet_core() -> None:
    assert {uri: number for uri, (_, number) in EXTENSIONS.items()} == {
        uri: extension_number(uri) for uri in EXTENSIONS
    }


def test_an_offer_is_understood_by_the_nodes_parser() -> None:
    description = parse(write_offer(LOCAL, PUBLISHING))
    assert [media.kind for media in description.media] == ["audio", "video"]
    assert [media.mid for media in description.media] == ["0", "1"]
    assert {ssrc.ssrc for media in description.media for ssrc in media.ssrcs} == {1, 2, 3}


def test_a_simulcast_offer_names_its_rids_and_no_ssrcs() -> None:
    track = OfferedTrack("video", ((1, 2), (3, 4), (5, 6)), ("q", "h", "f"))
    media = parse(write_offer(LOCAL, [track])).media[0]
    assert [rid.rid for rid in media.rids] == ["q", "h", "f"]
    assert not media.ssrcs


def test_what_was_written_is_read_back() -> None:
    remote = read_description(write_offer(LOCAL, PUBLISHING))
    assert (remote.ufrag, remote.pwd, remote.setup) == ("abcd", "p" * 24, "actpass")
    assert remote.fingerprints[0] == ("sha-256", LOCAL.fingerprint_sha256)
    video = remote.section("video")
    assert video is not None
    assert video.codecs["vp8"] in video.rtx
    assert video.extensions == {
        number: offered for uri, (offered, number) in EXTENSIONS.items() if "stream-id" not in uri
    }


def test_an_answer_takes_the_payload_types_of_the_offer() -> None:
    offer = read_description(write_offer(LOCAL, PUBLISHING))
    answer = read_description(write_answer(LOCAL, offer))
    assert answer.setup == "active"
    assert [media.codecs for media in answer.media] == [{"opus": 111}, {"vp8": 96}]
    assert {media.direction for media in answer.media} == {"recvonly"}


def test_candidates_are_udp_over_ipv4_and_of_rtp() -> None:
    lines = [
        "a=ice-ufrag:abcd",
        "a=ice-pwd:" + "p" * 24,
        "a=fingerprint:sha-256 AB",
        "a=candidate:1 1 udp 2130706431 192.0.2.1 7882 typ host",
        "a=candidate:2 1 UDP 2130706430 2001:db8::1 7882 typ host",
        "a=candidate:3 1 tcp 2130706429 192.0.2.1 7882 typ host tcptype passive",
        "a=candidate:4 2 udp 2130706428 192.0.2.1 7883 typ host",
    ]
    assert read_description("\r\n".join(lines)).candidates == [("192.0.2.1", 7882)]


def test_a_rejected_section_is_not_used() -> None:
    text = write_offer(LOCAL, PUBLISHING).replace("m=video 9", "m=video 0")
    assert read_description(text).section("video") is None


def test_a_description_without_credentials_is_refused() -> None:
    with pytest.raises(ValueError, match="ICE credentials"):
        read_description("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n")

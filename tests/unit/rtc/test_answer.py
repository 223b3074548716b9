"""What an answer and an ICE restart say on the wire."""

from dataclasses import replace

import pytest

from sfu.rtc.answer import write_restart
from sfu.rtc.sdp import parse, parse_fragment
from tests.support.offers import LOCAL, OFFERS, answered


@pytest.mark.parametrize("name", OFFERS)
def test_restart_states_new_credentials_and_candidates_once(name: str) -> None:
    session = answered(name)
    renewed = replace(LOCAL, ice_ufrag="node0BBBBBBBBBBB", ice_pwd="z" * 24)
    fragment = parse_fragment(write_restart(session.sections, renewed))
    (media,) = fragment.media
    assert fragment.ice_lite
    assert (media.ice_ufrag, media.ice_pwd) == (renewed.ice_ufrag, renewed.ice_pwd)
    assert media.candidates == renewed.candidates
    assert media.end_of_candidates
    assert fragment.groups == parse(session.answer).groups
    assert media.mid == fragment.groups[0].mids[0]


def test_restart_skips_a_rejected_section() -> None:
    offer = OFFERS["chromium-datachannel"]
    assert "m=application" in offer
    audio, video, data = answered("chromium-datachannel").sections
    fragment = parse_fragment(write_restart((replace(data, index=0), video, audio), LOCAL))
    assert fragment.media[0].kind == "video"


def test_firefox_gets_directions_where_it_stated_some_and_chromium_none() -> None:
    assert "/recvonly urn:" in answered("firefox-simulcast").answer
    assert "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n" in answered("chromium-talk").answer


def test_rid_restrictions_come_back_with_the_payload_types_that_are_accepted() -> None:
    offer = OFFERS["chromium-simulcast"].replace("a=rid:h send", "a=rid:h send pt=96,120;max-width=1280")
    with_limits = answered("chromium-simulcast", offer=offer).answer
    assert "a=rid:h recv pt=96;max-width=1280\r\n" in with_limits
    assert "a=rid:l recv\r\n" in with_limits


def test_mixed_extension_headers_are_allowed_where_the_offer_does() -> None:
    assert "a=extmap-allow-mixed\r\n" in answered("chromium-publish").answer
    assert "a=extmap-allow-mixed\r\n" not in answered("gstreamer-publish").answer


def test_fmtp_is_verbatim() -> None:
    answer = answered("gstreamer-h264").answer
    (fmtp,) = [line for line in OFFERS["gstreamer-h264"].split("\r\n") if line.startswith("a=fmtp")]
    assert fmtp + "\r\n" in answer

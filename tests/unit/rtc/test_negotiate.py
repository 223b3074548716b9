"""What is agreed with real clients, and which offers are refused with which reason."""

import asyncio

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from hypothesis import given
from hypothesis import strategies as st

from sfu._fastpath.values import Feedback
from sfu.rtc import extensions
from sfu.rtc.negotiate import NegotiationError, Terms, negotiate
from sfu.rtc.parameters import Direction, EncodingParameters, Intent, MediaKind, NegotiatedSession
from sfu.rtc.sdp import SdpError, parse
from tests.support.offers import HEAD, LOCAL, OFFERS, answered, intent_of, terms
from tests.unit.rtc.test_sdp import mutated_offers


def negotiated(offer: str, intent: Intent = "publish") -> NegotiatedSession:
    return negotiate(offer, LOCAL, terms(intent))


@pytest.mark.parametrize("name", OFFERS)
def test_answer_mirrors_the_offer(name: str) -> None:
    offer, session = parse(OFFERS[name]), answered(name)
    answer = parse(session.answer)
    assert [media.kind for media in answer.media] == [media.kind for media in offer.media]
    assert [media.mid for media in answer.media] == [media.mid for media in offer.media]
    assert answer.ice_lite
    assert answer.setup == "passive"
    assert (answer.ice_ufrag, answer.ice_pwd) == (LOCAL.ice_ufrag, LOCAL.ice_pwd)
    for offered, given_back, section in zip(offer.media, answer.media, session.sections, strict=True):
        assert section.rejected == (given_back.port == 0)
        if section.rejected:
            continue
        assert given_back.direction is section.direction
        assert is_subsequence(given_back.formats, offered.formats)
        assert set(given_back.rtpmaps) <= set(offered.rtpmaps)
        assert {fmtp.payload_type for fmtp in given_back.fmtps} <= set(map(int, given_back.formats))
        assert {(e.id, e.uri) for e in given_back.extmaps} <= {(e.id, e.uri) for e in offered.extmaps}
        assert given_back.rtcp_mux


def is_subsequence(short: tuple[str, ...], long: tuple[str, ...]) -> bool:
    rest = iter(long)
    return all(item in rest for item in short)


@pytest.mark.parametrize("name", OFFERS)
def test_bundle_is_of_the_sections_that_are_used(name: str) -> None:
    session = answered(name)
    used = tuple(section.mid for section in session.sections if not section.rejected)
    assert [group.mids for group in parse(session.answer).groups] == [used]


@pytest.mark.parametrize("name", OFFERS)
def test_candidates_stand_once(name: str) -> None:
    media = parse(answered(name).answer).media
    assert [section.candidates for section in media if section.candidates] == [LOCAL.candidates]
    assert next(section for section in media if section.port).end_of_candidates


def test_data_channel_is_rejected_but_media_is_not() -> None:
    audio, video, data = answered("chromium-datachannel").sections
    assert (audio.rejected, video.rejected, data.rejected) == (False, False, True)
    assert data.kind is MediaKind.APPLICATION


def test_chromium_publishes_three_simulcast_streams() -> None:
    session = answered("chromium-simulcast")
    video = session.sections[1]
    assert video.direction is Direction.RECVONLY
    assert [encoding.rid for encoding in video.encodings] == ["l", "m", "h"]
    assert video.feedback == (
        Feedback.NACK | Feedback.PLI | Feedback.FIR | Feedback.TRANSPORT_CC | Feedback.REMB
    )
    assert {extensions.MID, extensions.RID, extensions.REPAIRED_RID, extensions.TRANSPORT_CC} <= set(
        video.receive_extensions()
    )
    assert video.send_extensions() == {}
    assert "a=simulcast:recv h;m;l\r\n" in session.answer
    assert session.answer.count("a=rid:") == 3
    codecs = {codec.payload_type: codec for codec in video.codecs}
    assert codecs[96].rtx_payload_type == 97
    assert not {"ulpfec", "red", "rtx"} & {codec.name for codec in video.codecs}
    assert session.trickle


def test_firefox_directions_are_mirrored() -> None:
    video = answered("firefox-simulcast").sections[1]
    assert video.receive_extensions()[extensions.RID] == 9
    assert extensions.PLAYOUT_DELAY not in video.receive_extensions()
    assert (
        "a=extmap:9/recvonly urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
        in answered("firefox-simulcast").answer
    )


def test_viewer_is_told_our_sources_and_estimates_nothing() -> None:
    session = answered("chromium-subscribe")
    audio, video = session.sections
    assert (audio.direction, video.direction) == (Direction.SENDONLY, Direction.SENDONLY)
    assert audio.sending == EncodingParameters(ssrc=1)
    assert video.sending == EncodingParameters(ssrc=2, rtx_ssrc=3)
    assert "a=ssrc-group:FID 2 3\r\n" in session.answer
    assert session.answer.count("cname:node\r\n") == 3
    assert "a=msid:room room-video\r\n" in session.answer
    assert video.feedback == Feedback.NACK | Feedback.PLI | Feedback.FIR
    assert not extensions.FOR_ESTIMATION & set(video.send_extensions())
    assert video.receive_extensions() == {}
    assert video.encodings == ()
    assert session.sending() == session.sections
    assert session.receiving() == ()


def test_talk_goes_both_ways_on_one_m_line() -> None:
    (audio,) = answered("chromium-talk").sections
    assert audio.direction is Direction.SENDRECV
    assert audio.sending == EncodingParameters(ssrc=1)
    assert audio.encodings[0].ssrc is not None
    assert audio.feedback == Feedback.TRANSPORT_CC
    assert extensions.TRANSPORT_CC in audio.receive_extensions()
    assert extensions.TRANSPORT_CC not in audio.send_extensions()
    assert extensions.MID in audio.send_extensions()


def test_viewer_gets_the_first_m_line_of_each_kind() -> None:
    lines = OFFERS["chromium-subscribe"].split("\r\n")
    video = lines.index(next(line for line in lines if line.startswith("m=video")))
    twice = [*lines[:-1], *("a=mid:2" if line == "a=mid:1" else line for line in lines[video:])]
    offer = "\r\n".join(twice).replace("BUNDLE 0 1", "BUNDLE 0 1 2")
    session = negotiated(offer, "subscribe")
    assert [section.direction for section in session.sections] == [
        Direction.SENDONLY,
        Direction.SENDONLY,
        Direction.INACTIVE,
    ]
    assert session.sections[2].sending is None
    assert not session.sections[2].rejected


def test_publisher_without_the_right_to_publish_video_publishes_audio() -> None:
    session = negotiate(
        OFFERS["firefox-publish"], LOCAL, terms("publish", publishable=frozenset({MediaKind.AUDIO}))
    )
    assert [section.kind for section in session.receiving()] == [MediaKind.AUDIO]


def test_ssrc_of_the_far_end_is_never_ours() -> None:
    offer = OFFERS["chromium-talk"]
    theirs = parse(offer).media[0].ssrcs[0].ssrc
    drawn = iter([0, theirs, 7])
    session = negotiate(offer, LOCAL, Terms("talk", lambda: next(drawn)))
    assert session.sections[0].sending == EncodingParameters(ssrc=7)


def test_one_m_line_needs_no_bundle() -> None:
    offer = OFFERS["gstreamer-h264"].replace("a=group:BUNDLE video0\r\n", "").replace("a=mid:video0\r\n", "")
    session = negotiated(offer)
    assert session.sections[0].mid == ""
    assert "BUNDLE" not in session.answer


def test_a_viewers_m_line_outside_the_bundle_is_rejected() -> None:
    offer = OFFERS["chromium-subscribe"].replace("a=group:BUNDLE 0 1", "a=group:BUNDLE 1")
    assert [section.rejected for section in negotiated(offer, "subscribe").sections] == [True, False]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("a=group:BUNDLE 0 1", "a=group:BUNDLE 1", r"m-line 0 \(audio\) is not in a=group:BUNDLE"),
        ("a=mid:1", "a=x-mid:1", r"m-line 1 \(video\) is not in a=group:BUNDLE"),
        ("opus/48000/2", "opus/16000/2", None),
        ("/90000", "/8000", r"m-line 1 \(video\) offers VP8, rtx"),
    ],
)
def test_a_publisher_gets_all_of_its_media_through_or_a_reason(
    old: str, new: str, reason: str | None
) -> None:
    offer = OFFERS["chromium-publish"]
    assert old in offer
    if reason is None:
        assert not any(section.rejected for section in negotiated(offer.replace(old, new)).sections)
        return
    with pytest.raises(NegotiationError, match=reason):
        negotiated(offer.replace(old, new))


@pytest.mark.parametrize(("mid", "in_packets"), [("v" * 16, True), ("v" * 17, False), ("v" * 64, False)])
def test_a_mid_too_long_for_packets_is_good_in_sdp(mid: str, *, in_packets: bool) -> None:
    offer = OFFERS["chromium-publish"].replace("BUNDLE 0 1", f"BUNDLE 0 {mid}").replace("mid:1", f"mid:{mid}")
    session = negotiated(offer)
    assert f"a=mid:{mid}\r\n" in session.answer
    assert f"a=group:BUNDLE 0 {mid}\r\n" in session.answer
    assert (extensions.MID in session.sections[1].receive_extensions()) == in_packets


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("a=group:BUNDLE 0 1", "a=group:BUNDLE 8 9", "names no m-line"),
        ("a=rtcp-mux\r\n", "", "rtcp-mux"),
        ("a=setup:actpass", "a=setup:passive", "DTLS client"),
        ("a=group:", "a=ice-lite\r\na=group:", "ICE-lite"),
        ("a=ice-ufrag:", "a=x-ufrag:", "ice-ufrag"),
        ("a=fingerprint:sha-256", "a=fingerprint:md5", "fingerprint"),
        ("a=sendonly", "a=recvonly", "publish"),
        ("a=sendonly", "a=inactive", "publish"),
        ("/90000", "/8000", "publish"),
        ("m=", "m=x-", "publish"),
        ("RTP/SAVPF", "RTP/AVPF", "publish"),
    ],
)
def test_offer_that_cannot_be_served_is_refused_with_the_reason(old: str, new: str, reason: str) -> None:
    offer = OFFERS["safari-publish"].replace("m=audio 9", "m=audio 0")
    assert old in offer
    with pytest.raises(NegotiationError, match=reason):
        negotiated(offer.replace(old, new))


def test_several_m_lines_need_a_bundle() -> None:
    with pytest.raises(NegotiationError, match="without a=group:BUNDLE"):
        negotiated(OFFERS["chromium-publish"].replace("a=group:BUNDLE", "a=group:LS"))


@pytest.mark.parametrize(("count", "served"), [(8, True), (9, False)])
def test_one_participant_publishes_so_many_tracks_and_no_more(count: int, *, served: bool) -> None:
    mids = " ".join(map(str, range(count)))
    media = "".join(
        f"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na=rtcp-mux\r\na=sendonly\r\n"
        for mid in range(count)
    )
    transport = (
        f"a=group:BUNDLE {mids}\r\na=ice-ufrag:far0\r\na=ice-pwd:{'p' * 24}\r\n"
        f"a=fingerprint:{'sha-256 ' + LOCAL.fingerprint_sha256}\r\na=setup:actpass\r\n"
    )
    offer = f"{HEAD}\r\n{transport}{media}"
    if served:
        assert len(negotiated(offer).sections) == count
    else:
        with pytest.raises(NegotiationError, match="8 at the most"):
            negotiated(offer)


def test_offer_without_m_lines_is_refused() -> None:
    with pytest.raises(NegotiationError, match="no m-line"):
        negotiated(HEAD)


@pytest.mark.parametrize("direction", ["sendonly", "recvonly", "sendrecv"])
def test_aiortc_takes_the_answer(direction: str) -> None:
    intents: dict[str, Intent] = {"sendonly": "publish", "recvonly": "subscribe", "sendrecv": "talk"}

    async def exchange() -> None:
        peer = RTCPeerConnection()
        for kind, track in (("audio", AudioStreamTrack()), ("video", VideoStreamTrack())):
            peer.addTransceiver(kind if direction == "recvonly" else track, direction=direction)
        peer.createDataChannel("chat")
        await peer.setLocalDescription(await peer.createOffer())
        session = negotiated(peer.localDescription.sdp, intents[direction])
        await peer.setRemoteDescription(RTCSessionDescription(session.answer, "answer"))
        assert peer.signalingState == "stable"
        assert [transceiver.currentDirection for transceiver in peer.getTransceivers()] == [direction] * 2
        await peer.close()

    asyncio.run(exchange())


@given(mutated_offers(), st.sampled_from(["publish", "subscribe", "talk"]))
def test_mutated_offer_is_agreed_or_refused(offer: str, intent: Intent) -> None:
    try:
        session = negotiated(offer, intent)
    except (SdpError, NegotiationError):
        return
    answer = parse(session.answer)
    assert len(answer.media) == len(parse(offer).media)
    assert any(media.port for media in answer.media)


def test_every_stored_offer_names_its_purpose() -> None:
    assert {intent_of(name) for name in OFFERS} == {"publish", "subscribe", "talk"}

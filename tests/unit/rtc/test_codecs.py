"""Two ends' payload types meet exactly when the receiver can decode what the sender sends."""

import pytest

from sfu._fastpath.values import CODEC_KINDS, Feedback
from sfu.rtc.codecs import AUDIO_CODECS, VIDEO_CODECS, accept_codecs, h264_profile, payload_type_map
from sfu.rtc.negotiate import Terms, negotiate
from sfu.rtc.parameters import Codec, MediaKind, MediaSection
from sfu.rtc.sdp import parse
from tests.support.offers import HEAD, LOCAL, OFFERS, answered, terms

ALL_FEEDBACK = Feedback.NACK | Feedback.PLI | Feedback.FIR | Feedback.TRANSPORT_CC | Feedback.REMB


def section(*codecs: Codec) -> MediaSection:
    return MediaSection(index=0, kind=MediaKind.VIDEO, mid="0", codecs=codecs)


def offered(*lines: str, kind: MediaKind = MediaKind.VIDEO) -> tuple[Codec, ...]:
    return accept_codecs(parse("\r\n".join((HEAD, *lines))).media[0], kind, ALL_FEEDBACK)


def h264(payload_type: int, profile_level_id: str, *, mode: int = 1) -> Codec:
    fmtp = f"profile-level-id={profile_level_id};packetization-mode={mode};level-asymmetry-allowed=1"
    return Codec(payload_type, "H264", 90000, fmtp=fmtp)


def test_every_accepted_codec_has_a_kind_in_the_packet_core() -> None:
    assert AUDIO_CODECS.keys() | VIDEO_CODECS.keys() == set(CODEC_KINDS) - {"other"}


def test_wildcard_feedback_is_everybodys_and_the_unknown_is_nobodys() -> None:
    vp8, vp9 = offered(
        "m=video 9 UDP/TLS/RTP/SAVPF 96 98",
        "a=rtpmap:96 VP8/90000",
        "a=rtpmap:98 VP9/90000",
        "a=rtcp-fb:* nack",
        "a=rtcp-fb:98 nack pli",
        "a=rtcp-fb:* ccm tmmbr",
    )
    assert list(map(str, vp8.feedback)) == ["nack"]
    assert list(map(str, vp9.feedback)) == ["nack", "nack pli"]


def test_rtx_belongs_to_its_codec_and_broken_rtx_to_none() -> None:
    vp8, vp9 = offered(
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99 100",
        "a=rtpmap:96 VP8/90000",
        "a=rtpmap:97 rtx/90000",
        "a=fmtp:97 rtx-time=3000; apt=96",
        "a=rtpmap:98 VP9/90000",
        "a=rtpmap:99 rtx/90000",
        "a=fmtp:99 apt=ninety",
        "a=rtpmap:100 rtx/90000",
    )
    assert (vp8.rtx_payload_type, vp9.rtx_payload_type) == (97, None)


def test_static_payload_types_need_no_rtpmap() -> None:
    codecs = offered("m=audio 9 UDP/TLS/RTP/SAVPF 8 0 9 13", kind=MediaKind.AUDIO)
    assert [codec.kind for codec in codecs] == ["pcma", "pcmu", "g722"]


def test_payload_types_that_look_like_rtcp_are_not_accepted() -> None:
    assert offered("m=video 9 UDP/TLS/RTP/SAVPF 72", "a=rtpmap:72 VP8/90000") == ()


def test_red_and_telephone_events_do_not_stand_alone() -> None:
    lines = ("a=rtpmap:63 red/48000/2", "a=fmtp:63 111/111", "a=rtpmap:101 telephone-event/8000")
    assert offered("m=audio 9 UDP/TLS/RTP/SAVPF 63 101", *lines, kind=MediaKind.AUDIO) == ()
    with_opus = offered(
        "m=audio 9 UDP/TLS/RTP/SAVPF 63 111 101", "a=rtpmap:111 opus/48000/2", *lines, kind=MediaKind.AUDIO
    )
    assert [codec.kind for codec in with_opus] == ["red", "opus", "telephone-event"]


@pytest.mark.parametrize(
    ("profile_level_id", "profile"),
    [
        ("42e01f", "constrained-baseline"),
        ("42c015", "constrained-baseline"),
        ("4d801f", "constrained-baseline"),
        ("58c01f", "constrained-baseline"),
        ("42001f", "baseline"),
        ("4d001f", "main"),
        ("64001f", "high"),
        ("640C1F", "constrained-high"),
        ("f4001f", "high-4:4:4-predictive"),
        ("6e001f", "6e00"),
        ("zz", "zz"),
        ("", ""),
    ],
)
def test_profile_of_a_profile_level_id(profile_level_id: str, profile: str) -> None:
    assert h264_profile(profile_level_id) == profile


@pytest.mark.parametrize(
    ("sent", "taken", "met"),
    [
        (h264(96, "42e01f"), [h264(100, "42e034")], 100),
        (h264(96, "42e01f"), [h264(100, "42001f"), h264(101, "42c01f")], 101),
        (h264(96, "42e01f"), [h264(100, "64001f"), h264(101, "4d001f")], 101),
        (h264(96, "64001f"), [h264(100, "42e01f")], None),
        (h264(96, "42e01f", mode=0), [h264(100, "42e01f"), h264(101, "42e01f", mode=0)], 101),
        (h264(96, "42e01f", mode=0), [h264(100, "42e01f")], 100),
        (h264(96, "42e01f"), [h264(100, "42e01f", mode=0)], None),
        (Codec(96, "H264", 90000), [h264(100, "42e01f", mode=0)], 100),
        (Codec(98, "VP9", 90000), [Codec(98, "VP9", 90000, fmtp="profile-id=2")], None),
        (
            Codec(98, "VP9", 90000),
            [Codec(1, "VP9", 90000, fmtp="profile-id=2"), Codec(2, "vp9", 90000, fmtp="profile-id=0")],
            2,
        ),
        (Codec(45, "AV1", 90000, fmtp="profile=0;tier=0"), [Codec(99, "AV1", 90000)], 99),
        (Codec(45, "AV1", 90000, fmtp="profile=1"), [Codec(99, "AV1", 90000)], None),
        (Codec(111, "opus", 48000, 2, "stereo=1"), [Codec(97, "OPUS", 48000, 2)], 97),
        (Codec(110, "telephone-event", 48000), [Codec(101, "telephone-event", 8000)], None),
        (Codec(0, "PCMU", 8000), [Codec(8, "PCMA", 8000)], None),
    ],
)
def test_a_codec_meets_the_best_decoder(sent: Codec, taken: list[Codec], met: int | None) -> None:
    mapped = payload_type_map(section(sent), section(*taken))
    assert mapped == ([] if met is None else [(sent.payload_type, met, -1)])


def test_red_is_forwarded_only_where_its_inner_payload_type_means_the_same() -> None:
    red, opus = Codec(63, "red", 48000, 2, "111/111"), Codec(111, "opus", 48000, 2)
    assert payload_type_map(section(opus, red), section(opus, red)) == [(111, 111, -1), (63, 63, -1)]
    other = Codec(109, "opus", 48000, 2)
    elsewhere = section(other, Codec(63, "red", 48000, 2, "109/109"))
    assert payload_type_map(section(opus, red), elsewhere) == [(111, 109, -1)]
    assert payload_type_map(section(opus, red), section(opus)) == [(111, 111, -1)]


@pytest.mark.parametrize("viewer", [name for name in OFFERS if name.endswith(("subscribe", "talk"))])
@pytest.mark.parametrize("publisher", [name for name in OFFERS if not name.endswith("subscribe")])
def test_real_clients_meet_in_what_they_send_first(publisher: str, viewer: str) -> None:
    for sent in answered(publisher).receiving():
        for taken in answered(viewer).sending():
            if sent.kind is taken.kind and can_meet(sent, taken):
                first = sent.codecs[0].payload_type
                assert first in {incoming for incoming, _, _ in payload_type_map(sent, taken)}


def can_meet(sent: MediaSection, taken: MediaSection) -> bool:
    """GStreamer's stored offers have one video codec each, Firefox's no H.264, aiortc's no High profile."""
    first = sent.codecs[0]
    if first.kind == "h264":
        return any(codec.kind == "h264" and "640" in codec.fmtp for codec in taken.codecs)
    return first.kind in {codec.kind for codec in taken.codecs}


def test_a_viewer_with_rtx_gets_its_rtx_payload_type() -> None:
    publisher, viewer = answered("firefox-publish").sections[1], answered("chromium-subscribe").sections[1]
    assert (120, 96, 97) in payload_type_map(publisher, viewer)


def test_only_the_publishers_permitted_estimation_is_accepted() -> None:
    viewer = negotiate(OFFERS["chromium-subscribe"], LOCAL, terms("subscribe"))
    assert viewer.sections[1].feedback & (Feedback.TRANSPORT_CC | Feedback.REMB) == Feedback(0)
    estimating = Terms("subscribe", iter(range(1, 9)).__next__, estimate_viewers=True)
    viewer = negotiate(OFFERS["chromium-subscribe"], LOCAL, estimating)
    assert viewer.sections[1].feedback & Feedback.TRANSPORT_CC

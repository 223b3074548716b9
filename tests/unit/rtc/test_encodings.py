"""An m-line's streams come out lowest quality first, however the client names them."""

import pytest

from sfu.rtc.encodings import announced_encodings
from sfu.rtc.parameters import MAX_ENCODINGS, EncodingParameters
from sfu.rtc.sdp import parse
from tests.support.offers import HEAD, OFFERS, answered


def announced(*lines: str, payload_types: tuple[int, ...] = (96,)) -> tuple[EncodingParameters, ...]:
    media = parse("\r\n".join((HEAD, "m=video 9 UDP/TLS/RTP/SAVPF 96 98", *lines))).media[0]
    return announced_encodings(media, payload_types)


def rids(*lines: str) -> list[str | None]:
    return [encoding.rid for encoding in announced(*lines)]


@pytest.mark.parametrize(
    ("order", "lowest_first"),
    [
        ("h;m;l", "l m h"),
        ("l;m;h", "l m h"),
        ("q;h;f", "q h f"),
        ("f;h;q", "q h f"),
        ("hi;lo", "lo hi"),
        ("r0;r1;r2", "r0 r1 r2"),
        ("r2;r1;r0", "r0 r1 r2"),
        ("big;small", "small big"),
        ("0;1;2", "2 1 0"),
        ("f", "f"),
    ],
)
def test_known_names_have_their_rank_and_others_that_of_preference(order: str, lowest_first: str) -> None:
    declared = [f"a=rid:{rid} send" for rid in order.split(";")]
    assert rids(*declared, f"a=simulcast:send {order}") == lowest_first.split()


def test_stated_sizes_outrank_names() -> None:
    lines = (
        "a=rid:l send max-width=1280;max-height=720",
        "a=rid:h send max-width=320",
        "a=simulcast:send l;h",
    )
    assert rids(*lines) == ["h", "l"]


def test_first_declared_alternative_is_taken_and_the_undeclared_left_out() -> None:
    lines = ("a=rid:b send", "a=rid:c send", "a=rid:r recv", "a=simulcast:send a,b;~c;d;r")
    assert rids(*lines) == ["c", "b"]


def test_rid_of_other_payload_types_is_left_out() -> None:
    lines = ("a=rid:h send pt=98", "a=rid:l send pt=96,98", "a=simulcast:send h;l")
    assert rids(*lines) == ["l"]


def test_at_most_so_many_streams_and_the_preferred_ones() -> None:
    names = [f"x{number}" for number in range(8)]
    taken = rids(*(f"a=rid:{rid} send" for rid in names), "a=simulcast:send " + ";".join(names))
    assert taken == names[:MAX_ENCODINGS]


def test_rids_without_simulcast_say_nothing() -> None:
    assert announced("a=rid:h send") == (EncodingParameters(),)


def test_source_with_its_repair() -> None:
    lines = ("a=ssrc-group:FID 10 11", "a=ssrc:10 cname:x", "a=ssrc:11 cname:x")
    assert announced(*lines) == (EncodingParameters(ssrc=10, rtx_ssrc=11),)


def test_simulcast_by_source_keeps_the_group_s_order() -> None:
    video = answered("safari-publish").sections[1]
    assert "SIM" in OFFERS["safari-publish"]
    assert [(encoding.ssrc, encoding.rtx_ssrc) for encoding in video.encodings] == [
        (3810475521, 2205918430),
        (1290463308, 3094412077),
        (744120956, 1658203947),
    ]

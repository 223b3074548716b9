"""Any text is a description that survives its own writing, or an SdpError that names the line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.errors import RemoteProtocolError
from sfu.rtc.attributes import Simulcast, SimulcastRid
from sfu.rtc.parameters import Direction, RtcpFeedback
from sfu.rtc.sdp import (
    MAX_BYTES,
    MAX_LINES_PER_SECTION,
    MAX_SECTIONS,
    SdpError,
    SessionDescription,
    parse,
    parse_fragment,
)
from tests.support.offers import HEAD, OFFERS

AUDIO = "m=audio 9 UDP/TLS/RTP/SAVPF 111"


def session(*lines: str) -> str:
    return "\r\n".join(("v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", *lines, ""))


def parsed_or_refused(text: str) -> SessionDescription | None:
    try:
        return parse(text)
    except SdpError:
        return None


@pytest.mark.parametrize("name", OFFERS)
def test_offer_of_a_real_client_survives_its_own_writing(name: str) -> None:
    description = parse(OFFERS[name])
    assert parse(str(description)) == description


@pytest.mark.parametrize("name", OFFERS)
def test_offer_loses_no_line(name: str) -> None:
    written = str(parse(OFFERS[name])).split("\r\n")
    assert sorted(canonical(line) for line in OFFERS[name].split("\r\n")) == sorted(written)


def canonical(line: str) -> str:
    """Case and redundancy that this writer does not keep: G722/8000/1 is G722/8000."""
    if line.startswith("a=fingerprint"):
        return line[:22] + line[22:].upper()
    return line.removesuffix("/1") if line.startswith("a=rtpmap") else line


def test_bare_line_feeds_and_trailing_empty_lines_are_forgiven() -> None:
    text = OFFERS["chromium-publish"]
    assert parse(text.replace("\r\n", "\n") + "\n\n") == parse(text) == parse(text.encode())


def test_unknown_lines_and_attributes_are_kept() -> None:
    description = parse(session("x=what", "a=novel:1 2", AUDIO, "b=AS:64", "i=mic", "a=ptime:20", "a=novel"))
    assert ("x", "what") in description.lines
    assert description.other == (("novel", "1 2"),)
    assert description.media[0].lines == (("b", "AS:64"), ("i", "mic"))
    assert description.media[0].other == (("ptime", "20"), ("novel", None))


def test_everything_a_section_may_state_is_read() -> None:
    media = parse(
        session(
            "m=video 9 UDP/TLS/RTP/SAVPF 96 97",
            "a=mid:v",
            "a=sendonly",
            "a=rtcp-mux",
            "a=rtcp-rsize",
            "a=extmap:9/sendonly urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
            "a=rtpmap:96 VP8/90000",
            "a=fmtp:96 max-fs=12288; max-fr=60",
            "a=rtcp-fb:* nack pli",
            "a=rtcp-fb:96 transport-cc",
            "a=rid:h send pt=96;max-width=1280",
            "a=rid:l send",
            "a=simulcast:send h,x;~l recv y",
            "a=ssrc-group:FID 1 2",
            "a=ssrc:1 cname:me: and more",
            "a=candidate:1 1 tcp 1518214911 fd00::2 9 typ host tcptype active generation 0",
            "a=candidate:2 1 udp 41885439 192.0.2.9 5000 typ relay raddr 0.0.0.0 rport 0",
            "a=end-of-candidates",
        )
    ).media[0]
    assert media.direction is Direction.SENDONLY
    assert (media.extmaps[0].id, media.extmaps[0].direction) == (9, Direction.SENDONLY)
    assert media.fmtps[0].text == "max-fs=12288; max-fr=60"
    assert [(line.payload_type, line.feedback) for line in media.feedback] == [
        (None, RtcpFeedback("nack", "pli")),
        (96, RtcpFeedback("transport-cc")),
    ]
    assert media.rids[0].restrictions == (("pt", "96"), ("max-width", "1280"))
    assert media.simulcast == Simulcast(
        send=((SimulcastRid("h"), SimulcastRid("x")), (SimulcastRid("l", paused=True),)),
        recv=((SimulcastRid("y"),),),
    )
    assert media.ssrcs[0].value == "me: and more"
    assert dict(media.candidates[0].extensions)["tcptype"] == "active"
    assert media.candidates[1].type == "relay"
    assert media.end_of_candidates


@pytest.mark.parametrize(
    "line",
    [
        "rubbish",
        "=",
        "A=upper",
        "a=mid:with space",
        "a=mid:" + "m" * 65,
        "a=rtpmap:128 opus/48000",
        "a=rtpmap:111 opus",
        "a=rtpmap:111 opus/48000/2/3",
        "a=rtpmap:111 opus/fast",
        "a=fmtp:111",
        "a=rtcp-fb:111",
        "a=extmap:0 urn:x",
        "a=extmap:1/sideways urn:x",
        "a=rid:h sideways",
        "a=rid:h\u00e9 send",
        "a=simulcast:send",
        "a=simulcast:send h send l",
        "a=simulcast:send ;",
        "a=ssrc:4294967296 cname:x",
        "a=ssrc:1",
        "a=ssrc-group:FID",
        "a=msid:one two three",
        "a=ice-ufrag:abc",
        "a=ice-ufrag:ab:cd",
        "a=ice-pwd:short",
        "a=setup:both",
        "a=fingerprint:sha-256 AA:BB",
        "a=fingerprint:sha-256 nonsense",
        "a=candidate:1 1 udp 1 127.0.0.1 99999 typ host",
        "a=candidate:1 1 udp 1 127.0.0.1 9 type host",
        "a=candidate:1 1 udp 1 127.0.0.1 9 typ host raddr",
        "a=\x00",
        "m=audio 9 UDP/TLS/RTP/SAVPF",
        "m=audio 9 UDP/TLS/RTP/SAVPF 300",
        "m=audio 9 UDP/TLS/RTP/SAVPF 8 8",
        "m=audio -1 UDP/TLS/RTP/SAVPF 8",
    ],
)
def test_broken_line_is_named(line: str) -> None:
    with pytest.raises(SdpError) as caught:
        parse(session(AUDIO, "a=sendonly", line, "a=rtcp-mux"))
    assert (caught.value.line_number, caught.value.line) == (7, line)
    assert "line 7" in str(caught.value)
    assert isinstance(caught.value, RemoteProtocolError)


def test_contradiction_is_broken_but_repetition_is_not() -> None:
    parse(session(AUDIO, "a=ice-ufrag:abcd", "a=ice-ufrag:abcd", "a=sendonly", "a=sendonly"))
    for second in ("a=ice-ufrag:efgh", "a=recvonly"):
        with pytest.raises(SdpError, match="a second, different"):
            parse(session(AUDIO, "a=ice-ufrag:abcd", "a=sendonly", second))


def test_two_m_lines_with_one_mid_are_broken() -> None:
    with pytest.raises(SdpError, match="used by two") as caught:
        parse(session(AUDIO, "a=mid:0", AUDIO, "a=mid:0"))
    assert caught.value.line_number == 7


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\r\n",
        "o=- 1 1 IN IP4 127.0.0.1",
        b"v=0\r\ns=\xff",
        "v=0\r\ns=\ud800",
        session("a=x:" + "y" * MAX_BYTES),
        session(*[f"a=x:{'y' * 200}"] * (MAX_BYTES // 200)),
        session(*["a=x"] * (MAX_LINES_PER_SECTION + 1)),
        session(*[AUDIO] * (MAX_SECTIONS + 1)),
        session("m=audio 9 UDP/TLS/RTP/SAVPF " + " ".join(map(str, range(200)))),
        session("m=application 9 X " + " ".join(map(str, range(200)))),
    ],
)
def test_what_is_no_sdp_or_too_much_of_it_is_refused(text: str | bytes) -> None:
    with pytest.raises(SdpError):
        parse(text)


@pytest.mark.parametrize(
    ("missing", "line_number", "line"),
    [("v=0", 1, "o=- 1 1 IN IP4 127.0.0.1"), ("o=", 2, "s=-"), ("s=", 3, "t=0 0"), ("t=", 4, AUDIO)],
)
def test_a_missing_line_is_named_where_it_should_stand(missing: str, line_number: int, line: str) -> None:
    lines = session(AUDIO, "t=0 0").split("\r\n")
    del lines[next(index for index, text in enumerate(lines) if text.startswith(missing))]
    with pytest.raises(SdpError, match=f"has {missing}") as caught:
        parse("\r\n".join(lines))
    assert (caught.value.line_number, caught.value.line) == (line_number, line)


@pytest.mark.parametrize("ending", ["\r\n", "\n", " \r\n", "\t\n", "\r\r\n"])
def test_lines_end_as_they_like(ending: str) -> None:
    text = session(AUDIO, "a=rtcp-mux", "a=mid:0", "a=sendonly")
    assert parse(text.replace("\r\n", ending)) == parse(text)
    assert parse(text.rstrip()) == parse(text)


def test_trickle_fragment_needs_no_version() -> None:
    fragment = parse_fragment(
        "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n"
        "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
        "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw\r\n"
        "a=end-of-candidates\r\n"
    )
    assert (fragment.ice_ufrag, fragment.media[0].mid) == ("EsAw", "0")
    assert fragment.media[0].candidates[0].port == 61764
    assert parse_fragment(fragment.fragment()) == fragment
    assert parse_fragment("") == SessionDescription()


@st.composite
def mutated_offers(draw: st.DrawFn) -> str:
    """A real offer after a few cuts, doublings and changed characters."""
    lines = draw(st.sampled_from(sorted(OFFERS.values()))).split("\r\n")
    for _ in range(draw(st.integers(1, 4))):
        index = draw(st.integers(0, len(lines) - 1))
        line = lines[index]
        at = draw(st.integers(0, len(line)))
        tail = draw(st.integers(at, min(len(line), at + 3)))
        junk = draw(st.text(st.sampled_from("0123456789 ;=:/,~*ahmv-_\t\r\n\x00\u00e9\u2028"), max_size=4))
        lines[index] = line[:at] + junk + line[tail:]
        lines.insert(draw(st.integers(0, len(lines))), lines[draw(st.integers(0, len(lines) - 1))])
        del lines[draw(st.integers(0, len(lines) - 1))]
    return "\r\n".join(lines)


@given(mutated_offers())
def test_mutated_offer_is_read_or_refused(text: str) -> None:
    description = parsed_or_refused(text)
    if description is not None:
        assert parse(str(description)) == description


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    parsed_or_refused(text)
    parsed_or_refused(f"{HEAD}\n{text}")


@given(st.binary())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for read in (parse, parse_fragment):
        try:
            read(data)
        except SdpError:
            pass

"""Odd but legal clients: whatever an offer looks like, its media comes through, whole and in order."""

from collections.abc import AsyncIterator, Callable

import pytest

from tests.support.nodes import RunningNode, running_node
from tests.support.raw_client import RawClient, raw_clients
from tests.support.raw_offers import OPUS, PCMU, VP8, Line, Source, gapless, offer, play, streams

MakeClient = Callable[..., RawClient]
OBS_SESSION = ("a=group:LS 0 1", "a=msid-semantic:WMS *", "a=ice-options:ice2,trickle")
DATA = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:data\r\na=sctp-port:5000\r\n"

SHAPES = {
    "audio only": (Line(OPUS),),
    "video only": (Line(VP8),),
    "video first": (Line(VP8, "0"), Line(OPUS, "1")),
    "PCMU without rtpmap": (Line(PCMU),),
    "no mid at all": (Line(OPUS, None, 0),),
    "no header extensions": (Line(OPUS, "0", 0), Line(VP8, "1", 0)),
    "extension ids of two bytes": (Line(OPUS, "0", 20), Line(VP8, "1", 20)),
    "mids with a dash": (Line(OPUS, "audio-1"), Line(VP8, "video-1")),
    "mids of 16": (Line(OPUS, "a" * 16), Line(VP8, "v" * 16)),
    "mids too long for packets": (Line(OPUS, "a" * 17), Line(VP8, "v" * 40)),
    "announced sources": (
        Line(OPUS, "0", 0, ("a=ssrc:1000 cname:x",)),
        Line(VP8, "1", 0, ("a=ssrc:1001 cname:x",)),
    ),
    "other sources than announced": (Line(OPUS, "0", 0, ("a=ssrc:5 cname:x",)), Line(VP8, "1", 0)),
}


@pytest.fixture
async def node() -> AsyncIterator[RunningNode]:
    async with running_node() as running:
        yield running


@pytest.fixture
async def client(node: RunningNode) -> AsyncIterator[MakeClient]:
    async with raw_clients(node) as make:
        yield make


async def viewer(make: MakeClient, *, audio: int = OPUS) -> RawClient:
    """Watches audio and video."""
    made = make()
    lines = (Line(audio, "0"), Line(VP8, "1"))
    assert (await made.join("/whep/demo", "vera", offer(made, lines, direction="recvonly")))[0] == 201
    await made.connect()
    return made


@pytest.mark.parametrize("shape", SHAPES)
async def test_media_comes_through(client: MakeClient, shape: str) -> None:
    lines = SHAPES[shape]
    publisher = client()
    status, body = await publisher.join("/whip/demo", "ann", offer(publisher, lines))
    assert status == 201, body
    await publisher.connect()
    watching = await viewer(client, audio=PCMU if lines[0].payload_type == PCMU else OPUS)
    sources = [Source(line, 1000 + place) for place, line in enumerate(lines)]
    await play(sources, publisher, watching)
    assert len(streams(watching)) == len(lines)
    for packets in streams(watching).values():
        assert len(packets) == 20
        assert gapless(packets)


@pytest.mark.parametrize("path", ["/whip/demo", "/whep/demo"])
@pytest.mark.parametrize("ending", ["\n", " \r\n", "\r\r\n"])
async def test_lines_end_as_they_like(client: MakeClient, path: str, ending: str) -> None:
    made = client()
    direction = "sendonly" if "whip" in path else "recvonly"
    text = offer(made, (Line(OPUS), Line(VP8, "1")), direction=direction).replace("\r\n", ending).rstrip()
    status, body = await made.join(path, "ann", text)
    assert status == 201, body
    await made.connect()


async def test_everything_stated_for_the_session(client: MakeClient) -> None:
    made = client()
    session = [
        *OBS_SESSION,
        f"a=ice-ufrag:{made.ufrag}",
        f"a=ice-pwd:{made.pwd}",
        f"a=fingerprint:{made.means.fingerprint}",
        "a=setup:actpass",
        "a=sendonly",
    ]
    stated = tuple(line.partition(":")[0] for line in session[3:])
    whole = offer(made, (Line(OPUS), Line(VP8, "1")), session=session).split("m=audio")
    media = [line for line in f"m=audio{whole[1]}".split("\r\n") if not line.startswith(stated)]
    status, body = await made.join("/whip/demo", "ann", whole[0] + "\r\n".join(media))
    assert status == 201, body
    assert body.count("a=recvonly") == 2
    await made.connect()


@pytest.mark.parametrize("first", [True, False])
async def test_a_data_channel_is_refused_and_the_call_is_not(client: MakeClient, *, first: bool) -> None:
    made = client()
    text = offer(made, (Line(OPUS), Line(VP8, "1"))).replace("BUNDLE 0 1", "BUNDLE 0 1 data")
    head, media = text.split("m=audio")
    whole = f"{head}{DATA}m=audio{media}" if first else text + DATA
    status, body = await made.join("/whip/demo", "ann", whole)
    assert status == 201, body
    assert "m=application 0 UDP/DTLS/SCTP webrtc-datachannel" in body
    assert "a=group:BUNDLE 0 1\r\n" in body
    await made.connect()


async def test_media_over_ipv6() -> None:
    async with running_node(media_ip="::1") as node, raw_clients(node) as client:
        publisher = client()
        await publisher.join("/whip/demo", "ann", offer(publisher, (Line(OPUS),)))
        await publisher.connect()
        watching = await viewer(client)
        await play([Source(Line(OPUS), 1)], publisher, watching)


async def test_a_viewer_is_sent_the_mids_that_it_named(client: MakeClient) -> None:
    publisher, watching = client(), client()
    await publisher.join("/whip/demo", "ann", offer(publisher, (Line(OPUS),)))
    await publisher.connect()
    lines = (Line(OPUS, "audio-1"), Line(VP8, "v" * 40))
    await watching.join("/whep/demo", "vera", offer(watching, lines, direction="recvonly"))
    await watching.connect()
    await play([Source(Line(OPUS), 1)], publisher, watching, 5)
    assert {packet.extensions[4] for packet in watching.media} == {b"audio-1"}

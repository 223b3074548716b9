"""WHIP (RFC 9725), WHEP and talk as HTTP clients see them, on a real Node."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from sfu.node import news
from sfu.node.calls import MAX_LISTENERS
from tests.support.eventually import eventually
from tests.support.nodes import RunningNode, running_node, token

OFFERS = Path(__file__).parents[1] / "unit" / "rtc" / "offers"
PUBLISH = (OFFERS / "chromium-simulcast.sdp").read_text()
WATCH = (OFFERS / "chromium-subscribe.sdp").read_text()
TALK = (OFFERS / "chromium-talk.sdp").read_text()
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}
RESTART = "a=ice-ufrag:newu\r\na=ice-pwd:" + "n" * 24 + "\r\n"


@pytest.fixture
async def node() -> AsyncIterator[RunningNode]:
    async with running_node() as running:
        yield running


def links(headers: Any) -> dict[str, str]:
    """Link relations of an answer: relation -> URL."""
    pairs = (link.split(";") for link in headers.getall("Link", []))
    return {parts[1].split("=")[1].strip('"'): parts[0].strip().strip("<>") for parts in pairs}


def problem(body: str) -> Any:
    document = json.loads(body)
    assert document["title"]
    assert document["type"].startswith("/docs/problems#")
    return document


async def request(node: RunningNode, method: str, path: str, **options: Any) -> tuple[int, Any, str]:
    async with node.http.request(method, path, **options) as response:
        return response.status, response.headers, await response.text()


async def test_a_join_says_where_the_session_is(node: RunningNode) -> None:
    status, headers, body = await node.offer("/whip/demo", "ann", PUBLISH)
    assert (status, headers["Content-Type"]) == (201, "application/sdp")
    assert headers["Location"].startswith("/whip/demo/")
    assert headers["ETag"].startswith('"')
    assert headers["Accept-Patch"] == FRAGMENT["Content-Type"]
    assert "a=simulcast:recv" in body
    assert "a=ice-lite" in body


async def test_ice_servers_come_as_links() -> None:
    async with running_node(ice_servers="stun:stun.example.org:3478") as node:
        _, headers, _ = await node.offer("/whep/demo", "vera", WATCH)
    assert links(headers)["ice-server"] == "stun:stun.example.org:3478"


@pytest.mark.parametrize(("door", "offer"), [("whip", PUBLISH), ("whep", WATCH), ("talk", TALK)])
async def test_leaving_frees_at_once_and_only_once(node: RunningNode, door: str, offer: str) -> None:
    _, headers, _ = await node.offer(f"/{door}/demo", "ann", offer)
    assert await node.calls() == 1
    assert (await request(node, "DELETE", headers["Location"]))[0] == 200
    assert await node.calls() == 0
    assert (await request(node, "DELETE", headers["Location"]))[0] == 404


async def test_trickle_and_restart_follow_the_etag(node: RunningNode) -> None:
    _, headers, answer = await node.offer("/whip/demo", "ann", PUBLISH)
    where, etag = headers["Location"], headers["ETag"]
    candidate = "a=end-of-candidates\r\n"
    assert (await request(node, "PATCH", where, data=candidate, headers=FRAGMENT))[0] == 428
    status, _, _ = await request(node, "PATCH", where, data=candidate, headers={**FRAGMENT, "If-Match": etag})
    assert status == 204
    status, restarted, fragment = await request(
        node, "PATCH", where, data=RESTART, headers={**FRAGMENT, "If-Match": "*"}
    )
    assert (status, restarted["Content-Type"]) == (200, FRAGMENT["Content-Type"])
    assert restarted["ETag"] != etag
    old_ufrag = next(line for line in answer.splitlines() if line.startswith("a=ice-ufrag"))
    assert "a=ice-ufrag" in fragment
    assert old_ufrag not in fragment
    status, _, _ = await request(node, "PATCH", where, data=candidate, headers={**FRAGMENT, "If-Match": etag})
    assert status == 412


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Basic YTpi"}, 401),
        ({"Authorization": "Bearer nonsense"}, 401),
        ({"Authorization": f"Bearer {token('ann', room='elsewhere')}"}, 403),
        ({"Authorization": f"Bearer {token('ann', can_publish=False)}"}, 403),
    ],
)
async def test_a_token_has_to_be_good(node: RunningNode, headers: dict[str, str], status: int) -> None:
    sdp = {"Content-Type": "application/sdp"}
    found, answer, body = await request(node, "POST", "/whip/demo", data=PUBLISH, headers={**sdp, **headers})
    assert found == status == problem(body)["status"]
    assert ("WWW-Authenticate" in answer) == (status == 401)
    assert answer["Access-Control-Allow-Origin"] == "*"


async def test_watching_needs_its_grant(node: RunningNode) -> None:
    status, _, _ = await node.offer("/whep/demo", "vera", WATCH, can_subscribe=False)
    assert status == 403


async def test_a_grant_for_the_microphone_publishes_no_camera(node: RunningNode) -> None:
    status, _, body = await node.offer("/whip/demo", "ann", PUBLISH, can_publish_sources=("microphone",))
    assert status == 201
    video = body[body.index("m=video") :]
    assert "a=inactive" in video or video.startswith("m=video 0")


async def test_broken_sdp_names_the_line(node: RunningNode) -> None:
    broken = PUBLISH.replace("a=rtcp-mux", "a=rtpmap:nonsense", 1)
    status, _, body = await node.offer("/whip/demo", "ann", broken)
    line = broken.splitlines().index("a=rtpmap:nonsense") + 1
    assert status == 400
    assert f"line {line} " in problem(body)["detail"]


async def test_sdp_that_cannot_be_served_says_why(node: RunningNode) -> None:
    status, _, body = await node.offer(
        "/whip/demo", "ann", PUBLISH.replace("a=setup:actpass", "a=setup:passive")
    )
    assert status == 400
    assert "setup" in problem(body)["detail"]


async def test_a_refused_offer_leaves_nothing_behind(node: RunningNode) -> None:
    before = [link.transports for link in node.node.parts.plane.links]
    for sdp in ("v=0\r\n", PUBLISH.replace("a=setup:actpass", "a=setup:passive")):
        assert (await node.offer("/whip/demo", "ann", sdp))[0] == 400
    assert [link.transports for link in node.node.parts.plane.links] == before
    assert await node.calls() == 0


@pytest.mark.parametrize(
    ("method", "options", "status"),
    [
        ("POST", {"data": PUBLISH, "headers": {"Content-Type": "text/plain"}}, 415),
        ("POST", {"data": b"v" * 70_000, "headers": {"Content-Type": "application/sdp"}}, 413),
        ("GET", {}, 200),
        ("HEAD", {}, 200),
        ("PUT", {"data": "x"}, 405),
        ("OPTIONS", {}, 204),
    ],
)
async def test_methods_types_and_sizes(node: RunningNode, method: str, options: Any, status: int) -> None:
    options = {"headers": {}, **options}
    options["headers"] = {**options["headers"], "Authorization": f"Bearer {token('ann')}"}
    found, headers, body = await request(node, method, "/whip/demo", **options)
    assert found == status
    if status == 405 or method == "OPTIONS":
        assert "POST" in headers["Allow"]
    if method == "OPTIONS":
        assert headers["Accept-Post"] == "application/sdp"
        assert "Location" in headers["Access-Control-Expose-Headers"]
    if status >= 400:
        problem(body)


async def test_a_session_answers_only_under_its_own_url(node: RunningNode) -> None:
    _, headers, _ = await node.offer("/whip/demo", "ann", PUBLISH)
    for other in (
        headers["Location"].replace("/whip/", "/whep/"),
        headers["Location"].replace("demo", "other"),
    ):
        assert (await request(node, "DELETE", other))[0] == 404
    assert await node.calls() == 1


async def test_joining_again_ends_the_earlier_session(node: RunningNode) -> None:
    _, first, _ = await node.offer("/whip/demo", "ann", PUBLISH)
    _, second, _ = await node.offer("/whip/demo", "ann", PUBLISH)
    assert (await request(node, "DELETE", first["Location"]))[0] == 404
    assert (await request(node, "DELETE", second["Location"]))[0] == 200


async def test_a_full_room_says_when_to_come_back(node: RunningNode) -> None:
    assert (await node.offer("/whip/demo", "ann", PUBLISH, max_participants=1))[0] == 201
    status, headers, body = await node.offer("/whep/demo", "vera", WATCH)
    assert (status, problem(body)["status"]) == (409, 409)
    assert int(headers["Retry-After"]) > 0


async def test_a_draining_node_sends_people_elsewhere(node: RunningNode) -> None:
    await node.node.control.drain(60)
    status, headers, _ = await node.offer("/whip/demo", "ann", PUBLISH)
    assert status == 503
    assert "Retry-After" in headers
    await node.node.control.undrain()
    assert (await node.offer("/whip/demo", "ann", PUBLISH))[0] == 201


async def test_a_viewer_wishes_for_layers(node: RunningNode) -> None:
    await node.offer("/whip/demo", "ann", PUBLISH)
    _, headers, _ = await node.offer("/whep/demo", "vera", WATCH)
    layer = links(headers)["urn:ietf:params:whep:ext:core:layer"]
    rid = next(
        track.rids[0] for call in node.node.parts.calls for track in call.participant.tracks if track.rids
    )
    for wish, status in [
        ({"encodingId": rid}, 200),
        ({"rid": rid, "maxTemporalLayerId": 0}, 200),
        ({}, 200),
        ({"rid": "nonesuch"}, 404),
        ({"mediaId": "17"}, 404),
        ({"maxTemporalLayerId": "two"}, 400),
    ]:
        assert (await request(node, "POST", layer, json=wish))[0] == status
    assert (await request(node, "POST", layer, data="rid=h"))[0] == 415


async def test_a_viewer_hears_of_its_publisher(node: RunningNode) -> None:
    _, headers, _ = await node.offer("/whep/demo", "vera", WATCH)
    events = links(headers)["urn:ietf:params:whep:ext:core:server-sent-events"]
    status, opened, _ = await request(node, "POST", events, json=["active", "inactive", "layers"])
    assert status == 201
    async with node.http.get(opened["Location"]) as stream:
        assert stream.headers["Content-Type"] == "text/event-stream"

        async def next_event() -> tuple[str, Any]:
            name = (await stream.content.readline()).decode().removeprefix("event: ").strip()
            data = json.loads((await stream.content.readline()).decode().removeprefix("data: "))
            await stream.content.readline()
            return name, data

        _, published, _ = await node.offer("/whip/demo", "ann", PUBLISH)
        assert (await next_event())[0] == "active"
        name, layers = await next_event()
        while name != "layers" or not layers:
            name, layers = await next_event()
        [line] = layers.values()
        assert len(line["layers"]) == 3
        await request(node, "DELETE", published["Location"])
        while name != "inactive":
            name, _ = await next_event()
        await request(node, "DELETE", headers["Location"])
        assert await stream.content.read() == b""
    assert (await request(node, "GET", opened["Location"]))[0] == 404


async def test_an_event_stream_can_be_closed(node: RunningNode) -> None:
    _, headers, _ = await node.offer("/whep/demo", "vera", WATCH)
    events = links(headers)["urn:ietf:params:whep:ext:core:server-sent-events"]
    _, opened, _ = await request(node, "POST", events)
    assert (await request(node, "DELETE", opened["Location"]))[0] == 200
    assert (await request(node, "GET", opened["Location"]))[0] == 404
    assert (await request(node, "POST", events, json=["nonesuch"]))[0] == 400


async def test_the_store_knows_who_is_here(node: RunningNode) -> None:
    _, headers, _ = await node.offer("/whip/demo", "ann", PUBLISH)
    await eventually(lambda: node.store.keys("participants."), every_s=0.01)
    assert await node.store.keys("rooms.")
    [record] = await node.node.control.participants("demo")
    assert (record.identity, [track.kind for track in record.tracks]) == ("ann", ["audio", "video"])
    await request(node, "DELETE", headers["Location"])
    await eventually(lambda: node.store.keys("participants."), lambda keys: not keys, every_s=0.01)


async def test_the_overview_and_the_metrics_tell_the_same_story(node: RunningNode) -> None:
    await node.offer("/whip/demo", "ann", PUBLISH)
    await node.offer("/whep/demo", "vera", WATCH)
    _, _, body = await request(node, "GET", "/demo/overview")
    [room] = json.loads(body)["rooms"]
    assert [publisher["identity"] for publisher in room["publishers"]] == ["ann"]
    assert [viewer["identity"] for viewer in room["viewers"]] == ["vera"]
    assert [subscription["publisher"] for subscription in room["viewers"][0]["subscriptions"]] == [
        "ann",
        "ann",
    ]
    _, _, metrics = await request(node, "GET", "/metrics")
    assert "headwater_participants 2.0" in metrics
    assert 'headwater_drops_total{reason="auth_failed",worker="0"} 0.0' in metrics


async def test_a_quiet_stream_says_that_it_is_there(
    node: RunningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news, "KEEP_ALIVE_S", 0.01)
    _, headers, _ = await node.offer("/whep/demo", "vera", WATCH)
    events = links(headers)["urn:ietf:params:whep:ext:core:server-sent-events"]
    async with node.http.get(events) as stream:
        while await stream.content.readline() != b":\n":
            pass


async def test_a_session_has_only_so_many_streams(node: RunningNode) -> None:
    _, headers, _ = await node.offer("/whep/demo", "vera", WATCH)
    events = links(headers)["urn:ietf:params:whep:ext:core:server-sent-events"]
    async with AsyncExitStack() as streams:
        for _ in range(MAX_LISTENERS):
            stream = await streams.enter_async_context(node.http.get(events))
            await stream.content.readline()
        assert (await request(node, "GET", events))[0] == 409

"""RFC 9725, RFC 5789 and draft-ietf-wish-whep, rule by rule."""

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.interop.test_doors import FRAGMENT, OFFERS, PUBLISH, TALK, WATCH, links, problem, request
from tests.support.nodes import SDP, RunningNode, running_node, token

DOORS = {"/whip": PUBLISH, "/whep": WATCH, "/talk": TALK}
END = "a=end-of-candidates\r\n"


@pytest.fixture
async def node() -> AsyncIterator[RunningNode]:
    async with running_node() as running:
        yield running


@pytest.mark.parametrize("door", DOORS)
async def test_a_trickle_is_for_one_ice_session_and_has_no_tag(node: RunningNode, door: str) -> None:
    _, headers, _ = await node.offer(f"{door}/demo", "ann", DOORS[door])
    where, tag = headers["Location"], headers["ETag"]
    for given, expected in [
        (tag, 204),
        (f'"other", {tag}', 204),
        (f"W/{tag}", 412),
        ('"other"', 412),
        (None, 428),
    ]:
        conditions = {**FRAGMENT, **({"If-Match": given} if given else {})}
        status, answer, body = await request(node, "PATCH", where, data=END, headers=conditions)
        assert status == expected, given
        assert "ETag" not in answer
        if status == 204:
            assert not body


@pytest.mark.parametrize("door", DOORS)
async def test_types_that_are_taken_are_told(node: RunningNode, door: str) -> None:
    _, headers, _ = await node.offer(f"{door}/demo", "ann", DOORS[door])
    for path, header, taken in [
        (f"{door}/demo", "Accept-Post", SDP),
        (headers["Location"], "Accept-Patch", FRAGMENT["Content-Type"]),
    ]:
        status, answer, body = await request(node, "OPTIONS", path)
        assert (status, answer[header], body) == (204, taken, "")
    bearer = {"Authorization": f"Bearer {token('ann')}"}
    status, answer, _ = await request(node, "POST", f"{door}/demo", data="x", headers=bearer)
    assert (status, answer["Accept-Post"]) == (415, SDP)
    status, answer, _ = await request(node, "PATCH", headers["Location"], data="x", headers={"If-Match": "*"})
    assert (status, answer["Accept-Patch"]) == (415, FRAGMENT["Content-Type"])


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("door", DOORS)
async def test_there_is_nothing_to_get(node: RunningNode, door: str, method: str) -> None:
    status, answer, body = await request(node, method, f"{door}/demo")
    assert (status, answer["Content-Type"], body) == (200, SDP, "")
    _, headers, _ = await node.offer(f"{door}/demo", "ann", DOORS[door])
    status, _, body = await request(node, method, headers["Location"])
    assert (status // 100, body) == (2, "")
    await request(node, "DELETE", headers["Location"])
    assert (await request(node, method, headers["Location"]))[0] == 404


@pytest.mark.parametrize("method", ["PUT", "TRACE"])
async def test_other_methods_are_for_later_versions(node: RunningNode, method: str) -> None:
    _, headers, _ = await node.offer("/whip/demo", "ann", PUBLISH)
    for path, allowed in [("/whip/demo", "POST"), (headers["Location"], "PATCH")]:
        status, answer, body = await request(node, method, path)
        assert status == problem(body)["status"] == 405
        assert allowed in answer["Allow"].split(", ")


async def test_a_browser_on_another_origin_may_do_it_all(node: RunningNode) -> None:
    _, headers, _ = await node.offer("/whep/demo", "vera", WATCH)
    for path, method in [
        ("/whep/demo", "POST"),
        (headers["Location"], "PATCH"),
        (headers["Location"], "DELETE"),
    ]:
        asked = {"Origin": "https://app.example", "Access-Control-Request-Method": method}
        _, answer, _ = await request(node, "OPTIONS", path, headers=asked)
        assert answer["Access-Control-Allow-Origin"] == "*"
        assert method in answer["Access-Control-Allow-Methods"]
        assert {"authorization", "content-type", "if-match"} <= set(
            answer["Access-Control-Allow-Headers"].lower().split(", ")
        )
    assert {"Location", "ETag", "Link"} <= set(headers["Access-Control-Expose-Headers"].split(", "))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("room", ["two words", "a?b", "100%", "{curly}", 'quo"te', "sp\u00e4\u00df", "#1"])
async def test_any_name_of_a_room_makes_a_location_that_works(
    node: RunningNode, door: str, room: str
) -> None:
    path = f"{door}/{quote(room, safe='')}"
    status, headers, body = await node.offer(path, "ann", DOORS[door], room=room)
    assert status == 201, body
    assert headers["Location"].isascii()
    for link in links(headers).values():
        assert link.startswith(headers["Location"])
    assert (await request(node, "DELETE", headers["Location"]))[0] == 200


@pytest.mark.parametrize("room", ["a/b", ".hidden", "x" * 257, "line\nfeed", "\u202eright to left"])
async def test_names_that_would_mislead_are_refused(node: RunningNode, room: str) -> None:
    status, _, body = await node.offer(f"/whip/{quote(room, safe='')}", "ann", PUBLISH, room=room)
    assert status == problem(body)["status"] == 400


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/sdp; charset=utf-8", 201),
        ("Application/SDP", 201),
        ("application/sdpx", 415),
        ("garbage", 415),
    ],
)
async def test_the_type_is_what_counts(node: RunningNode, content_type: str, status: int) -> None:
    headers = {"Content-Type": content_type, "Authorization": f"bearer {token('ann')}"}
    assert (await request(node, "POST", "/whip/demo", data=PUBLISH, headers=headers))[0] == status


@pytest.mark.parametrize(
    ("body", "status"),
    [(gzip.compress(PUBLISH.encode()), 201), (b"not gzip", 400), (gzip.compress(bytes(10_000_000)), 413)],
)
async def test_a_body_in_an_encoding_is_bounded_too(node: RunningNode, body: bytes, status: int) -> None:
    headers = {"Content-Type": SDP, "Content-Encoding": "gzip", "Authorization": f"Bearer {token('ann')}"}
    found, _, text = await request(node, "POST", "/whip/demo", data=body, headers=headers)
    assert found == status, text


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", PUBLISH.encode() + b"\xff", PUBLISH.encode("utf-16")])
async def test_what_is_no_text_is_no_offer(node: RunningNode, body: bytes) -> None:
    headers = {"Content-Type": SDP, "Authorization": f"Bearer {token('ann')}"}
    status, _, text = await request(node, "POST", "/whip/demo", data=body, headers=headers)
    assert status == problem(text)["status"] == 400


@pytest.mark.parametrize("where", ["?access_token={}", "?token={}"])
async def test_a_token_is_taken_from_its_header_only(node: RunningNode, where: str) -> None:
    path = "/whip/demo" + where.format(token("ann"))
    status, answer, body = await request(node, "POST", path, data=PUBLISH, headers={"Content-Type": SDP})
    assert status == problem(body)["status"] == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")


async def test_turn_user_names_cannot_break_out_of_their_header() -> None:
    settings = {"ice_servers": "stun:s.example,turn:t.example?transport=udp", "turn_secret": "s"}
    async with running_node(**settings) as node:
        _, headers, _ = await node.offer("/whep/demo", 'a"; rel="next', WATCH)
    for link in headers.getall("Link"):
        assert link.isascii()
        assert 'rel="next' not in link


@pytest.mark.parametrize("name", ["chromium-subscribe", "firefox-subscribe", "gstreamer-subscribe"])
async def test_a_door_answers_in_one_direction(node: RunningNode, name: str) -> None:
    text = (OFFERS / f"{name}.sdp").read_text().replace("a=recvonly", "a=sendrecv")
    _, _, watched = await node.offer("/whep/demo", "vera", text)
    _, _, published = await node.offer("/whip/demo", "ann", text)
    assert ("a=sendonly" in watched, "a=sendrecv" in watched) == (True, False)
    assert ("a=recvonly" in published, "a=sendrecv" in published) == (True, False)
    for path, direction in [
        ("/whep/demo", "sendonly"),
        ("/whip/demo", "recvonly"),
        ("/talk/demo", "inactive"),
    ]:
        status, _, body = await node.offer(path, "eve", text.replace("a=sendrecv", f"a={direction}"))
        assert status == 400
        assert "no m-line" in json.loads(body)["detail"]


def detail(body: str) -> Any:
    return json.loads(body)["detail"]


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("a=group:BUNDLE 0 1\n", "", "without a=group:BUNDLE"),
        ("BUNDLE 0 1", "BUNDLE 0", "m-line 1 (video) is not in a=group:BUNDLE"),
        ("a=rtcp-mux\n", "", "without a=rtcp-mux"),
        ("t=0 0\n", "", "has t= before this"),
        ("a=ice-ufrag", "a=ice-nothing", "a=ice-ufrag"),
        ("a=fingerprint:sha-256", "a=fingerprint:sha-1", "sha-1 fingerprint has 20 bytes"),
    ],
)
async def test_an_offer_that_cannot_be_served_says_which_line(
    node: RunningNode, old: str, new: str, named: str
) -> None:
    assert old in PUBLISH
    status, _, body = await node.offer("/whip/demo", "ann", PUBLISH.replace(old, new))
    assert status == 400
    assert named in detail(body)

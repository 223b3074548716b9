import asyncio

import msgspec
import pytest

from sfu.cluster.grants import Grant, verify_token
from tests.unit.director.stage import CONFIG, KEY, SECRET, Stage, stage

JOIN = "/v1/rooms/lab/join"


async def test_a_join_hands_out_all_a_client_needs(scene: Stage) -> None:
    wish = {
        "identity": "ada",
        "name": "Ada",
        "metadata": "{}",
        "grants": {"can_publish": False, "can_publish_sources": []},
        "region": "eu",
        "ttl_s": 60,
    }
    status, answer, _ = await scene.ask("POST", JOIN, wish)
    assert status == 200
    assert (answer["room"], answer["identity"]) == ("lab", "ada")
    assert answer["node"] == {"id": "node-1", "region": "eu"}
    assert answer["urls"] == {door: f"http://node.test:7880/{door}/lab" for door in ("whip", "whep", "talk")}
    assert answer["expires_at"] == scene.now_s + 60
    grant = verify_token(answer["token"], {KEY: SECRET}, scene.now_s)
    assert grant.may_join("lab")
    assert (grant.identity, grant.name, grant.metadata) == ("ada", "Ada", "{}")
    assert not grant.may_publish()
    assert grant.call_id == answer["call_id"]
    assert not any((grant.room_admin, grant.room_create, grant.room_list, grant.node_admin))
    assert grant.expires_at_s == answer["expires_at"]


async def test_the_room_stays_on_its_node_and_the_call_is_on_record(scene: Stage) -> None:
    _, answer, _ = await scene.ask("POST", JOIN, {"identity": "ada"})
    _, room, _ = await scene.ask("GET", "/v1/rooms/lab")
    assert room["node"] == "node-1"
    _, call, _ = await scene.ask("GET", f"/v1/calls/{answer['call_id']}")
    assert (call["state"], call["identity"], call["placed_at_s"]) == ("placed", "ada", scene.now_s)
    assert call["joined_at_s"] is None


async def test_the_token_carries_the_rooms_limits(scene: Stage) -> None:
    await scene.ask("POST", "/v1/rooms", {"name": "lab", "max_participants": 2, "max_duration_s": 90})
    _, answer, _ = await scene.ask("POST", JOIN, {"identity": "ada"})
    grant = verify_token(answer["token"], {KEY: SECRET}, scene.now_s)
    assert (grant.max_participants, grant.max_duration_s) == (2, 90)


async def test_a_full_room_says_when_to_come_again(scene: Stage) -> None:
    await scene.ask("POST", "/v1/rooms", {"name": "lab", "max_participants": 1})
    await scene.node.enter("lab", "ada")
    status, problem, response = await scene.ask("POST", JOIN, {"identity": "bob"})
    assert (status, problem["title"]) == (409, "Room is full")
    assert int(response.headers["Retry-After"]) >= 1
    assert (await scene.ask("POST", JOIN, {"identity": "ada"}))[0] == 200


async def test_without_a_node_that_can_there_is_a_503(scene: Stage) -> None:
    await scene.node.beat(draining=True)
    await asyncio.sleep(0)
    status, problem, response = await scene.ask("POST", JOIN, {"identity": "ada"})
    assert (status, problem["title"]) == (503, "No Node available")
    assert "Retry-After" in response.headers


@pytest.mark.parametrize(
    ("grant", "status"),
    [
        (Grant(room_create=True), 200),
        (Grant(room_admin=True), 200),
        (Grant(room_admin=True, room="lab"), 200),
        (Grant(room_admin=True, room="other"), 403),
        (Grant(room_join=True, room="lab", identity="ada"), 403),
        (Grant(room_list=True, node_admin=True), 403),
        (None, 401),
    ],
)
async def test_who_may_place_participants(scene: Stage, grant: Grant | None, status: int) -> None:
    assert (await scene.ask("POST", JOIN, {"identity": "ada"}, grant=grant))[0] == status


async def test_joins_are_limited_by_identity_and_address() -> None:
    config = msgspec.structs.replace(
        CONFIG, limit_loopback=True, join_burst_identity=2, join_rate_identity=0.1, join_burst_address=4
    )
    async with stage(config) as scene:
        statuses = [(await scene.ask("POST", JOIN, {"identity": "ada"}))[0] for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert (await scene.ask("POST", JOIN, {"identity": "bob"}))[0] == 200
        status, problem, response = await scene.ask("POST", JOIN, {"identity": "eve"})
        assert (status, problem["title"]) == (429, "Too many requests")
        scene.now_s += int(response.headers["Retry-After"])
        assert (await scene.ask("POST", JOIN, {"identity": "eve"}))[0] == 200


async def test_turn_servers_come_with_credentials_for_this_identity() -> None:
    config = msgspec.structs.replace(
        CONFIG, ice_servers=("stun:stun.test", "turn:turn.test"), turn_secret="north", turn_ttl_s=60
    )
    async with stage(config) as scene:
        _, answer, _ = await scene.ask("POST", JOIN, {"identity": "ada"})
        stun, turn = answer["ice_servers"]
        assert stun == {"urls": ["stun:stun.test"]}
        assert turn["username"] == f"{int(scene.now_s) + 60}:ada"


async def test_many_joins_at_once_agree_on_the_room(scene: Stage) -> None:
    answers = await asyncio.gather(
        *(scene.ask("POST", JOIN, {"identity": f"guest-{index}"}) for index in range(30))
    )
    assert {status for status, _, _ in answers} == {200}
    assert len({answer["call_id"] for _, answer, _ in answers}) == 30
    _, rooms, _ = await scene.ask("GET", "/v1/rooms")
    assert len(rooms["rooms"]) == 1


async def test_the_demo_page_gets_tokens_only_with_the_development_key(scene: Stage) -> None:
    wish = {"room": "lab", "identity": "ada", "can_publish": False}
    assert (await scene.ask("POST", "/demo/token", wish, grant=None))[0] == 404
    config = msgspec.structs.replace(CONFIG, keys={"devkey": "secret"})
    async with stage(config) as demo:
        status, answer, _ = await demo.ask("POST", "/demo/token", wish, grant=None)
        assert status == 200
        grant = verify_token(answer["token"], {"devkey": "secret"}, demo.now_s)
        assert grant.may_join("lab")
        assert not grant.can_publish
        assert answer["urls"]["whep"].endswith("/whep/lab")

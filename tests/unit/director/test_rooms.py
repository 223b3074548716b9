import asyncio

import msgspec
import pytest
from yarl import URL

from director.rooms import EmptyRooms
from sfu.cluster.grants import Grant
from sfu.cluster.records import RoomRecord
from tests.unit.director.stage import CONFIG, Stage, stage


async def test_a_room_is_created_once_and_then_returned(scene: Stage) -> None:
    wish = {
        "name": "lab",
        "empty_timeout_s": 60,
        "max_participants": 3,
        "max_duration_s": 100,
        "region": "eu",
    }
    status, room, response = await scene.ask("POST", "/v1/rooms", wish)
    assert status == 201
    assert response.headers["Location"] == "/v1/rooms/lab"
    assert wish.items() <= room.items()
    assert room["sid"].startswith("RM_")
    assert room["node"] is None
    again, same, _ = await scene.ask("POST", "/v1/rooms", {"name": "lab"})
    assert (again, same) == (200, room)


async def test_limits_never_go_beyond_the_configuration() -> None:
    config = msgspec.structs.replace(CONFIG, max_participants=10, max_duration_s=60, room_empty_timeout_s=5)
    async with stage(config) as scene:
        _, room, _ = await scene.ask("POST", "/v1/rooms", {"name": "lab", "max_participants": 99})
        assert (room["max_participants"], room["max_duration_s"], room["empty_timeout_s"]) == (10, 60, 5)


async def test_there_are_at_most_so_many_rooms() -> None:
    async with stage(msgspec.structs.replace(CONFIG, max_rooms=2)) as scene:
        statuses = [(await scene.ask("POST", "/v1/rooms", {"name": name}))[0] for name in "abca"]
        assert statuses == [201, 201, 503, 200]


async def test_rooms_are_listed_with_who_is_in_them(scene: Stage) -> None:
    for name in ("b", "a"):
        await scene.ask("POST", "/v1/rooms", {"name": name})
    await scene.node.enter("a", "ada", tracks=1)
    await scene.node.enter("a", "bob")
    _, listed, _ = await scene.ask("GET", "/v1/rooms", grant=Grant(room_list=True))
    counts = [(room["name"], room["num_participants"], room["num_publishers"]) for room in listed["rooms"]]
    assert counts == [("a", 2, 1), ("b", 0, 0)]
    _, one, _ = await scene.ask("GET", "/v1/rooms/a", grant=Grant(room_admin=True, room="a"))
    assert one == listed["rooms"][0]


async def test_deleting_a_room_removes_everybody(scene: Stage) -> None:
    await scene.ask("POST", "/v1/rooms", {"name": "lab"})
    await scene.node.enter("lab", "ada")
    status, body, _ = await scene.ask("DELETE", "/v1/rooms/lab")
    assert (status, body) == (204, None)
    assert ("close_room", "lab", "room_closed") in scene.node.orders
    assert (await scene.ask("GET", "/v1/rooms/lab"))[0] == 404
    assert (await scene.ask("DELETE", "/v1/rooms/lab"))[0] == 404


@pytest.mark.parametrize("name", ["Größe & 50 %", "a b", "{x}", "日本", "a.b", "a?b#c", "~", "a%2Fb"])
async def test_names_may_be_unusual(scene: Stage, name: str) -> None:
    status, _, response = await scene.ask("POST", "/v1/rooms", {"name": name})
    assert status == 201
    url = URL(response.headers["Location"], encoded=True)
    async with scene.client.get(url, headers={"Authorization": f"Bearer {scene.token()}"}) as found:
        assert found.status == 200
        assert (await found.json())["name"] == name


@pytest.mark.parametrize("name", ["", ".", "..", ".a", "a/b", "a\nb", "x" * 257])
async def test_names_that_urls_cannot_hold_are_refused(scene: Stage, name: str) -> None:
    status, problem, _ = await scene.ask("POST", "/v1/rooms", {"name": name})
    assert status == 400
    assert "$.name" in problem["detail"]


def room(name: str, timeout_s: int) -> RoomRecord:
    return RoomRecord(name=name, sid=f"RM_{name}", created_at_s=0, empty_timeout_s=timeout_s)


def test_a_room_ends_when_it_was_empty_for_long_enough_without_a_break() -> None:
    empty, rooms = EmptyRooms(), [room("a", 10), room("b", 20)]
    assert empty.ended(rooms, set(), 0.0) == []
    assert empty.ended(rooms, {"rooms.a"}, 9.0) == []
    assert empty.ended(rooms, set(), 15.0) == []
    assert empty.ended(rooms, set(), 20.0) == [rooms[1]]
    assert empty.ended(rooms, set(), 25.0) == rooms


async def test_whoever_was_placed_has_time_to_arrive(scene: Stage) -> None:
    await scene.ask("POST", "/v1/rooms", {"name": "lab", "empty_timeout_s": 30})
    await scene.director.sweep()
    scene.now_s += 29
    await scene.ask("POST", "/v1/rooms/lab/join", {"identity": "ada"})
    await scene.director.sweep()
    scene.now_s += 29
    await scene.director.sweep()
    assert (await scene.ask("GET", "/v1/rooms/lab"))[0] == 200


async def test_the_director_ends_empty_rooms(scene: Stage) -> None:
    await scene.ask("POST", "/v1/rooms", {"name": "lab", "empty_timeout_s": 30})
    await scene.director.sweep()
    scene.now_s += 31
    await scene.director.sweep()
    assert (await scene.ask("GET", "/v1/rooms/lab"))[0] == 404


async def test_what_a_dead_node_leaves_behind_is_buried(scene: Stage) -> None:
    await scene.ask("POST", "/v1/rooms", {"name": "lab", "empty_timeout_s": 30})
    await scene.node.enter("lab", "ada")
    await scene.director.sweep()
    await scene.node.store.delete("nodes.node-1")
    await asyncio.sleep(0)
    await scene.director.sweep()
    assert await scene.node.store.keys("participants.") == []
    scene.now_s += 31
    await scene.director.sweep()
    assert (await scene.ask("GET", "/v1/rooms/lab"))[0] == 404


async def test_the_tree_of_one_node(scene: Stage) -> None:
    await scene.ask("POST", "/v1/rooms/lab/join", {"identity": "ada"})
    await scene.node.enter("lab", "ada", tracks=2)
    _, tree, _ = await scene.ask("GET", "/v1/rooms/lab/tree")
    (node,) = tree["nodes"]
    assert (node["id"], node["role"], node["num_participants"]) == ("node-1", "origin", 1)
    assert [track["sid"] for track in node["tracks"]] == ["TR_0", "TR_1"]
    assert tree["relays"] == []

from sfu.cluster.control import GrantChange, MuteOrder
from tests.unit.director.stage import Stage

PEOPLE = "/v1/rooms/lab/participants"


async def opened(scene: Stage) -> None:
    await scene.ask("POST", "/v1/rooms", {"name": "lab"})
    await scene.node.enter("lab", "ada", tracks=2)
    await scene.node.enter("lab", "bob smith")


async def test_participants_are_listed_in_order_of_joining(scene: Stage) -> None:
    await opened(scene)
    _, listed, _ = await scene.ask("GET", PEOPLE)
    assert [person["identity"] for person in listed["participants"]] == ["ada", "bob smith"]
    _, one, _ = await scene.ask("GET", f"{PEOPLE}/bob%20smith")
    assert one == listed["participants"][1]
    assert one["grants"]["can_publish"] is True


async def test_people_of_a_dead_node_are_not_shown(scene: Stage) -> None:
    await opened(scene)
    scene.node.node_id = "node-2"
    await scene.node.enter("lab", "ghost")
    _, listed, _ = await scene.ask("GET", PEOPLE)
    assert "ghost" not in {person["identity"] for person in listed["participants"]}


async def test_muting_is_an_order_to_the_node(scene: Stage) -> None:
    await opened(scene)
    status, person, _ = await scene.ask("PATCH", f"{PEOPLE}/ada", {"muted": True, "track_sid": "TR_1"})
    assert status == 200
    assert [track["muted"] for track in person["tracks"]] == [False, True]
    assert ("mute", "lab", "ada", MuteOrder(muted=True, track_sid="TR_1")) in scene.node.orders
    assert (await scene.ask("PATCH", f"{PEOPLE}/ada", {"muted": True, "track_sid": "TR_9"}))[0] == 404


async def test_grants_change_one_by_one(scene: Stage) -> None:
    await opened(scene)
    status, person, _ = await scene.ask("PATCH", f"{PEOPLE}/ada", {"grants": {"can_publish": False}})
    assert (status, person["grants"]["can_publish"]) == (200, False)
    assert ("change_grant", "lab", "ada", GrantChange(can_publish=False)) in scene.node.orders


async def test_a_change_of_nothing_is_refused(scene: Stage) -> None:
    await opened(scene)
    assert (await scene.ask("PATCH", f"{PEOPLE}/ada", {}))[0] == 400
    assert (await scene.ask("PATCH", f"{PEOPLE}/ada", {"mutd": True}))[0] == 400


async def test_removing_ends_the_call(scene: Stage) -> None:
    await opened(scene)
    assert (await scene.ask("DELETE", f"{PEOPLE}/ada"))[0] == 204
    assert ("remove", "lab", "ada", "removed") in scene.node.orders
    assert (await scene.ask("DELETE", f"{PEOPLE}/ada"))[0] == 404
    assert (await scene.ask("GET", "/v1/rooms/none/participants"))[0] == 404

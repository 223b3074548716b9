import pytest

from director.calls import KEPT_STATS
from sfu.cluster.grants import Grant
from tests.unit.director.stage import Stage

ADA = Grant(identity="ada", room="lab", room_join=True)


async def test_the_client_tells_how_its_call_is(scene: Stage) -> None:
    await scene.node.enter("lab", "ada", call_id="CA_1")
    for index in range(KEPT_STATS + 5):
        status, _, response = await scene.ask(
            "POST", "/v1/calls/CA_1/stats", {"values": {"rtt_ms": index, "loss": 0.5}}, grant=ADA
        )
        assert status == 204
        assert response.headers["Access-Control-Allow-Origin"] == "*"
    _, call, _ = await scene.ask("GET", "/v1/calls/CA_1")
    assert [stats["rtt_ms"] for stats in call["client_stats"]] == list(range(5, KEPT_STATS + 5))
    assert call["state"] == "active"


@pytest.mark.parametrize(
    ("grant", "status"),
    [
        (ADA, 204),
        (Grant(identity="bob", room="lab", room_join=True), 403),
        (Grant(identity="ada", room="other", room_join=True), 403),
        (Grant(room_admin=True), 403),
        (None, 401),
    ],
)
async def test_only_the_participant_may_tell(scene: Stage, grant: Grant | None, status: int) -> None:
    await scene.node.enter("lab", "ada", call_id="CA_1")
    assert (await scene.ask("POST", "/v1/calls/CA_1/stats", {"values": {}}, grant=grant))[0] == status


async def test_only_admins_of_the_room_see_the_record(scene: Stage) -> None:
    await scene.node.enter("lab", "ada", call_id="CA_1")
    assert (await scene.ask("GET", "/v1/calls/CA_1", grant=Grant(room_admin=True, room="lab")))[0] == 200
    assert (await scene.ask("GET", "/v1/calls/CA_1", grant=Grant(room_admin=True, room="other")))[0] == 403
    assert (await scene.ask("GET", "/v1/calls/CA_2"))[0] == 404


async def test_browsers_may_ask_first(scene: Stage) -> None:
    status, _, response = await scene.ask("OPTIONS", "/v1/calls/CA_1/stats", grant=None)
    assert status == 204
    assert "Authorization" in response.headers["Access-Control-Allow-Headers"]

import pytest
from yarl import URL

from sfu.cluster.grants import Grant, token_digest
from tests.unit.director.stage import Stage

JOIN = "/v1/rooms/lab/join"


async def test_nodes_are_listed(scene: Stage) -> None:
    _, listed, _ = await scene.ask("GET", "/v1/nodes")
    (node,) = listed["nodes"]
    assert (node["id"], node["region"], node["draining"], node["load"]) == ("node-1", "eu", False, 0.1)


async def test_a_draining_node_gets_nobody_until_it_is_taken_back(scene: Stage) -> None:
    assert (await scene.ask("POST", "/v1/nodes/node-1/drain", {"deadline_s": 5}))[0] == 202
    assert ("drain", 5.0) in scene.node.orders
    assert (await scene.ask("POST", JOIN, {"identity": "ada"}))[0] == 503
    assert (await scene.ask("GET", "/readyz", grant=None))[0] == 503
    assert (await scene.ask("DELETE", "/v1/nodes/node-1/drain"))[0] == 204
    assert ("undrain",) in scene.node.orders
    assert (await scene.ask("POST", JOIN, {"identity": "ada"}))[0] == 200
    assert (await scene.ask("GET", "/readyz", grant=None))[0] == 200


async def test_a_drain_without_a_body_has_a_default_deadline(scene: Stage) -> None:
    assert (await scene.ask("POST", "/v1/nodes/node-1/drain"))[0] == 202
    assert (await scene.ask("POST", "/v1/nodes/nobody/drain"))[0] == 404


@pytest.mark.parametrize(("kind", "value"), [("identity", "ada"), ("address", "127.0.0.0%2F8")])
async def test_the_blocked_are_refused_until_they_are_unblocked(scene: Stage, kind: str, value: str) -> None:
    await scene.node.enter("lab", "ada")
    entry = f"/v1/blocklist/{kind}/{value}"
    headers = {"Authorization": f"Bearer {scene.token()}"}
    url = URL(entry, encoded=True)
    async with scene.client.put(url, headers=headers, json={"reason": "spam"}) as response:
        assert response.status == 204
    status, problem, _ = await scene.ask("POST", JOIN, {"identity": "ada"})
    assert (status, problem["title"]) == (403, "Blocked")
    if kind == "identity":
        assert ("remove", "lab", "ada", "blocked") in scene.node.orders
        _, listed, _ = await scene.ask("GET", "/v1/blocklist")
        assert listed["blocks"] == [{"kind": kind, "value": value, "until_s": 0.0, "reason": "spam"}]
        assert (await scene.ask("DELETE", entry))[0] == 204
        assert (await scene.ask("POST", JOIN, {"identity": "ada"}))[0] == 200


async def test_a_block_of_a_token_runs_out(scene: Stage) -> None:
    entry = f"/v1/blocklist/token/{token_digest(scene.token())}"
    assert (await scene.ask("PUT", entry, {"ttl_s": 60}))[0] == 204
    token = scene.token()
    assert (await scene.ask("GET", "/v1/nodes"))[0] == 403
    scene.now_s += 61
    async with scene.client.get("/v1/nodes", headers={"Authorization": f"Bearer {token}"}) as response:
        assert response.status == 200


async def test_a_blocklist_knows_three_kinds(scene: Stage) -> None:
    assert (await scene.ask("PUT", "/v1/blocklist/colour/red"))[0] == 404
    assert (await scene.ask("PUT", "/v1/blocklist/address/example.org"))[0] == 400


async def test_only_node_admins_may(scene: Stage) -> None:
    other = Grant(room_create=True, room_list=True, room_admin=True)
    for method, path in (
        ("GET", "/v1/nodes"),
        ("POST", "/v1/nodes/node-1/drain"),
        ("DELETE", "/v1/nodes/node-1/drain"),
        ("GET", "/v1/blocklist"),
        ("PUT", "/v1/blocklist/identity/ada"),
        ("DELETE", "/v1/blocklist/identity/ada"),
    ):
        assert (await scene.ask(method, path, grant=other))[0] == 403

import json
import time
from typing import Any

import msgspec
import pytest
from livekit.api import AccessToken, VideoGrants

from sfu.problems import MEDIA_TYPE
from tests.unit.director.stage import CONFIG, KEY, SECRET, Stage, stage


def is_problem(status: int, body: Any, response: Any) -> bool:
    return (
        response.headers["Content-Type"] == MEDIA_TYPE
        and body["status"] == status
        and body["title"]
        and body["type"].startswith("/docs/problems#")
    )


@pytest.mark.parametrize(
    ("method", "path", "options", "expected"),
    [
        ("GET", "/nowhere", {}, 404),
        ("GET", "/v1/nowhere", {}, 404),
        ("PUT", "/v1/rooms", {}, 405),
        ("POST", "/v1/rooms", {"data": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        ("POST", "/v1/rooms", {"data": b"\xff", "headers": {"Content-Type": "application/json"}}, 400),
        ("POST", "/v1/rooms", {"data": b"[" * 50_000, "headers": {"Content-Type": "application/json"}}, 400),
        ("POST", "/v1/rooms", {"data": b"", "headers": {"Content-Type": "application/json"}}, 400),
        ("POST", "/v1/rooms", {"data": b"{}", "headers": {"Content-Type": "text/plain"}}, 415),
        ("POST", "/v1/rooms", {"data": b" " * 70_000, "headers": {"Content-Type": "application/json"}}, 413),
        ("POST", "/v1/rooms", {"json": {}}, 400),
        ("POST", "/v1/rooms", {"json": {"name": "lab", "max_participants": "3"}}, 400),
        ("POST", "/v1/rooms", {"json": {"name": "lab", "max_participants": 2.5}}, 400),
        ("POST", "/v1/rooms", {"json": {"name": "lab", "max_participants": -1}}, 400),
        ("POST", "/v1/rooms", {"json": {"name": "lab", "max_participant": 1}}, 400),
        ("GET", "/v1/rooms/none", {}, 404),
    ],
)
async def test_every_fault_is_a_problem_document(
    scene: Stage, method: str, path: str, options: dict[str, Any], expected: int
) -> None:
    status, body, response = await scene.ask(method, path, **options)
    assert status == expected
    assert is_problem(status, body, response)
    if status == 405:
        assert response.headers["Allow"] == "GET,HEAD,POST".replace(",", ", ")


async def test_whole_floats_are_integers(scene: Stage) -> None:
    headers = {"Content-Type": "application/json"}
    status, room, _ = await scene.ask(
        "POST", "/v1/rooms", data=b'{"name": "lab", "max_participants": 300.0}', headers=headers
    )
    assert (status, room["max_participants"]) == (201, 300)


@pytest.mark.parametrize("header", [None, "Bearer x", "Basic abc", "Bearer a.b.c"])
async def test_without_a_good_token_there_is_a_challenge(scene: Stage, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    status, body, response = await scene.ask("GET", "/v1/rooms", grant=None, headers=headers)
    assert status == 401
    assert is_problem(status, body, response)
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


async def test_an_expired_token_is_told_so(scene: Stage) -> None:
    token = scene.token()
    scene.now_s += 3600
    headers = {"Authorization": f"Bearer {token}"}
    status, body, _ = await scene.ask("GET", "/v1/rooms", grant=None, headers=headers)
    assert (status, body["detail"]) == (401, "the token has expired")


async def test_app_servers_may_mint_with_livekit_api(scene: Stage) -> None:
    scene.now_s = time.time()
    token = AccessToken(KEY, SECRET).with_grants(VideoGrants(room_create=True)).to_jwt()
    headers = {"Authorization": f"Bearer {token}"}
    status, _, _ = await scene.ask("POST", "/v1/rooms", {"name": "lab"}, grant=None, headers=headers)
    assert status == 201


async def test_requests_are_limited_by_address() -> None:
    config = msgspec.structs.replace(
        CONFIG, limit_loopback=True, request_burst_address=3, request_rate_address=1
    )
    async with stage(config) as scene:
        statuses = [(await scene.ask("GET", "/v1/rooms"))[0] for _ in range(5)]
        assert statuses == [200, 200, 200, 429, 429]
        assert (await scene.ask("GET", "/healthz", grant=None))[0] == 200


async def test_our_own_faults_are_problems_too_and_tell_nothing(
    scene: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("inside")

    monkeypatch.setattr(scene.director.rooms, "all", fail)
    status, body, response = await scene.ask("GET", "/v1/rooms")
    assert status == 500
    assert is_problem(status, body, response)
    assert "inside" not in json.dumps(body)


async def test_health_readiness_and_metrics_are_three_things(scene: Stage) -> None:
    assert (await scene.ask("GET", "/healthz", grant=None))[1] == {"status": "ok"}
    assert (await scene.ask("GET", "/readyz", grant=None))[0] == 200
    await scene.ask("GET", "/v1/rooms")
    async with scene.client.get("/metrics") as response:
        text = await response.text()
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert 'headwater_api_requests_total{operation="list_rooms",status="200"} 1.0' in text


async def test_documentation_needs_no_network(scene: Stage) -> None:
    for path in ("/docs", "/docs/problems"):
        async with scene.client.get(path) as response:
            page = await response.text()
        assert response.status == 200
        assert "http://" not in page
        assert "https://" not in page
        assert "<script" not in page
    assert 'id="room-is-full"' in page


async def test_every_route_is_in_the_openapi_document(scene: Stage) -> None:
    _, document, _ = await scene.ask("GET", "/openapi.json", grant=None)
    assert document["openapi"] == "3.1.0"
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert len(described) >= 18
    served = {
        (route.method, resource.canonical)
        for resource in scene.client.app.router.resources()
        for route in resource
        if resource.canonical.startswith("/v1") and route.method not in ("OPTIONS", "HEAD")
    }
    assert described == served

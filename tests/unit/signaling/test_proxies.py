import ipaddress

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from sfu.signaling.proxies import behind_proxies, client_address

TRUSTED = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8::/32")]


@pytest.mark.parametrize(
    ("remote", "forwarded", "client"),
    [
        ("198.51.100.1", "", "198.51.100.1"),
        ("198.51.100.1", "203.0.113.9", "198.51.100.1"),
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.66, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("2001:db8::1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "10.0.0.3", "10.0.0.3"),
        ("10.0.0.1", "not an address", "not an address"),
        ("10.0.0.1", " , ", "10.0.0.1"),
    ],
)
def test_only_what_trusted_proxies_say_is_believed(remote: str, forwarded: str, client: str) -> None:
    assert client_address(remote, forwarded, TRUSTED) == client


@pytest.mark.parametrize(("trusted", "seen"), [((), "127.0.0.1"), (("127.0.0.0/8",), "203.0.113.9")])
async def test_everything_behind_the_middleware_sees_the_client(trusted: tuple[str, ...], seen: str) -> None:
    async def answer(request: web.Request) -> web.Response:
        body = await request.text()
        return web.Response(text=f"{request.remote} {request.match_info['room']} {body}")

    app = web.Application(middlewares=[behind_proxies(trusted)])
    app.router.add_post("/{room}", answer)
    async with (
        TestClient(TestServer(app)) as client,
        client.post(
            "/lab", data="offer", headers={"X-Forwarded-For": "198.51.100.1, 203.0.113.9"}
        ) as response,
    ):
        assert await response.text() == f"{seen} lab offer"

"""Who asks, when proxies stand before this process."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web
from aiohttp.typedefs import Middleware

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def behind_proxies(trusted: Sequence[str]) -> Middleware:
    """Makes `request.remote` the client's address where one of the trusted networks forwards for it."""
    networks = [ipaddress.ip_network(text) for text in trusted]

    @web.middleware
    async def resolve(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        forwarded = request.headers.get("X-Forwarded-For", "")
        if networks and forwarded:
            request = request.clone(remote=client_address(request.remote or "", forwarded, networks))
        return await handler(request)

    return resolve


def client_address(remote: str, forwarded_for: str, trusted: Sequence[Network]) -> str:
    """The last address on the way that no trusted proxy vouches for: what comes before it may be forged."""
    hops = [part.strip() for part in forwarded_for.split(",") if part.strip()]
    address = remote
    while hops and _within(address, trusted):
        address = hops.pop()
    return address


def _within(address: str, networks: Sequence[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return any(parsed in network for network in networks)

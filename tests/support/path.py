"""A UDP path between a browser and a Node that can lose datagrams and change its address."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Page, Route

HOST = "127.0.0.1"
CANDIDATE = re.compile(rf"a=candidate:\S+ 1 udp \d+ {re.escape(HOST)} (\d+) typ host\r\n", re.IGNORECASE)
ANY_CANDIDATE = re.compile(r"a=candidate:.*\r\n")


class _Receiver(asyncio.DatagramProtocol):
    def __init__(self, receive: Any) -> None:
        self._receive = receive

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._receive(data, addr)


@dataclass
class Path:
    """`loss_down` is the ratio lost on the way to the browser, `loss_up` on the way to the Node."""

    loss_up: float = 0.0
    loss_down: float = 0.0
    lost: int = 0
    node_port: int = 0
    port: int = 0
    _chance: random.Random = field(default_factory=lambda: random.Random(7))
    _browser: Any = None
    _near: asyncio.DatagramTransport | None = None
    _far: asyncio.DatagramTransport | None = None

    async def open(self, node_port: int) -> None:
        """Leads to that port of the Node from now on."""
        self.node_port = node_port
        loop = asyncio.get_running_loop()
        near, _ = await loop.create_datagram_endpoint(lambda: _Receiver(self._up), local_addr=(HOST, 0))
        self._near, self.port = near, near.get_extra_info("sockname")[1]
        await self.move()

    async def move(self) -> None:
        """From now on the Node sees the browser at another address, as after a hand-over."""
        before, loop = self._far, asyncio.get_running_loop()
        self._far, _ = await loop.create_datagram_endpoint(
            lambda: _Receiver(self._down), remote_addr=(HOST, self.node_port)
        )
        if before is not None:
            before.close()

    def close(self) -> None:
        for transport in (self._near, self._far):
            if transport is not None:
                transport.close()

    def _up(self, data: bytes, browser: Any) -> None:
        self._browser = browser
        if not self._loses(self.loss_up) and self._far is not None:
            self._far.sendto(data)

    def _down(self, data: bytes, _node: Any) -> None:
        if self._browser is not None and not self._loses(self.loss_down) and self._near is not None:
            self._near.sendto(data, self._browser)

    def _loses(self, ratio: float) -> bool:
        lost = self._chance.random() < ratio
        self.lost += lost
        return lost


@asynccontextmanager
async def path_for(page: Page, door: str) -> AsyncIterator[Path]:
    """Leads the next calls of this page at this door ("whip", "whep") over a Path of their own."""
    path = Path()

    async def lead_over_path(route: Route) -> None:
        response = await route.fetch()
        answer = await response.text()
        if route.request.method == "POST" and (found := CANDIDATE.search(answer)):
            await path.open(int(found[1]))
            ours = found[0].replace(f" {found[1]} typ", f" {path.port} typ")
            first = answer.index("a=candidate:")
            answer = answer[:first] + ours + ANY_CANDIDATE.sub("", answer[first:])
        await route.fulfill(response=response, body=answer)

    pattern = re.compile(rf"/{door}/[^/]+(\?.*)?$")
    await page.route(pattern, lead_over_path)
    try:
        yield path
    finally:
        await page.unroute(pattern)
        path.close()

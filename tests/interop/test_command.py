"""`headwater up` as a process: how it starts and how it ends."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import ClientSession
from aiortc import RTCPeerConnection, RTCSessionDescription

from tests.support.eventually import eventually
from tests.support.nodes import publisher

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def up(*flags: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The process and its URL, once it says that it is up."""
    command = [sys.executable, str(ROOT / "headwater_cli.py"), "up", "--listen", "127.0.0.1:0"]
    command += ["--media-port", "0", "--workers", "1", *flags]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HEADWATER_")}
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
        found = re.search(r"http://\S+", line)
        assert found, line
        yield process, found[0]
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def publish(url: str) -> RTCPeerConnection:
    """A connected publisher: from now on it can say goodbye."""
    peer = publisher(video=False)
    await peer.setLocalDescription(await peer.createOffer())
    async with ClientSession() as http:
        async with http.post(f"{url}/demo/token", json={"room": "lab", "identity": "ada"}) as response:
            invitation = await response.json()
        headers = {"Content-Type": "application/sdp", "Authorization": f"Bearer {invitation['token']}"}
        async with http.post(
            invitation["urls"]["whip"], data=peer.localDescription.sdp, headers=headers
        ) as response:
            await peer.setRemoteDescription(RTCSessionDescription(await response.text(), "answer"))

    async def state() -> str:
        return peer.connectionState

    await eventually(state, lambda now: now == "connected", within_s=10, every_s=0.02)
    return peer


async def test_it_is_ready_when_it_says_so_and_serves_the_page() -> None:
    async with up() as (_, url), ClientSession(url) as http:
        for path in ("/readyz", "/healthz", "/", "/docs", "/openapi.json", "/metrics", "/demo/overview"):
            async with http.get(path) as response:
                assert response.status == 200, path


async def test_without_calls_sigterm_stops_it_at_once() -> None:
    async with up("--drain-deadline-s", "60") as (process, _):
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 5) == 0


async def test_sigterm_waits_for_calls_and_takes_no_new_ones() -> None:
    async with up("--drain-deadline-s", "60") as (process, url), ClientSession(url) as http:
        peer = await publish(url)
        process.send_signal(signal.SIGTERM)

        async def ready() -> int:
            async with http.get("/readyz") as response:
                return response.status

        await eventually(ready, lambda status: status == 503, within_s=5, every_s=0.02)
        async with http.post("/demo/token", json={"room": "lab", "identity": "bob"}) as response:
            assert response.status == 503
        assert process.returncode is None
        await peer.close()
        assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_the_second_sigterm_does_not_wait() -> None:
    async with up("--drain-deadline-s", "60") as (process, url), ClientSession(url) as http:
        peer = await publish(url)
        process.send_signal(signal.SIGTERM)

        async def ready() -> int:
            async with http.get("/readyz") as response:
                return response.status

        await eventually(ready, lambda status: status == 503, within_s=5, every_s=0.02)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 5) == 0
        await peer.close()


async def test_the_deadline_ends_the_wait() -> None:
    async with up("--drain-deadline-s", "0.3") as (process, url):
        peer = await publish(url)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 5) == 0
        await peer.close()

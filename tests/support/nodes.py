"""A real Node in the test's own process, and aiortc clients for its doors."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientSession, web
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamTrack, VideoStreamTrack

from sfu.cluster.grants import Grant, mint_token
from sfu.cluster.memory import MemoryStore
from sfu.config import DEV_KEY, DEV_SECRET, load_config
from sfu.node.node import Node

SDP = "application/sdp"
ROOM = "demo"


@dataclass(slots=True)
class RunningNode:
    """A Node behind HTTP, a client session for it, and its Store."""

    node: Node
    http: ClientSession
    store: MemoryStore

    async def calls(self) -> int:
        """How many Calls the Node has."""
        return len(self.node.parts.calls)

    async def connected_calls(self) -> int:
        """How many of them have their keys in place."""
        return sum(call.connected for call in self.node.parts.calls)

    async def offer(self, path: str, identity: str, sdp: str, **grant: Any) -> Any:
        """POSTs an offer; returns (status, headers, body)."""
        headers = {"Content-Type": SDP, "Authorization": f"Bearer {token(identity, **grant)}"}
        async with self.http.post(path, data=sdp, headers=headers) as response:
            return response.status, response.headers, await response.text()


def token(identity: str, *, room: str = ROOM, **grant: Any) -> str:
    """A token for one identity in one Room."""
    whole = Grant(identity=identity, room=room, room_join=True, **grant)
    return mint_token(whole, key=DEV_KEY, secret=DEV_SECRET, now_s=time.time())


@asynccontextmanager
async def running_node(**settings: str) -> AsyncIterator[RunningNode]:
    """A Node on free ports."""
    config = load_config({"workers": "1", "media_port": "0", **settings}, {}, dev_keys=True)
    store = MemoryStore()
    node = Node(config, store)
    await node.start()
    app = web.Application()
    app.add_routes(node.routes())
    runner = web.AppRunner(app, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        async with ClientSession(f"http://{host}:{port}") as http:
            yield RunningNode(node, http, store)
    finally:
        await node.stop()
        await runner.cleanup()
        await store.close()


@asynccontextmanager
async def joined(
    where: RunningNode, path: str, identity: str, peer: RTCPeerConnection, **grant: Any
) -> AsyncIterator[str]:
    """Offers what `peer` has, takes the answer; yields the session's URL and closes the peer in the end."""
    try:
        await peer.setLocalDescription(await peer.createOffer())
        status, headers, body = await where.offer(path, identity, peer.localDescription.sdp, **grant)
        assert status == 201, body
        await peer.setRemoteDescription(RTCSessionDescription(body, "answer"))
        yield headers["Location"]
    finally:
        await peer.close()


def publisher(*, audio: bool = True, video: bool = True) -> RTCPeerConnection:
    """A peer with a synthetic microphone and camera."""
    peer = RTCPeerConnection()
    if audio:
        peer.addTrack(AudioStreamTrack())
    if video:
        peer.addTrack(VideoStreamTrack())
    return peer


def viewer() -> RTCPeerConnection:
    """A peer that wants one audio and one video Track."""
    peer = RTCPeerConnection()
    peer.addTransceiver("audio", direction="recvonly")
    peer.addTransceiver("video", direction="recvonly")
    return peer


def incoming(peer: RTCPeerConnection, kind: str) -> MediaStreamTrack:
    """What the peer receives of one kind."""
    return next(r.track for r in peer.getReceivers() if r.track.kind == kind)


async def frames(track: MediaStreamTrack, count: int, timeout_s: float = 20.0) -> list[Any]:
    """That many decoded frames."""
    async with asyncio.timeout(timeout_s):
        return [await track.recv() for _ in range(count)]

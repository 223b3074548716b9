"""What a Director orders happens to media: `headwater up` in the test's own process, aiortc as clients."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import ClientSession
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamTrack

import headwater_cli
from sfu.cluster.grants import Grant, mint_token
from sfu.config import DEV_KEY, DEV_SECRET, load_config
from tests.support.eventually import eventually
from tests.support.nodes import frames, incoming, publisher, viewer

APP_SERVER = Grant(room_create=True, room_list=True, room_admin=True, node_admin=True)


@dataclass
class Up:
    """A running `headwater up`, seen by an app server."""

    http: ClientSession

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        token = mint_token(APP_SERVER, key=DEV_KEY, secret=DEV_SECRET, now_s=time.time())
        headers = {"Authorization": f"Bearer {token}"}
        async with self.http.request(method, path, json=body, headers=headers) as response:
            return response.status, await response.json() if response.content_length else None

    async def join(self, door: str, identity: str, peer: RTCPeerConnection) -> tuple[int, str]:
        """Be placed by the Director, then offer at the Node; returns the status and the call_id."""
        status, placed = await self.ask("POST", "/v1/rooms/lab/join", {"identity": identity})
        if status != 200:
            return status, ""
        await peer.setLocalDescription(await peer.createOffer())
        headers = {"Content-Type": "application/sdp", "Authorization": f"Bearer {placed['token']}"}
        async with self.http.post(
            placed["urls"][door], data=peer.localDescription.sdp, headers=headers
        ) as response:
            answer = await response.text()
        if response.status == 201:
            await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        return response.status, placed["call_id"]


@asynccontextmanager
async def running_up(**settings: str) -> AsyncIterator[Up]:
    arguments = {"listen": "127.0.0.1:0", "workers": "1", "media_port": "0", "log_level": "error", **settings}
    config, listener = headwater_cli.listen(load_config(arguments, {}, dev_keys=True))
    async with (
        headwater_cli.running("up", config, listener),
        ClientSession(config.base_url) as http,
    ):
        yield Up(http)


@pytest.fixture
async def up() -> AsyncIterator[Up]:
    async with running_up() as running:
        yield running


@asynccontextmanager
async def watching(up: Up) -> AsyncIterator[tuple[RTCPeerConnection, RTCPeerConnection, str]]:
    """ada publishes, bob watches and has seen something; yields both and ada's call_id."""
    ada, bob = publisher(), viewer()
    try:
        status, call_id = await up.join("whip", "ada", ada)
        assert status == 201
        assert (await up.join("whep", "bob", bob))[0] == 201
        assert await frames(incoming(bob, "video"), 5)
        yield ada, bob, call_id
    finally:
        await ada.close()
        await bob.close()


async def silence(track: MediaStreamTrack) -> None:
    """Returns once no frame has come for a while; frames that are still queued do not count."""
    async with asyncio.timeout(10):
        while True:
            try:
                await asyncio.wait_for(track.recv(), 0.5)
            except TimeoutError:
                return


async def closed(peer: RTCPeerConnection) -> None:
    async def state() -> str:
        return peer.connectionState

    await eventually(state, lambda now: now == "closed", within_s=5, every_s=0.02)


async def packets_lost(peer: RTCPeerConnection) -> int:
    stats = await peer.getStats()
    return sum(report.packetsLost for report in stats.values() if report.type == "inbound-rtp")


async def test_a_muted_track_stops_and_comes_back_without_a_gap(up: Up) -> None:
    async with watching(up) as (_, bob, _):
        path = "/v1/rooms/lab/participants/ada"
        status, ada = await up.ask("PATCH", path, {"muted": True})
        assert status == 200
        assert all(track["muted"] for track in ada["tracks"])
        await silence(incoming(bob, "video"))
        await up.ask("PATCH", path, {"muted": False})
        assert await frames(incoming(bob, "video"), 10)
        assert await packets_lost(bob) == 0


async def test_a_viewer_who_may_not_subscribe_any_more_sees_nothing(up: Up) -> None:
    async with watching(up) as (_, bob, _):
        path = "/v1/rooms/lab/participants/bob"
        _, person = await up.ask("PATCH", path, {"grants": {"can_subscribe": False}})
        assert person["grants"]["can_subscribe"] is False
        await silence(incoming(bob, "video"))
        await up.ask("PATCH", path, {"grants": {"can_subscribe": True}})
        assert await frames(incoming(bob, "video"), 10)


async def test_a_publisher_who_may_not_publish_is_silent_until_it_may_again(up: Up) -> None:
    async with watching(up) as (_, bob, _):
        path = "/v1/rooms/lab/participants/ada"
        _, ada = await up.ask("PATCH", path, {"grants": {"can_publish": False}})
        assert ada["tracks"] == []
        await silence(incoming(bob, "video"))
        _, ada = await up.ask("PATCH", path, {"grants": {"can_publish": True}})
        assert {track["kind"] for track in ada["tracks"]} == {"audio", "video"}
        assert await frames(incoming(bob, "video"), 10)
        assert await packets_lost(bob) == 0


async def test_a_removed_participant_is_gone_and_the_call_says_why(up: Up) -> None:
    async with watching(up) as (ada, _, call_id):
        assert (await up.ask("GET", "/v1/rooms/lab"))[1]["num_publishers"] == 1
        assert (await up.ask("DELETE", "/v1/rooms/lab/participants/ada"))[0] == 204
        await closed(ada)
        _, listed = await up.ask("GET", "/v1/rooms/lab/participants")
        assert [person["identity"] for person in listed["participants"]] == ["bob"]
        _, call = await up.ask("GET", f"/v1/calls/{call_id}")
        assert (call["state"], call["end_reason"]) == ("ended", "removed")
        assert call["ended_at_s"] >= call["joined_at_s"]


async def test_the_blocked_leave_and_stay_out(up: Up) -> None:
    async with watching(up) as (_, bob, _):
        assert (await up.ask("PUT", "/v1/blocklist/identity/bob"))[0] == 204
        await closed(bob)
        again = viewer()
        assert (await up.join("whep", "bob", again))[0] == 403
        await up.ask("DELETE", "/v1/blocklist/identity/bob")
        assert (await up.join("whep", "bob", again))[0] == 201
        await again.close()


async def test_a_deleted_room_ends_for_everybody(up: Up) -> None:
    async with watching(up) as (ada, bob, _):
        assert (await up.ask("DELETE", "/v1/rooms/lab"))[0] == 204
        for peer in (ada, bob):
            await closed(peer)
        assert (await up.ask("GET", "/v1/rooms"))[1] == {"rooms": []}


async def test_a_draining_node_keeps_its_calls_and_takes_no_more(up: Up) -> None:
    async with watching(up) as (_, bob, _):
        _, listed = await up.ask("GET", "/v1/nodes")
        path = f"/v1/nodes/{listed['nodes'][0]['id']}/drain"
        assert (await up.ask("POST", path, {"deadline_s": 60}))[0] == 202
        newcomer = viewer()
        assert (await up.join("whep", "eve", newcomer))[0] == 503
        assert await frames(incoming(bob, "video"), 10)
        assert (await up.ask("DELETE", path))[0] == 204
        assert (await up.join("whep", "eve", newcomer))[0] == 201
        await newcomer.close()

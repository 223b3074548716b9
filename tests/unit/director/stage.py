"""A Director on stage: in-process Store, one scripted Node, virtual time, a real HTTP server on loopback."""

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from director.api import explain_errors
from director.app import director_routes
from director.demo import demo_routes
from director.director import Director
from sfu.cluster import records, subjects
from sfu.cluster.control import GrantChange, MuteOrder
from sfu.cluster.grants import Grant, mint_token
from sfu.cluster.memory import MemoryStore
from sfu.cluster.records import CallRecord, NodeRecord, ParticipantRecord, TrackEntry
from sfu.cluster.store import Store
from sfu.config import Config

KEY, SECRET = "key", "a secret of more than thirty-two bytes"
CONFIG = Config(keys={KEY: SECRET}, limit_loopback=False)
ADMIN = Grant(identity="app", room_create=True, room_list=True, room_admin=True, node_admin=True)


class ScriptedNode:
    """Implements NodeControl on records alone: who joins does so by `enter`."""

    def __init__(self, store: Store, node_id: str = "node-1") -> None:
        self.node_id = node_id
        self.store = store
        self.people: dict[tuple[str, str], ParticipantRecord] = {}
        self.orders: list[tuple[Any, ...]] = []

    async def beat(self, *, draining: bool = False, load: float = 0.1, at_s: float = 1.0) -> None:
        record = NodeRecord(
            id=self.node_id,
            url="http://node.test:7880",
            region="eu",
            draining=draining,
            load=load,
            heartbeat_at_s=at_s,
        )
        await self.store.put(subjects.node_key(self.node_id), records.encode(record))

    async def enter(
        self, room: str, identity: str, *, call_id: str = "", tracks: int = 0
    ) -> ParticipantRecord:
        record = ParticipantRecord(
            room=room,
            identity=identity,
            sid=f"PA_{identity}",
            call_id=call_id or f"CA_{identity}",
            node=self.node_id,
            joined_at_s=float(len(self.people)),
            tracks=[TrackEntry(sid=f"TR_{index}", kind="video") for index in range(tracks)],
        )
        call = CallRecord(
            call_id=record.call_id, room=room, identity=identity, node=self.node_id, state="active"
        )
        await self.store.put(subjects.call_key(record.call_id), records.encode(call))
        await self._keep(record)
        return record

    async def participants(self, room: str) -> Sequence[ParticipantRecord]:
        return [record for (name, _), record in self.people.items() if name == room]

    async def remove(self, room: str, identity: str, *, reason: str = "removed") -> bool:
        self.orders.append(("remove", room, identity, reason))
        await self.store.delete(subjects.participant_key(room, identity))
        return self.people.pop((room, identity), None) is not None

    async def mute(self, room: str, identity: str, order: MuteOrder) -> bool:
        self.orders.append(("mute", room, identity, order))
        record = self.people[room, identity]
        if order.track_sid and order.track_sid not in {track.sid for track in record.tracks}:
            return False
        tracks = [
            msgspec.structs.replace(track, muted=order.muted)
            if order.track_sid in ("", track.sid) and order.kind in (None, track.kind)
            else track
            for track in record.tracks
        ]
        await self._keep(msgspec.structs.replace(record, tracks=tracks))
        return True

    async def change_grant(self, room: str, identity: str, change: GrantChange) -> bool:
        self.orders.append(("change_grant", room, identity, change))
        if change.can_publish is not None:
            record = msgspec.structs.replace(self.people[room, identity], can_publish=change.can_publish)
            await self._keep(record)
        return True

    async def close_room(self, room: str, *, reason: str = "room_closed") -> int:
        self.orders.append(("close_room", room, reason))
        here = [identity for name, identity in self.people if name == room]
        for identity in here:
            await self.remove(room, identity)
        return len(here)

    async def drain(self, deadline_s: float) -> None:
        self.orders.append(("drain", deadline_s))

    async def undrain(self) -> None:
        self.orders.append(("undrain",))

    async def _keep(self, record: ParticipantRecord) -> None:
        self.people[record.room, record.identity] = record
        await self.store.put(subjects.participant_key(record.room, record.identity), records.encode(record))


@dataclass
class Stage:
    """What a test needs to play a scene."""

    director: Director
    node: ScriptedNode
    client: TestClient[web.Request, web.Application]
    now_s: float = 1_700_000_000.0

    def clock(self) -> float:
        return self.now_s

    def token(self, grant: Grant = ADMIN, **changes: Any) -> str:
        return mint_token(replace(grant, **changes), key=KEY, secret=SECRET, now_s=self.now_s)

    async def ask(
        self, method: str, path: str, body: Any = None, *, grant: Grant | None = ADMIN, **options: Any
    ) -> tuple[int, Any, ClientResponse]:
        """Status, JSON (None without a body) and the response itself."""
        headers = dict(options.pop("headers", {}))
        if grant is not None:
            headers["Authorization"] = f"Bearer {self.token(grant)}"
        if body is not None:
            options["json"] = body
        async with self.client.request(method, path, headers=headers, **options) as response:
            raw = await response.read()
            return response.status, msgspec.json.decode(raw) if raw else None, response


@asynccontextmanager
async def stage(config: Config = CONFIG) -> AsyncIterator[Stage]:
    """A started Director with one live Node."""
    store = MemoryStore()
    node = ScriptedNode(store)
    await node.beat()
    seeds = itertools.count()
    scene: Stage
    director = Director(
        config,
        store,
        lambda name: node if name == node.node_id else None,
        clock=lambda: scene.clock(),
        randomness=lambda length: next(seeds).to_bytes(length),
    )
    app = web.Application(middlewares=[explain_errors])
    app.add_routes([*director_routes(director, version="1"), *demo_routes(director)])
    async with TestClient(TestServer(app)) as client:
        scene = Stage(director, node, client)
        await director.start()
        yield scene
        await director.stop()
        await store.close()

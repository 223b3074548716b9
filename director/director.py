"""The Director: everything its API acts on, and the join line."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable
from urllib.parse import quote

import structlog

from director.admission import Admission, check_room
from director.calls import CallBook
from director.cluster import Cluster, NodeLink
from director.messages import CreateRoom, JoinAnswer, JoinRoom, NodeName, SignalingUrls
from director.placement import place
from director.rooms import EmptyRooms, RoomBook
from director.turn import ice_servers
from sfu.cluster.grants import Grant, mint_token
from sfu.cluster.records import CallRecord, NodeRecord, RoomRecord
from sfu.cluster.store import Store, StoreUnavailableError
from sfu.config import Config
from sfu.errors import RejectedError
from sfu.ids import Randomness, make_call_id

SWEEP_EVERY_S = 2.0

log = structlog.get_logger(__name__)


class Director:
    """One Director over a Store; `clock` gives Unix seconds."""

    def __init__(
        self,
        config: Config,
        store: Store,
        link: NodeLink,
        *,
        clock: Callable[[], float] = time.time,
        randomness: Randomness = secrets.token_bytes,
    ) -> None:
        self.config = config
        self.clock = clock
        self.cluster = Cluster(store, link)
        self.rooms = RoomBook(store, config, randomness)
        self.calls = CallBook(store)
        self.admission = Admission(config)
        self._randomness = randomness
        self._empty = EmptyRooms()
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Follow the Store and look after Rooms."""
        await self.cluster.start()
        self._sweeper = asyncio.create_task(self._sweep_for_ever(), name="director sweeper")

    async def stop(self) -> None:
        """Stop both."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
            self._sweeper = None
        await self.cluster.stop()

    def unready(self) -> list[str]:
        """Why no new Call can be taken now; empty when one can."""
        nodes = self.cluster.nodes()
        if not nodes:
            return ["no Node is alive"]
        return [] if any(not node.draining for node in nodes) else ["all Nodes are draining"]

    async def join(
        self, room_name: str, wish: JoinRoom, *, grant: Grant, address: str, base_url: str
    ) -> JoinAnswer:
        """THE join line of the Director: admit, place, and hand out what the Node will believe."""
        now_s = self.clock()
        self.admission.joins.check(
            address=address, room=room_name, identity=wish.identity, key=grant.key, now_s=now_s
        )
        self.cluster.blocklist.check(
            identity=wish.identity, address=address, token_id=grant.token_id, now_s=now_s
        )
        room, _ = await self.rooms.create(CreateRoom(name=room_name, region=wish.region), now_s)
        check_room(room, await self.cluster.count(room_name, besides=wish.identity))
        room, node = await self._place(room, wish.region)
        self._empty.expect(room)
        call_id = make_call_id(self._randomness)
        await self.calls.open(
            CallRecord(
                call_id=call_id, room=room.name, identity=wish.identity, node=node.id, placed_at_s=now_s
            )
        )
        urls = signaling_urls(node.url or base_url, room.name)
        return self._answer(room, node, wish, call_id=call_id, urls=urls, now_s=now_s)

    async def close_room(self, name: str, reason: str = "room_closed") -> None:
        """End the Room wherever it is."""
        people = await self.cluster.participants(name)
        room = await self.rooms.find(name)
        nodes = {record.node for record in people} | ({room.node} if room and room.node else set())
        await self.rooms.delete(name)
        alive = {node.id for node in self.cluster.nodes()}
        for node in sorted(nodes & alive):
            await self.cluster.control(node).close_room(name, reason=reason)

    async def _place(self, room: RoomRecord, region: str) -> tuple[RoomRecord, NodeRecord]:
        node = place(room, self.cluster.nodes(), region=region, pending=self.cluster.pending())
        if node.id != room.node:
            room = await self.rooms.settle(room.name, node.id, instead_of=room.node)
            node = place(room, self.cluster.nodes(), region=region, pending=self.cluster.pending())
        self.cluster.note_placement(node)
        return room, node

    def _answer(
        self,
        room: RoomRecord,
        node: NodeRecord,
        wish: JoinRoom,
        *,
        call_id: str,
        urls: SignalingUrls,
        now_s: float,
    ) -> JoinAnswer:
        ttl_s = wish.ttl_s or self.config.token_ttl_s
        key, secret = next(iter(self.config.keys.items()))
        token = mint_token(
            _participant_grant(room, wish, call_id), key=key, secret=secret, now_s=now_s, ttl_s=ttl_s
        )
        return JoinAnswer(
            room=room.name,
            identity=wish.identity,
            call_id=call_id,
            node=NodeName(id=node.id, region=node.region),
            token=token,
            expires_at=int(now_s + ttl_s),
            urls=urls,
            ice_servers=ice_servers(
                self.config.ice_servers,
                secret=self.config.turn_secret,
                identity=wish.identity,
                now_s=now_s,
                ttl_s=self.config.turn_ttl_s,
            ),
        )

    async def sweep(self) -> None:
        """Bury what dead Nodes left behind; end the Rooms that have been empty for long enough."""
        await self.cluster.bury()
        occupied = await self.cluster.occupied()
        for room in self._empty.ended(await self.rooms.all(), occupied, self.clock()):
            await self.close_room(room.name, "empty")

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            try:
                await self.sweep()
            except (RejectedError, StoreUnavailableError) as error:
                log.warning("sweep_failed", reason=str(error))


def signaling_urls(base: str, room: str) -> SignalingUrls:
    """The doors of a Room at the Node under `base`."""
    part = quote(room, safe="")
    return SignalingUrls(whip=f"{base}/whip/{part}", whep=f"{base}/whep/{part}", talk=f"{base}/talk/{part}")


def _participant_grant(room: RoomRecord, wish: JoinRoom, call_id: str) -> Grant:
    return Grant(
        identity=wish.identity,
        name=wish.name,
        metadata=wish.metadata,
        room=room.name,
        room_join=True,
        can_publish=wish.grants.can_publish,
        can_subscribe=wish.grants.can_subscribe,
        can_publish_data=wish.grants.can_publish_data,
        can_publish_sources=tuple(wish.grants.can_publish_sources),
        hidden=wish.grants.hidden,
        call_id=call_id,
        max_participants=room.max_participants,
        max_duration_s=room.max_duration_s,
        empty_timeout_s=room.empty_timeout_s,
    )

"""A Node: one process's SFU, from start to stop."""

import asyncio
import os
import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

import msgspec
import structlog
from aiohttp import web

from sfu import ids
from sfu._fastpath.values import WorkerConfig
from sfu.cluster.store import Store
from sfu.cluster.subjects import NODE_HEARTBEAT_S
from sfu.config import Config
from sfu.media.plane import MediaPlane, PublishedTrack
from sfu.media.transport import Transport, TransportPhase
from sfu.node import news, upkeep
from sfu.node.addresses import media_addresses, media_bind_addresses
from sfu.node.control import Control
from sfu.node.desk import Desk
from sfu.node.gate import Gate
from sfu.node.ledger import Ledger
from sfu.node.meter import Meter
from sfu.node.parts import Parts
from sfu.node.reports import call_record, record_participant
from sfu.rtc.dtls import DtlsIdentity
from sfu.rtc.ice import node_hint_of
from sfu.signaling.messages import IceServer
from sfu.signaling.whep import WatchDoor
from sfu.signaling.whip import Door
from sfu.telemetry.health import health_routes
from sfu.telemetry.metrics import CONTENT_TYPE, NodeMetrics

SILENT_S: Final = 10.0
IceServersOf = Callable[[str], tuple[IceServer, ...]]
"""Given an identity, the ICE servers for its client."""

log = structlog.get_logger(__name__)


class Node:
    """Owns the MediaPlane, the Rooms and the Calls; offers HTTP routes and `control`."""

    def __init__(self, config: Config, store: Store, *, ice_servers: IceServersOf | None = None) -> None:
        node_id = config.node_id or ids.make_node_id(secrets.token_bytes)
        plane = MediaPlane(
            worker_configs(config, node_id),
            randomness=secrets.token_bytes,
            changed=self._transport_changed,
            live_changed=self._live_changed,
        )
        self.parts = Parts(
            config=config,
            node_id=node_id,
            plane=plane,
            dtls=DtlsIdentity(now=datetime.now(UTC)),
            ledger=Ledger(store),
            gate=Gate(config, store),
            metrics=NodeMetrics(),
            now_us=lambda: time.time_ns() // 1000,
            randomness=secrets.token_bytes,
            media_addresses=media_addresses(config),
            ice_servers=ice_servers or stun_servers(config),
        )
        self.control = Control(self.parts)
        self.meter = Meter(self.parts)
        self._desk = Desk(self.parts)
        self._tasks: set[asyncio.Future[None]] = set()
        self._running = False

    @property
    def node_id(self) -> str:
        """The Node's id."""
        return self.parts.node_id

    async def start(self) -> None:
        """Opens the media ports and announces the Node. OSError: a port is taken."""
        self.parts.plane.start()
        self.parts.ledger.start()
        await self.parts.gate.start()
        self._running = True
        await self.meter.read()
        await self.announce()
        self._every(NODE_HEARTBEAT_S, self.announce)
        self._every(upkeep.TICK_S, lambda: upkeep.tick(self.parts))
        self._every(upkeep.SPEAKER_TICK_S, lambda: upkeep.hear_speakers(self.parts))
        ports = [link.worker.port for link in self.parts.plane.links]
        log.info("node_started", node=self.node_id, media_ports=ports, addresses=self.parts.media_addresses)

    async def stop(self) -> None:
        """Ends all Calls, closes the media ports; idempotent."""
        if not self._running:
            return
        self._running = False
        for room in self.parts.rooms:
            await self.control.close_room(room.name, reason="draining")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.parts.gate.stop()
        await self.parts.ledger.stop()
        self.parts.plane.stop()
        log.info("node_stopped", node=self.node_id)

    async def announce(self) -> None:
        """Tells the cluster how the Node is: every heartbeat, and at once when that changes."""
        await self.meter.read_if_old()
        self.parts.ledger.node(self.meter.node_record())

    def routes(self, *, telemetry: bool = True) -> list[web.RouteDef]:
        """WHIP, WHEP, talk and the overview; health and metrics too unless the process has its own."""
        routes = [
            *Door("publish", self._desk).routes(),
            *WatchDoor(self._desk).routes(),
            *Door("talk", self._desk).routes(),
            web.get("/demo/overview", self._overview),
        ]
        if telemetry:
            routes += [*health_routes(self.complaint), web.get("/metrics", self._metrics)]
        return routes

    def complaint(self) -> str:
        """Why the Node cannot take new Calls; empty when it can."""
        if not self._running:
            return "the Node has not started"
        if self.meter.silent_s() > SILENT_S:
            return "a Worker does not answer"
        return "the Node is draining" if self.parts.draining else ""

    async def metrics_text(self) -> bytes:
        """All metrics in the Prometheus text format."""
        await self.meter.read_if_old()
        self.parts.metrics.rooms.set(len(self.parts.rooms))
        return self.parts.metrics.render(self.meter.snapshots())

    async def wait_idle(self) -> None:
        """Returns when the last Call is over."""
        await self.parts.calls.idle.wait()

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=await self.metrics_text(), headers={"Content-Type": CONTENT_TYPE})

    async def _overview(self, _: web.Request) -> web.Response:
        await self.meter.read_if_old()
        body = msgspec.json.encode(self.meter.overview())
        return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})

    def _transport_changed(self, transport: Transport) -> None:
        call = self.parts.calls.on(transport)
        if call is None:
            return
        if transport.phase is TransportPhase.CONNECTED:
            call.connected = True
            waited_s = (self.parts.now_us() - call.asked_at_us) / 1e6
            self.parts.metrics.join_s.labels(call.session.door, "connected").observe(waited_s)
            call.log.info("connected", waited_s=round(waited_s, 4))
            record_participant(self.parts, call)
            self.parts.ledger.call(call_record(self.parts, call))
        elif transport.phase is TransportPhase.CLOSED:
            self._spawn(upkeep.leave(self.parts, call, transport.reason))

    def _live_changed(self, track: PublishedTrack) -> None:
        for call in self.parts.calls:
            if call.listeners and any(s.track is track for s in call.subscriptions.values()):
                call.tell(news.layers_of(call))

    def _every(self, period_s: float, action: Callable[[], Awaitable[None]]) -> None:
        async def repeat() -> None:
            while True:
                await asyncio.sleep(period_s)
                try:
                    await action()
                except Exception:
                    log.exception("periodic_task_failed")

        self._spawn(repeat())

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def worker_configs(config: Config, node_id: str) -> list[WorkerConfig]:
    """One WorkerConfig for each Worker: ports from `media_port` on; the system chooses if that is 0."""
    v4, v6 = media_bind_addresses(config)
    return [
        WorkerConfig(
            index=index,
            bind_address=v4,
            bind_address_v6=v6,
            port=config.media_port + index if config.media_port else 0,
            node_hint=node_hint_of(node_id),
            crypto=config.crypto,
            hold_above_percent=config.hold_above,
            max_publish_bps=config.max_publish_bps,
        )
        for index in range(config.workers or os.cpu_count() or 1)
    ]


def stun_servers(config: Config) -> IceServersOf:
    """The configured STUN servers, for everybody."""
    servers = tuple(IceServer(url) for url in config.ice_servers if url.startswith("stun"))
    return lambda _identity: servers

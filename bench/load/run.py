"""One load run against a Node: publishers, then subscribers, then a measured window."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from bench.load.doors import ApiKey, Door, HttpDoor
from bench.load.engine import LoadEngine
from bench.load.fleet import Fleet, Traffic
from bench.load.measurement import Measurement, measure

DEFAULT_URL = "http://127.0.0.1:7880"
DEFAULT_KEY = "devkey:secret"
LOOPBACK = ("127.", "localhost", "[::1]", "::1")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. `sample_every`: one packet in so many is decrypted and compared (a power of two)."""

    url: str = DEFAULT_URL
    key: str = DEFAULT_KEY
    publishers: int = 1
    subscribers: int = 200
    seconds: float = 10.0
    join_rate: float = 20.0
    profile: str = "gcm128"
    pid: int | None = None
    room: str = "load"
    sample_every: int = 8
    ports: int = 1
    loss: float = 0.0
    traffic: Traffic = field(default_factory=Traffic)

    @property
    def rooms(self) -> list[str]:
        return [f"{self.room}-{number}" for number in range(self.publishers)]


def new_engine(plan: Plan) -> LoadEngine:
    """An engine for this plan: many clients on one socket when the Node is on loopback."""
    host = urlsplit(plan.url).hostname or ""
    return LoadEngine(
        limit=plan.publishers + plan.subscribers + 64,
        shared=host.startswith(LOOPBACK),
        ports=plan.ports,
        sample_every=plan.sample_every,
        loss=plan.loss,
    )


@asynccontextmanager
async def fleet_against(plan: Plan) -> AsyncIterator[Fleet]:
    """A Fleet whose clients join the plan's Node, and leave it at the end."""
    door = HttpDoor(plan.url, ApiKey.parse(plan.key))
    async with door, Fleet(door, new_engine(plan), profile=plan.profile) as fleet:
        yield fleet
        await fleet.leave_all()


async def run_load(plan: Plan, *, progress: Callable[[str], None] | None = None) -> Measurement:
    """Runs the plan against a Node. DoorError, JoinError or OSError: a publisher could not join."""
    async with HttpDoor(plan.url, ApiKey.parse(plan.key)) as door:
        return await run_through(door, plan, progress=progress)


async def run_through(
    door: Door, plan: Plan, *, progress: Callable[[str], None] | None = None
) -> Measurement:
    """The same through any Door."""
    say = progress or (lambda _: None)
    async with Fleet(door, new_engine(plan), profile=plan.profile) as fleet:
        try:
            return await _run(fleet, plan, say)
        finally:
            await fleet.leave_all()


async def _run(fleet: Fleet, plan: Plan, say: Callable[[str], None]) -> Measurement:
    publishers = [await fleet.publish(room, plan.traffic) for room in plan.rooms]
    say(f"{len(publishers)} publishing; {plan.subscribers} join at {plan.join_rate:g}/s")
    rooms = [plan.rooms[number % plan.publishers] for number in range(plan.subscribers)]
    await fleet.watch_many(rooms, join_rate=plan.join_rate, audio=plan.traffic.audio)
    await _settle(fleet)
    say(f"{len(fleet.subscribers)} watching; measuring for {plan.seconds:g} s")
    watching = Counter(client.room for client in fleet.subscribers)
    audience = {client.transport: watching[client.room] for client in publishers}
    measured = await measure(fleet.engine, seconds=plan.seconds, pid=plan.pid, audience=audience)
    profiles = sorted({client.profile for client in fleet.subscribers})
    return replace(
        measured,
        join_us=fleet.join_latencies_us(),
        join_errors=fleet.errors,
        profile=" ".join(profiles),
    )


async def _settle(fleet: Fleet) -> None:
    """Waits until everyone who joined has media, at most a few seconds."""
    for _ in range(60):
        if len(fleet.join_latencies_us()) == len(fleet.subscribers):
            break
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)


def to_stderr(text: str) -> None:
    """Progress for people; stdout stays for results."""
    print(text, file=sys.stderr, flush=True)

"""The same traffic and the same receivers as a load run, with the reference loop (or nothing) in between."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import threading
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from bench.load.engine import LoadEngine
from bench.load.fleet import PROFILES, add_plain_streams
from bench.load.measurement import Measurement, measure
from bench.load.offers import AUDIO_PT, RTX_PT, VIDEO_PT
from bench.load.run import Plan, new_engine

START_TIMEOUT_S = 20.0
MEDIA_TIMEOUT_S = 10.0


async def run_reference(plan: Plan) -> Measurement:
    """The plan's traffic from one publisher through the reference loop; its process's CPU."""
    engine, keys = new_engine(plan), _Keys(plan.profile)
    source = engine.add_source(packet_bytes=plan.traffic.packet_bytes)
    publisher_key = keys.new()
    sinks = [(_plain_sink(engine), keys.new()) for _ in range(plan.subscribers)]
    order = {
        "profile": keys.profile,
        "publisher_key": publisher_key.hex(),
        "destinations": [[*engine.local_address(sink), key.hex()] for sink, key in sinks],
    }
    async with _reference_process(order) as (process, port):
        with running(engine):
            for sink, key in sinks:
                engine.set_remote(sink, "127.0.0.1", port)
                engine.set_keys(sink, profile=keys.profile, rx=key, tx=keys.new())
            engine.set_remote(source, "127.0.0.1", port)
            add_plain_streams(engine, source, plan.traffic, rtx=False)
            engine.set_keys(source, profile=keys.profile, rx=keys.new(), tx=publisher_key)
            await _until_all_have_media(engine)
            return await measure(
                engine, seconds=plan.seconds, pid=process.pid, audience={source: plan.subscribers}
            )


async def run_direct(plan: Plan) -> Measurement:
    """One publisher straight to one subscriber: what the path costs in time without any forwarder."""
    with direct_path(plan) as (engine, source):
        await _until_all_have_media(engine)
        return await measure(engine, seconds=plan.seconds, pid=None, audience={source: 1})


@contextmanager
def direct_path(plan: Plan) -> Iterator[tuple[LoadEngine, int]]:
    """A running engine with one publisher that sends straight to one subscriber, and the publisher's Transport."""
    engine, keys = LoadEngine(limit=2, sample_every=1), _Keys(plan.profile)
    source, sink = engine.add_source(packet_bytes=plan.traffic.packet_bytes), _plain_sink(engine)
    key, back = keys.new(), keys.new()
    with running(engine):
        engine.set_remote(sink, *engine.local_address(source))
        engine.set_remote(source, *engine.local_address(sink))
        engine.set_keys(sink, profile=keys.profile, rx=key, tx=back)
        add_plain_streams(engine, source, plan.traffic)
        engine.set_keys(source, profile=keys.profile, rx=back, tx=key)
        yield engine, source


@contextmanager
def running(engine: LoadEngine) -> Iterator[None]:
    """The engine's thread, for as long as the block lasts."""
    thread = threading.Thread(target=engine.run, name="load-engine", daemon=True)
    thread.start()
    try:
        yield
    finally:
        engine.stop()
        thread.join()


async def _until_all_have_media(engine: LoadEngine) -> None:
    async with asyncio.timeout(MEDIA_TIMEOUT_S):
        while engine.snapshot()["subscribers_without_media"]:  # noqa: ASYNC110 - the engine raises no event for it
            await asyncio.sleep(0.02)


class _Keys:
    """Random SRTP keys of one profile."""

    def __init__(self, profile: str) -> None:
        chosen = PROFILES[profile]
        self.profile = chosen.number
        self._bytes = chosen.key_bytes + chosen.salt_bytes

    def new(self) -> bytes:
        return secrets.token_bytes(self._bytes)


def _plain_sink(engine: LoadEngine) -> int:
    return engine.add_sink(video_pt=VIDEO_PT, rtx_pt=RTX_PT, audio_pt=AUDIO_PT)


@asynccontextmanager
async def _reference_process(order: dict[str, object]) -> AsyncIterator[tuple[Process, int]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.reference", stdin=PIPE, stdout=PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(order).encode() + b"\n")
        await process.stdin.drain()
        line = await asyncio.wait_for(process.stdout.readline(), START_TIMEOUT_S)
        yield process, json.loads(line)["port"]
        process.stdin.close()
        await asyncio.wait_for(process.wait(), START_TIMEOUT_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

"""What a Node does by the clock, with a clock that the test turns."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from sfu.node import node as node_module
from sfu.node import upkeep
from sfu.room.subscription import ActiveSpeaker
from tests.support.eventually import eventually
from tests.support.nodes import RunningNode, frames, incoming, joined, publisher, running_node, viewer

OFFERS = Path(__file__).parents[1] / "unit" / "rtc" / "offers"
PUBLISH = (OFFERS / "chromium-publish.sdp").read_text()
TALK = (OFFERS / "chromium-talk.sdp").read_text()


@pytest.fixture
async def node() -> AsyncIterator[RunningNode]:
    async with running_node() as running:
        yield running


def advance(node: RunningNode, seconds: float) -> None:
    """Turns the Node's clock."""
    parts = node.node.parts
    at_us = parts.now_us() + int(seconds * 1e6)
    parts.now_us = lambda: at_us


async def tick(node: RunningNode) -> int:
    """One round of upkeep; returns how many Calls are left."""
    await upkeep.tick(node.node.parts)
    return await node.calls()


async def test_who_never_connects_is_gone_after_fifteen_seconds(node: RunningNode) -> None:
    await node.offer("/whip/demo", "ann", PUBLISH)
    advance(node, upkeep.CONNECT_TIMEOUT_S - 1)
    assert await tick(node) == 1
    advance(node, 2)
    assert await tick(node) == 0


async def test_a_call_ends_when_the_token_says_so(node: RunningNode) -> None:
    await node.offer("/whip/demo", "ann", PUBLISH, max_duration_s=60)
    for call in node.node.parts.calls:
        call.connected = True
    advance(node, 59)
    assert await tick(node) == 1
    advance(node, 2)
    assert await tick(node) == 0


async def test_an_empty_room_closes_after_its_time(node: RunningNode) -> None:
    _, headers, _ = await node.offer("/whip/demo", "ann", PUBLISH, empty_timeout_s=30)
    advance(node, 5)
    await node.http.delete(headers["Location"])
    advance(node, 29)
    await tick(node)
    assert len(node.node.parts.rooms) == 1
    advance(node, 2)
    await tick(node)
    assert len(node.node.parts.rooms) == 0


async def test_nobody_asks_for_levels_while_nobody_has_a_choice(node: RunningNode) -> None:
    for name in ("ann", "bob"):
        await node.offer("/talk/demo", name, TALK)
    [room] = node.node.parts.rooms
    assert not upkeep.has_choice(room)
    await node.offer("/talk/demo", "eve", TALK)
    assert upkeep.has_choice(room)
    await upkeep.hear_speakers(node.node.parts)
    wishes = {s.wish for p in room.room.participants.values() for s in p.subscriptions}
    assert wishes == {ActiveSpeaker()}


async def test_who_falls_silent_is_gone_when_consent_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    made = node_module.worker_configs
    short = lambda *args: [replace(config, consent_us=400_000) for config in made(*args)]  # noqa: E731
    monkeypatch.setattr(node_module, "worker_configs", short)
    watching = viewer()
    async with (
        running_node() as node,
        joined(node, "/whip/demo", "ann", publisher()),
        joined(node, "/whep/demo", "vera", watching),
    ):
        await frames(incoming(watching, "audio"), 5)
        [call] = [call for call in node.node.parts.calls if call.participant.identity == "vera"]
        # a viewer sends RTCP about once a second: to this Node it looks as if it had vanished
        await eventually(node.calls, lambda calls: calls < 2, within_s=5, every_s=0.02)
        assert call.transport.reason == "consent_lost"
        assert [call.participant.identity for call in node.node.parts.calls] == ["ann"]

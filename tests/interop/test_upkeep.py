"""What a Node does by the clock, with a clock that the test turns."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sfu.node import upkeep
from sfu.room.subscription import ActiveSpeaker
from tests.support.nodes import RunningNode, running_node

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

"""What a Node does when something goes wrong between a Room's change and the world."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sfu._fastpath.values import CommandError
from sfu.media.plane import MediaPlane
from tests.support.nodes import running_node

OFFERS = Path(__file__).parents[1] / "unit" / "rtc" / "offers"
PUBLISH = (OFFERS / "chromium-publish.sdp").read_text()
WATCH = (OFFERS / "chromium-subscribe.sdp").read_text()


async def test_a_packet_core_without_room_refuses_and_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: Any) -> None:
        raise CommandError("table full")

    async with running_node() as node:
        monkeypatch.setattr(MediaPlane, "publish", refuse)
        status, headers, _ = await node.offer("/whip/demo", "ann", PUBLISH)
        assert (status, headers["Retry-After"]) == (503, "5")
        assert await node.calls() == 0
        assert [link.transports for link in node.node.parts.plane.links] == [0]
        monkeypatch.undo()
        assert (await node.offer("/whip/demo", "ann", PUBLISH))[0] == 201


async def test_a_room_that_closes_during_a_join_takes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = MediaPlane.open_transport

    async with running_node() as node:
        await node.offer("/whip/demo", "ann", PUBLISH)

        async def close_meanwhile(plane: MediaPlane, **options: Any) -> Any:
            transport = await opened(plane, **options)
            await node.node.control.close_room("demo")
            return transport

        monkeypatch.setattr(MediaPlane, "open_transport", close_meanwhile)
        assert (await node.offer("/whep/demo", "vera", WATCH))[0] == 503
        assert await node.calls() == 0


async def test_joins_at_once_do_not_disturb_each_other() -> None:
    async with running_node() as node:
        joins = [node.offer("/whep/demo", f"viewer-{number % 7}", WATCH) for number in range(40)]
        outcomes = await asyncio.gather(node.offer("/whip/demo", "ann", PUBLISH), *joins)
        assert {status for status, _, _ in outcomes} == {201}
        assert await node.calls() == 8
        [room] = node.node.parts.rooms
        for participant in room.room.participants.values():
            assert all(s.track and s.track.owner == "ann" for s in participant.subscriptions)

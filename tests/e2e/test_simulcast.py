"""Chromium sends three layers; every viewer gets the one it wishes."""

from __future__ import annotations

import json

import pytest

from tests.support.browser import PageDriver
from tests.support.chromium import Chromium
from tests.support.eventually import eventually
from tests.support.node import RunningNode

HEIGHTS = {"q": 180, "h": 360, "f": 720}


async def wish(page: PageDriver, call: str, rid: str) -> None:
    await page.tab.evaluate(f"{call}.select({json.dumps({'rid': rid})})")


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_two_viewers_watch_different_layers_at_once(
    chromium: Chromium, node: RunningNode, room: str, codec: str
) -> None:
    page = await PageDriver(await chromium.tab(), node.url, room=room, identity="ann").open()
    await page.publish(simulcast=True, codec=codec)
    await eventually(page.sent, lambda frames: set(frames) == set(HEIGHTS) and min(frames.values()) > 0)
    calls = [await page.watch("ann"), await page.watch("ann")]
    for call in calls:
        await page.frames_grow(call)
    for wishes in (("q", "f"), ("h", "q"), ("f", "h"), ("f", "f")):
        for call, rid in zip(calls, wishes, strict=True):
            await wish(page, call, rid)
        for call, rid in zip(calls, wishes, strict=True):
            height = HEIGHTS[rid]
            await eventually(
                lambda call=call: page.received(call), lambda now, height=height: now.height == height
            )
        for call in calls:
            await page.frames_grow(call, by=20)
    for call in calls:
        assert (await page.received(call)).packets_lost == 0


async def test_the_page_offers_the_layers_and_fewer_frames(
    chromium: Chromium, node: RunningNode, room: str
) -> None:
    page = await PageDriver(await chromium.tab(), node.url, room=room, identity="ann").open()
    await page.publish(simulcast=True, codec="VP8")
    call = await page.watch("ann")
    await page.frames_grow(call)
    options = "document.querySelectorAll('[data-testid=layer] option')"
    offered = f"[...{options}].map((each) => each.value).filter(Boolean)"
    await eventually(lambda: page.tab.evaluate(offered), lambda rids: sorted(rids) == sorted(HEIGHTS))
    await page.choose("layer", "h")
    await page.choose("temporal", "0")
    fps = f"""(async () => [...(await {call}.pc.getStats()).values()]
      .find((row) => row.type === "inbound-rtp" && row.kind === "video").framesPerSecond)()"""
    await eventually(lambda: page.received(call), lambda now: now.height == HEIGHTS["h"])
    await eventually(lambda: page.tab.evaluate(fps), lambda now: now is not None and 0 < now <= 12)
    await page.choose("temporal", "")
    await eventually(lambda: page.tab.evaluate(fps), lambda now: now is not None and now >= 20)

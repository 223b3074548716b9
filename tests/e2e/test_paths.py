"""Networks lose packets and change addresses; Nodes restart. The people on the page should hardly notice."""

from __future__ import annotations

from pathlib import Path as Directory
from typing import Any

from tests.support.browser import PageDriver
from tests.support.chromium import Chromium
from tests.support.eventually import eventually
from tests.support.node import RunningNode, free_port, running_node
from tests.support.path import path_for

LOSS = 0.03
PUBLICATION = "headwater.publisher.call"


async def video_stats(page: PageDriver, call: str, kind: str) -> Any:
    """The browser's own row for the (first) video stream of a call."""
    return await page.tab.evaluate(
        f"""(async () => [...(await {call}.pc.getStats()).values()]
          .find((row) => row.type === "{kind}" && row.kind === "video"))()"""
    )


async def open_page(chromium: Chromium, node: RunningNode, room: str, identity: str) -> PageDriver:
    return await PageDriver(await chromium.tab(), node.url, room=room, identity=identity).open()


async def test_what_a_viewer_loses_is_sent_again(chromium: Chromium, node: RunningNode, room: str) -> None:
    ann = await open_page(chromium, node, room, "ann")
    ben = await open_page(chromium, node, room, "ben")
    await ann.publish(codec="VP8")
    async with path_for(ben.tab.page, "whep") as path:
        call = await ben.watch("ann")
        await ben.frames_grow(call, by=30)
        before = await video_stats(ben, call, "inbound-rtp")
        path.loss_down = LOSS
        await ben.frames_grow(call, by=150)
        after = await video_stats(ben, call, "inbound-rtp")
    assert path.lost > 0
    assert after["nackCount"] > before["nackCount"]
    assert after["retransmittedPacketsReceived"] > 0
    assert after["keyFramesDecoded"] <= before["keyFramesDecoded"] + 1


async def test_what_a_publisher_loses_is_asked_for_again(
    chromium: Chromium, node: RunningNode, room: str
) -> None:
    ann = await open_page(chromium, node, room, "ann")
    ben = await open_page(chromium, node, room, "ben")
    async with path_for(ann.tab.page, "whip") as path:
        await ann.publish(codec="VP8")
        call = await ben.watch("ann")
        await ben.frames_grow(call, by=30)
        path.loss_up = LOSS
        await ben.frames_grow(call, by=150)
        sent = await video_stats(ann, PUBLICATION, "outbound-rtp")
    assert path.lost > 0
    assert sent["nackCount"] > 0
    assert sent["retransmittedPacketsSent"] > 0


async def test_a_change_of_address_needs_no_new_offer(
    chromium: Chromium, node: RunningNode, room: str
) -> None:
    ann = await open_page(chromium, node, room, "ann")
    ben = await open_page(chromium, node, room, "ben")
    async with path_for(ann.tab.page, "whip") as publishing, path_for(ben.tab.page, "whep") as watching:
        await ann.publish()
        call = await ben.watch("ann")
        await ben.frames_grow(call)
        for page, stay in ((ann, PUBLICATION), (ben, call)):
            await page.tab.evaluate(f"{stay}.pc.beginning = {stay}.pc.currentRemoteDescription.sdp")
        for path in (watching, publishing):
            await path.move()
            await ben.frames_grow(call, by=30)
        for page, stay in ((ann, PUBLICATION), (ben, call)):
            unchanged = f"{stay}.pc.beginning === {stay}.pc.currentRemoteDescription.sdp"
            assert await page.tab.evaluate(unchanged)


async def test_the_page_comes_back_by_itself_after_its_node(
    chromium: Chromium, room: str, tmp_path: Directory
) -> None:
    port = free_port()
    with running_node(tmp_path, port=port) as node:
        ann = await open_page(chromium, node, room, "ann")
        await ann.publish()
        call = await ann.watch("ann")
        await ann.frames_grow(call)
    for stay in (PUBLICATION, call):
        await eventually(
            lambda stay=stay: ann.tab.evaluate(f"{stay}.state"), lambda state: state != "live", within_s=15
        )
    with running_node(tmp_path, port=port):
        for stay in (PUBLICATION, call):
            await ann.state_becomes(stay, "live", within_s=40)
        await ann.frames_grow(call, by=30)

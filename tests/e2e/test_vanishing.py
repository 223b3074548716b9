"""Who goes without a word is gone within 35 seconds, and nobody else notices."""

from __future__ import annotations

import os
import signal

import pytest

from tests.support.browser import PageDriver
from tests.support.chromium import Chromium
from tests.support.eventually import eventually
from tests.support.gstreamer import gstreamer_client
from tests.support.node import RunningNode

pytestmark = pytest.mark.usefixtures("webrtcbin")


async def test_a_viewer_that_vanishes_leaves_the_room(
    chromium: Chromium, node: RunningNode, room: str
) -> None:
    page = await PageDriver(await chromium.tab(), node.url, room=room, identity="ann").open()
    await page.publish(codec="VP8")
    call = await page.watch("ann")
    invitation = node.invite(room, "gst", can_publish=False)

    async def viewers() -> list[str]:
        return sorted(each["identity"] for each in node.room(room)["viewers"])

    async with gstreamer_client("watch", invitation.whep, invitation.token) as client:
        await eventually(client.snapshot, lambda seen: seen["frames"] > 0)
        assert "gst" in await viewers()
        os.kill(client.pid, signal.SIGKILL)
        await eventually(viewers, lambda names: names == ["ann-view-1"], within_s=35)
    assert (await page.frames_grow(call, by=30)).packets_lost == 0


async def test_a_viewer_that_stands_still_costs_the_others_nothing(
    chromium: Chromium, node: RunningNode, room: str
) -> None:
    page = await PageDriver(await chromium.tab(), node.url, room=room, identity="ann").open()
    await page.publish(codec="VP8")
    call = await page.watch("ann")
    invitation = node.invite(room, "gst", can_publish=False)
    async with gstreamer_client("watch", invitation.whep, invitation.token) as client:
        await eventually(client.snapshot, lambda seen: seen["frames"] > 0)
        os.kill(client.pid, signal.SIGSTOP)
        try:
            assert (await page.frames_grow(call, by=90)).packets_lost == 0
        finally:
            os.kill(client.pid, signal.SIGCONT)

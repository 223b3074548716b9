"""GStreamer 1.22 knows only SRTP_AES128_CM_SHA1_80 and no trickle; it publishes and watches all the same."""

from __future__ import annotations

import pytest

from tests.support.browser import PageDriver
from tests.support.chromium import Chromium
from tests.support.eventually import eventually
from tests.support.gstreamer import gstreamer_client
from tests.support.node import RunningNode

pytestmark = pytest.mark.usefixtures("webrtcbin")


async def test_chromium_watches_gstreamer(chromium: Chromium, node: RunningNode, room: str) -> None:
    invitation = node.invite(room, "gst")
    async with gstreamer_client("publish", invitation.whip, invitation.token) as client:
        await eventually(client.connected)
        page = await PageDriver(await chromium.tab(), node.url, room=room, identity="ben").open()
        call = await page.watch("gst")
        await page.unmute()
        assert (await page.frames_grow(call, by=25)).height == 360
        await eventually(lambda: page.received(call), lambda now: now.audio_energy > 0)


async def test_gstreamer_watches_chromium(chromium: Chromium, node: RunningNode, room: str) -> None:
    page = await PageDriver(await chromium.tab(), node.url, room=room, identity="ann").open()
    await page.publish(codec="VP8")
    invitation = node.invite(room, "gst", can_publish=False)
    async with gstreamer_client("watch", invitation.whep, invitation.token) as client:
        await eventually(client.snapshot, lambda seen: seen["frames"] > 25 and seen["width"] > 0)
        await eventually(
            client.snapshot, lambda seen: seen["audio_buffers"] > 50 and seen["loudness_db"] > -60
        )


async def test_gstreamer_watches_gstreamer(node: RunningNode, room: str) -> None:
    there, here = node.invite(room, "a"), node.invite(room, "b", can_publish=False)
    async with (
        gstreamer_client("watch", here.whep, here.token) as viewer,
        gstreamer_client("publish", there.whip, there.token),
    ):
        await eventually(viewer.snapshot, lambda seen: seen["frames"] > 25 and seen["loudness_db"] > -60)

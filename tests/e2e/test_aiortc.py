"""aiortc publishes and watches: a client that is neither a browser nor built on libwebrtc."""

from __future__ import annotations

from tests.support.aiortc_client import AiortcClient, aiortc_client
from tests.support.browser import PageDriver
from tests.support.chromium import Chromium
from tests.support.eventually import eventually
from tests.support.node import RunningNode


def snapshot_of(client: AiortcClient):  # type: ignore[no-untyped-def]
    async def read() -> tuple[int, int, float]:
        return client.frames, client.width, client.audio_energy

    return read


async def test_aiortc_watches_aiortc(node: RunningNode, room: str) -> None:
    there, here = node.invite(room, "a"), node.invite(room, "b", can_publish=False)
    async with (
        aiortc_client(there.whip, there.token, publish=True),
        aiortc_client(here.whep, here.token, publish=False) as viewer,
    ):
        await eventually(snapshot_of(viewer), lambda seen: seen[0] > 20 and seen[1] == 320 and seen[2] > 0)


async def test_aiortc_watches_chromium_and_chromium_watches_aiortc(
    chromium: Chromium, node: RunningNode, room: str
) -> None:
    page = await PageDriver(await chromium.tab(), node.url, room=room, identity="chrome").open()
    await page.publish(codec="VP8")
    there, here = node.invite(room, "a"), node.invite(room, "b", can_publish=False)
    async with (
        aiortc_client(there.whip, there.token, publish=True),
        aiortc_client(f"{here.whep}?participant=chrome", here.token, publish=False) as viewer,
    ):
        await eventually(snapshot_of(viewer), lambda seen: seen[0] > 20 and seen[2] > 0)
        call = await page.watch("a")
        assert (await page.frames_grow(call)).width == 320

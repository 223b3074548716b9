"""The portable crypto back end serves the same clients: AES-GCM for browsers, AES-CM with SHA-1 for GStreamer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.browser import PageDriver
from tests.support.chromium import Chromium
from tests.support.eventually import eventually
from tests.support.gstreamer import gstreamer_client
from tests.support.node import RunningNode, running_node


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with running_node(tmp_path_factory.mktemp("node"), "--crypto", "openssl") as running:
        yield running


@pytest.mark.usefixtures("webrtcbin")
async def test_openssl_alone_is_enough(chromium: Chromium, node: RunningNode, room: str) -> None:
    assert {worker["crypto"] for worker in node.overview()["workers"]} == {"openssl"}
    page = await PageDriver(await chromium.tab(), node.url, room=room, identity="ann").open()
    await page.publish(codec="VP8")
    call = await page.watch("ann")
    invitation = node.invite(room, "gst", can_publish=False)
    async with gstreamer_client("watch", invitation.whep, invitation.token) as client:
        await eventually(client.snapshot, lambda seen: seen["frames"] > 25 and seen["loudness_db"] > -60)
    assert (await page.frames_grow(call)).packets_lost == 0
    used = f"""(async () => [...(await {call}.pc.getStats()).values()]
      .find((row) => row.type === "transport").srtpCipher)()"""
    assert "GCM" in await page.tab.evaluate(used)

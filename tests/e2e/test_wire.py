"""What clients of a Node decrypt is well-formed RTP and RTCP in the eyes of Wireshark."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.aiortc_client import aiortc_client
from tests.support.browser import PageDriver
from tests.support.chromium import Chromium
from tests.support.eventually import eventually
from tests.support.node import RunningNode
from tests.support.pcap import dissect, write_capture

FAULTS = "_ws.malformed || _ws.expert.severity >= 6291456 || (rtp && rtp.version != 2)"
SENDER_REPORT, RECEIVER_REPORT = "200", "201"


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
async def test_tshark_finds_nothing_malformed(
    chromium: Chromium, node: RunningNode, room: str, tmp_path: Path
) -> None:
    viewed: list[tuple[bool, bytes]] = []
    published: list[tuple[bool, bytes]] = []
    page = await PageDriver(await chromium.tab(), node.url, room=room, identity="chrome").open()
    await page.publish(codec="VP8", simulcast=True)
    there, here = node.invite(room, "a"), node.invite(room, "b", can_publish=False)
    async with (
        aiortc_client(there.whip, there.token, publish=True, tap=lambda *packet: published.append(packet)),
        aiortc_client(
            f"{here.whep}?participant=chrome", here.token, publish=False, tap=lambda *p: viewed.append(p)
        ),
    ):
        call = await page.watch("a")
        await page.frames_grow(call, by=60)

        async def reports() -> tuple[int, int, int]:
            return len(viewed), sum(is_rtcp for is_rtcp, _ in viewed), len(published)

        await eventually(reports, lambda seen: seen[0] > 500 and seen[1] > 4 and seen[2] > 4)
    for name, packets, wanted in (
        ("viewer", viewed, SENDER_REPORT),
        ("publisher", published, RECEIVER_REPORT),
    ):
        capture = tmp_path / f"{name}.pcap"
        write_capture(capture, packets)
        assert dissect(capture, FAULTS, "frame.number", "_ws.expert.message") == []
        assert len(dissect(capture, "rtp || rtcp", "frame.number")) == len(packets)
        kinds = {kind for row in dissect(capture, "rtcp", "rtcp.pt") for kind in row["rtcp.pt"]}
        assert wanted in kinds

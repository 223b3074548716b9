"""Under load the packets of a frame leave as one GSO run, padded to one size; browsers decode them all the same."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.support.browser import PageDriver
from tests.support.chromium import Chromium
from tests.support.eventually import eventually
from tests.support.firefox import Firefox
from tests.support.node import RunningNode, running_node

ALWAYS = "0"
COUNTED = ("datagrams", "messages")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with running_node(tmp_path_factory.mktemp("node"), "--hold-above", ALWAYS, workers=1) as running:
        yield running


def sent_so_far(node: RunningNode) -> tuple[int, int]:
    """Datagrams, and messages to the kernel that carried them."""
    metrics = node.get_text("/metrics")
    found = (re.search(rf"^headwater_worker_{name}_out_total\S* (\S+)$", metrics, re.M) for name in COUNTED)
    datagrams, messages = (int(float(match[1])) for match in found if match)
    return datagrams, messages


async def test_browsers_decode_padded_runs(
    chromium: Chromium, firefox: Firefox, node: RunningNode, room: str
) -> None:
    ann = await PageDriver(await chromium.tab(), node.url, room=room, identity="ann").open()
    await ann.publish(codec="VP8", simulcast=True)
    viewers = {
        page: await page.watch("ann")
        for page in (ann, await PageDriver(await firefox.tab(), node.url, room=room, identity="fox").open())
    }
    for page, call in viewers.items():
        await page.frames_grow(call)
        await page.tab.evaluate(f"{call}.select({{rid: 'f'}})")
        await eventually(lambda page=page, call=call: page.received(call), lambda now: now.height == 720)
    before = sent_so_far(node)
    for page, call in viewers.items():
        grown = await page.frames_grow(call, by=120)
        assert (grown.height, grown.packets_lost) == (720, 0)
    datagrams, messages = (now - then for now, then in zip(sent_so_far(node), before, strict=True))
    assert messages * 2 < datagrams

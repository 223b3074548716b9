"""Firefox publishes and watches, alone and together with Chromium."""

from __future__ import annotations

from tests.support.browser import PageDriver
from tests.support.chromium import Chromium
from tests.support.eventually import eventually
from tests.support.firefox import Firefox
from tests.support.node import RunningNode


async def test_firefox_and_chromium_watch_each_other(
    firefox: Firefox, chromium: Chromium, node: RunningNode, room: str
) -> None:
    fox = await PageDriver(await firefox.tab(), node.url, room=room, identity="fox").open()
    chrome = await PageDriver(await chromium.tab(), node.url, room=room, identity="chrome").open()
    for page in (fox, chrome):
        await page.publish()
    for page, whom in ((fox, "chrome"), (chrome, "fox")):
        call = await page.watch(whom)
        await page.unmute()
        await page.frames_grow(call, by=30)
        await eventually(
            lambda page=page, call=call: page.received(call),
            lambda now: now.audio_energy > 0 and now.audio_packets > 0,
        )


async def test_firefox_sends_simulcast(
    firefox: Firefox, chromium: Chromium, node: RunningNode, room: str
) -> None:
    fox = await PageDriver(await firefox.tab(), node.url, room=room, identity="fox").open()
    await fox.publish(simulcast=True)
    chrome = await PageDriver(await chromium.tab(), node.url, room=room, identity="chrome").open()
    calls = {rid: await chrome.watch("fox") for rid in ("q", "h")}
    for call in calls.values():
        await chrome.frames_grow(call)
    for rid, call in calls.items():
        await chrome.tab.evaluate(f"{call}.select({{rid: '{rid}'}})")

    async def heights() -> list[int]:
        return [(await chrome.received(call)).height for call in calls.values()]

    await eventually(heights, lambda now: now[0] > 0 and now[1] == 2 * now[0])
    for call in calls.values():
        await chrome.frames_grow(call, by=20)


async def test_firefox_talks_with_chromium(
    firefox: Firefox, chromium: Chromium, node: RunningNode, room: str
) -> None:
    fox = await PageDriver(await firefox.tab(), node.url, room=room, identity="fox").open()
    chrome = await PageDriver(await chromium.tab(), node.url, room=room, identity="chrome").open()
    calls = {page: await page.talk() for page in (fox, chrome)}
    for page, call in calls.items():
        await eventually(lambda page=page, call=call: page.received(call), lambda now: now.audio_energy > 0)

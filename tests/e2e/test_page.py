"""What a newcomer sees: open the page, publish a camera and a microphone, watch, talk."""

from __future__ import annotations

from pathlib import Path

from tests.support.browser import PageDriver
from tests.support.chromium import Chromium
from tests.support.eventually import eventually
from tests.support.node import RunningNode

FULL_HEIGHT = 720


async def open_page(chromium: Chromium, node: RunningNode, room: str, identity: str) -> PageDriver:
    return await PageDriver(await chromium.tab(), node.url, room=room, identity=identity).open()


async def test_a_viewer_sees_and_hears_the_publisher(
    chromium: Chromium, node: RunningNode, room: str
) -> None:
    ann = await open_page(chromium, node, room, "ann")
    await ann.publish()
    ben = await open_page(chromium, node, room, "ben")
    call = await ben.watch("ann")
    await ben.unmute()
    await ben.frames_grow(call, by=30)
    sharp = await eventually(lambda: ben.received(call), lambda now: now.height == FULL_HEIGHT)
    assert sharp.width * 9 == sharp.height * 16
    assert (await eventually(lambda: ben.received(call), lambda now: now.audio_energy > 0)).packets_lost == 0


async def test_every_codec_of_the_browser_is_forwarded(
    chromium: Chromium, node: RunningNode, room: str
) -> None:
    for codec in ("VP8", "H264", "VP9", "AV1"):
        where = f"{room}-{codec}"
        ann = await open_page(chromium, node, where, "ann")
        await ann.publish(codec=codec)
        call = await ann.watch("ann")
        await ann.frames_grow(call)
        used = f"""(async () => {{
          const report = await {call}.pc.getStats();
          const received = [...report.values()].filter((row) => row.type === "inbound-rtp");
          return report.get(received.find((row) => row.kind === "video").codecId).mimeType;
        }})()"""
        assert await ann.tab.evaluate(used) == f"video/{codec}"
        await ann.click("publish-stop")


async def test_two_people_talk(chromium: Chromium, node: RunningNode, room: str) -> None:
    ann = await open_page(chromium, node, room, "ann")
    ben = await open_page(chromium, node, room, "ben")
    calls = {page: await page.talk() for page in (ann, ben)}
    for page, call in calls.items():
        await eventually(lambda page=page, call=call: page.received(call), lambda now: now.audio_energy > 0)


async def test_nobody_hears_themselves(chromium: Chromium, node: RunningNode, room: str) -> None:
    ann = await open_page(chromium, node, room, "ann")
    ben = await open_page(chromium, node, room, "ben")
    alone = await ann.talk()
    sent = f"""(async () => [...(await {alone}.pc.getStats()).values()]
      .find((row) => row.type === "outbound-rtp").packetsSent)()"""
    await eventually(lambda: ann.tab.evaluate(sent), lambda packets: packets > 100)
    assert (await ann.received(alone)).audio_packets == 0
    call = await ben.talk()
    await eventually(lambda: ben.received(call), lambda now: now.audio_energy > 0)
    await eventually(lambda: ann.received(alone), lambda now: now.audio_energy > 0)


async def test_a_viewer_may_come_before_its_publisher(
    chromium: Chromium, node: RunningNode, room: str
) -> None:
    ben = await open_page(chromium, node, room, "ben")
    call = await ben.watch()
    await ben.state_becomes(call, "live")
    assert (await ben.received(call)).frames == 0
    ann = await open_page(chromium, node, room, "ann")
    await ann.publish()
    await ben.frames_grow(call)


async def test_a_viewer_keeps_its_call_while_the_publisher_leaves_and_returns(
    chromium: Chromium, node: RunningNode, room: str
) -> None:
    ann = await open_page(chromium, node, room, "ann")
    ben = await open_page(chromium, node, room, "ben")
    await ann.publish()
    call = await ben.watch("ann")
    await ben.frames_grow(call)
    await ben.tab.evaluate(f"{call}.pc.beginning = true")

    await ann.click("publish-stop")
    await eventually(lambda: ben.tab.evaluate(f"{call}.active"), lambda active: active is False)
    still = await ben.received(call)
    await ann.publish()
    await ben.frames_grow(call, by=30)

    assert await ben.tab.evaluate(f"{call}.pc.beginning")
    assert (await ben.received(call)).packets_lost <= still.packets_lost


async def test_media_goes_on_through_an_ice_restart(chromium: Chromium, node: RunningNode, room: str) -> None:
    ann = await open_page(chromium, node, room, "ann")
    await ann.publish()
    call = await ann.watch("ann")
    await ann.frames_grow(call)
    publishing = "headwater.publisher.call"
    for restarting in (publishing, call):
        ufrag = f"{restarting}.pc.currentRemoteDescription.sdp.match(/ice-ufrag:(.*)/)[1]"
        before = await ann.tab.evaluate(ufrag)
        await ann.tab.evaluate(f"({restarting}.pc.beginning = true, {restarting}.restartIce())")
        await eventually(lambda u=ufrag: ann.tab.evaluate(u), lambda now, b=before: now != b)
        await ann.state_becomes(restarting, "live")
        await ann.frames_grow(call, by=30)
        assert await ann.tab.evaluate(f"{restarting}.pc.beginning")


async def test_one_page_watches_several_times(chromium: Chromium, node: RunningNode, room: str) -> None:
    ann = await open_page(chromium, node, room, "ann")
    await ann.publish()
    calls = [await ann.watch("ann") for _ in range(4)]
    for call in calls:
        await ann.frames_grow(call)
    await ann.click("close")
    left = await eventually(
        lambda: ann.tab.evaluate("document.querySelectorAll('[data-testid=viewer]').length"),
        lambda number: number == len(calls) - 1,
    )
    assert left == await ann.tab.evaluate("headwater.viewers.size")

    async def viewers() -> int:
        return len(node.room(room)["viewers"])

    await eventually(viewers, lambda number: number == left)


async def test_closing_the_page_leaves_the_room(chromium: Chromium, node: RunningNode, room: str) -> None:
    ann = await open_page(chromium, node, room, "ann")
    await ann.publish()
    await ann.tab.page.close(run_before_unload=False)

    async def publishers() -> list[str]:
        here = node.room(room)
        return [each["identity"] for each in here["publishers"]] if here else []

    await eventually(publishers, lambda names: names == [], within_s=5)


async def test_the_page_shows_what_runs(
    chromium: Chromium, node: RunningNode, room: str, tmp_path: Path
) -> None:
    ann = await open_page(chromium, node, room, "ann")
    await ann.publish(simulcast=True)
    await ann.frames_grow(await ann.watch("ann"))
    for kind in ("node", "worker", "publisher", "viewer"):
        shown = f"document.querySelectorAll('[data-testid=picture-{kind}]').length"
        await eventually(lambda shown=shown: ann.tab.evaluate(shown))
    for what in (".stream.flows", "[data-testid=stats] td"):
        await eventually(
            lambda what=what: ann.tab.evaluate(f"document.querySelectorAll('{what}').length > 1")
        )
    for scheme in ("light", "dark"):
        await ann.tab.page.emulate_media(color_scheme=scheme)
        await ann.tab.page.screenshot(path=tmp_path / f"{scheme}.png", full_page=True)
    assert ann.tab.errors == []


async def test_a_refusal_is_shown_with_its_reason(chromium: Chromium, node: RunningNode, room: str) -> None:
    ann = await open_page(chromium, node, room, "ann")
    await ann.tab.evaluate("document.querySelector('[data-testid=room]').value = 'no/such room\\u0000'")
    await ann.click("watch-start")
    shown = "document.querySelector('[data-testid=viewer] [data-testid=problem]').textContent"
    await eventually(lambda: ann.tab.evaluate(shown))
    assert await ann.tab.evaluate("[...headwater.viewers][0].call.state") == "refused"

"""What tests ask of a browser tab, whichever browser it is, and the questions they ask of the page in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

from tests.support.eventually import eventually


class Tab(Protocol):
    """One tab. `evaluate` awaits a JavaScript expression and returns its JSON value."""

    async def open(self, url: str) -> None: ...
    async def evaluate(self, expression: str) -> Any: ...


@dataclass(frozen=True)
class Received:
    """Inbound media of one call as getStats tells it."""

    frames: int
    width: int
    height: int
    audio_energy: float
    audio_packets: int
    packets_lost: int


RECEIVED = """
(async (call) => {
  const all = call?.pc ? [...(await call.pc.getStats()).values()] : [];
  const rows = all.filter((row) => row.type === "inbound-rtp");
  const video = rows.find((row) => row.kind === "video") ?? {};
  const audio = rows.find((row) => row.kind === "audio") ?? {};
  return {
    frames: video.framesDecoded ?? 0,
    width: video.frameWidth ?? 0,
    height: video.frameHeight ?? 0,
    audio_energy: audio.totalAudioEnergy ?? 0,
    audio_packets: audio.packetsReceived ?? 0,
    packets_lost: (video.packetsLost ?? 0) + (audio.packetsLost ?? 0),
  };
})(%s)
"""

SENT = """
(async (call) => {
  const rows = call?.pc ? [...(await call.pc.getStats()).values()] : [];
  return Object.fromEntries(rows
    .filter((row) => row.type === "outbound-rtp" && row.kind === "video")
    .map((row) => [row.rid ?? "", row.framesEncoded ?? 0]));
})(%s)
"""


class PageDriver:
    """The demo page in one tab, driven as a person would: by its controls."""

    def __init__(self, tab: Tab, url: str, *, room: str, identity: str) -> None:
        self.tab = tab
        self._url = f"{url}/?{urlencode({'room': room, 'identity': identity})}"

    async def open(self) -> PageDriver:
        """Loads the page and waits until its script has run."""
        await self.tab.open(self._url)
        await eventually(lambda: self.tab.evaluate("Boolean(window.headwater)"))
        return self

    async def publish(self, *, source: str = "camera", simulcast: bool = False, codec: str = "") -> None:
        """Publishes and waits until the call is live."""
        await self.choose("source", source)
        await self.choose("codec", codec)
        await self.tab.evaluate(f"{by_id('simulcast')}.checked = {json.dumps(simulcast)}")
        await self.click("publish-start")
        await self.state_becomes("headwater.publisher.call", "live")

    async def watch(self, participant: str = "") -> str:
        """Adds a viewer; returns the JavaScript expression for its call. Does not wait for media."""
        if participant:
            found = f"[...{by_id('participant')}.options].some((o) => o.value === {json.dumps(participant)})"
            await eventually(lambda: self.tab.evaluate(found))
            await self.choose("participant", participant)
        before = await self.tab.evaluate("headwater.viewers.size")
        await self.click("watch-start")
        return f"[...headwater.viewers][{before}].call"

    async def talk(self) -> str:
        """Talks; returns the JavaScript expression for the call once it is live."""
        await self.click("talk-start")
        await self.state_becomes("headwater.talker.call", "live")
        return "headwater.talker.call"

    async def unmute(self) -> None:
        """Lets every player sound; browsers may not decode what is muted."""
        await self.tab.evaluate(
            "document.querySelectorAll('video').forEach((v) => { v.muted = v.id === 'preview' })"
        )

    async def received(self, call: str) -> Received:
        """What the call has received so far."""
        return Received(**await self.tab.evaluate(RECEIVED % call))

    async def sent(self, call: str = "headwater.publisher.call") -> dict[str, int]:
        """Encoded frames by rid."""
        frames: dict[str, int] = await self.tab.evaluate(SENT % call)
        return frames

    async def state_becomes(self, call: str, state: str, *, within_s: float = 20.0) -> None:
        """Waits for a call's state; the AssertionError says what the page complains about."""
        try:
            await eventually(
                lambda: self.tab.evaluate(f"{call}?.state"), lambda now: now == state, within_s=within_s
            )
        except AssertionError as error:
            raise AssertionError(f"{error}; the page says {await self.complaints()}") from None

    async def complaints(self) -> list[str]:
        """The problems that the page shows now."""
        shown: list[str] = await self.tab.evaluate(
            "[...document.querySelectorAll('[data-testid=problem]:not([hidden])')].map((each) => each.textContent)"
        )
        return shown

    async def frames_grow(self, call: str, *, by: int = 15, within_s: float = 20.0) -> Received:
        """Waits until that many more frames have been decoded."""
        start = (await self.received(call)).frames
        return await eventually(
            lambda: self.received(call), lambda now: now.frames >= start + by, within_s=within_s
        )

    async def choose(self, testid: str, value: str) -> None:
        """Picks an option of a select."""
        await self.tab.evaluate(
            f"(({by_id(testid)}).value = {json.dumps(value)}, "
            f"{by_id(testid)}.dispatchEvent(new Event('change', {{bubbles: true}})))"
        )

    async def click(self, testid: str) -> None:
        """Clicks a control."""
        await self.tab.evaluate(f"{by_id(testid)}.click()")


def by_id(testid: str) -> str:
    """The JavaScript expression for an element with that data-testid."""
    return f"document.querySelector({json.dumps(f'[data-testid={testid}]')})"

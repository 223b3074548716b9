"""Browsers take our answers as they are, and end up with the directions and RIDs that we agreed to."""

from __future__ import annotations

import json

import pytest

from sfu.rtc.negotiate import negotiate
from sfu.rtc.parameters import Intent, NegotiatedSession
from tests.support.browser import Tab
from tests.support.chromium import Chromium
from tests.support.firefox import Firefox
from tests.support.offers import LOCAL, terms

OFFER = """
(async (direction, rids) => {
  const pc = window.pc = new RTCPeerConnection({bundlePolicy: "max-bundle"});
  const sends = direction !== "recvonly";
  const audio = new AudioContext().createMediaStreamDestination().stream.getTracks()[0];
  const canvas = Object.assign(document.createElement("canvas"), {width: 1280, height: 720});
  canvas.getContext("2d").fillRect(0, 0, 9, 9);
  const video = canvas.captureStream(30).getTracks()[0];
  const sendEncodings = rids.map((rid, index) => ({rid, scaleResolutionDownBy: 2 ** index}));
  pc.addTransceiver(sends ? audio : "audio", {direction});
  pc.addTransceiver(sends ? video : "video", rids.length ? {direction, sendEncodings} : {direction});
  await pc.setLocalDescription();
  return pc.localDescription.sdp;
})(%s, %s)
"""

ANSWER = """
(async (sdp) => {
  await pc.setRemoteDescription({type: "answer", sdp});
  const state = pc.signalingState;
  const transceivers = pc.getTransceivers().map((transceiver) => ({
    direction: transceiver.currentDirection,
    rids: transceiver.sender.getParameters().encodings.map((encoding) => encoding.rid ?? null),
  }));
  pc.close();
  return {state, transceivers};
})(%s)
"""

PURPOSES: list[tuple[Intent, str, list[str]]] = [
    ("publish", "sendonly", []),
    ("publish", "sendonly", ["h", "m", "l"]),
    ("subscribe", "recvonly", []),
    ("talk", "sendrecv", []),
]


async def exchange(tab: Tab, intent: Intent, direction: str, rids: list[str]) -> NegotiatedSession:
    """One offer and our answer to it; the browser must agree with what we think was agreed."""
    offer = await tab.evaluate(OFFER % (json.dumps(direction), json.dumps(rids)))
    session = negotiate(offer, LOCAL, terms(intent))
    outcome = await tab.evaluate(ANSWER % json.dumps(session.answer))
    assert outcome["state"] == "stable"
    for section, transceiver in zip(session.sections, outcome["transceivers"], strict=True):
        assert transceiver["direction"] == section.direction.mirrored
    assert [rid for rid in outcome["transceivers"][1]["rids"] if rid] == rids
    return session


@pytest.mark.parametrize(("intent", "direction", "rids"), PURPOSES)
async def test_chromium_takes_the_answer(
    chromium: Chromium, intent: Intent, direction: str, rids: list[str]
) -> None:
    session = await exchange(await chromium.tab(), intent, direction, rids)
    assert [encoding.rid for encoding in session.sections[1].encodings if encoding.rid] == rids[::-1]


async def test_firefox_takes_the_answers(firefox: Firefox) -> None:
    tab = await firefox.tab()
    for intent, direction, rids in PURPOSES:
        session = await exchange(tab, intent, direction, rids)
        assert [encoding.rid for encoding in session.sections[1].encodings if encoding.rid] == rids[::-1]

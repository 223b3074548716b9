"""The page's pure modules, asked in a browser: SDP fragments, the picture's layout, problem documents."""

from __future__ import annotations

import json
from typing import Any

from tests.support.chromium import Chromium, ChromiumTab
from tests.support.node import RunningNode

ANSWER = """v=0\r
o=- 1 1 IN IP4 127.0.0.1\r
s=-\r
t=0 0\r
a=group:BUNDLE 0 1\r
a=ice-lite\r
a=ice-ufrag:old\r
a=ice-pwd:oldoldoldoldoldoldoldold\r
m=audio 9 UDP/TLS/RTP/SAVPF 111\r
c=IN IP4 0.0.0.0\r
a=candidate:1 1 udp 1 192.0.2.1 1000 typ host\r
a=end-of-candidates\r
a=mid:0\r
m=video 9 UDP/TLS/RTP/SAVPF 96\r
c=IN IP4 0.0.0.0\r
a=mid:1\r
"""
FRAGMENT = """a=ice-lite\r
a=ice-ufrag:new\r
a=ice-pwd:newnewnewnewnewnewnewnew\r
m=audio 9 UDP/TLS/RTP/SAVPF 0\r
a=mid:0\r
a=candidate:1 1 udp 1 192.0.2.1 2000 typ host\r
a=end-of-candidates\r
"""


async def ask(tab: ChromiumTab, module: str, call: str, *values: object) -> Any:
    arguments = ", ".join(json.dumps(value) for value in values)
    return await tab.evaluate(f"import('/{module}').then((module) => module.{call}({arguments}))")


async def test_an_ice_restart_changes_nothing_but_ice(chromium: Chromium, node: RunningNode) -> None:
    tab = await chromium.tab()
    await tab.open(node.url)
    restarted = (await ask(tab, "fragment.js", "restarted", ANSWER, FRAGMENT)).splitlines()
    assert "old" not in "".join(restarted)
    assert restarted.count("a=ice-ufrag:new") == 2
    assert restarted.count("a=candidate:1 1 udp 1 192.0.2.1 2000 typ host") == 2

    def without_ice(lines: list[str]) -> list[str]:
        ice = ("a=ice-ufrag", "a=ice-pwd", "a=candidate", "a=end-of-candidates")
        return [line for line in lines if not line.startswith(ice)]

    assert without_ice(restarted) == without_ice(ANSWER.splitlines())


async def test_the_picture_stays_small_however_many_watch(chromium: Chromium, node: RunningNode) -> None:
    tab = await chromium.tab()
    await tab.open(node.url)
    overview = node.overview()
    viewers = [
        {"identity": f"v{i}", "sid": f"PA_{i}", "worker": 0, "state": "connected", "subscriptions": []}
        for i in range(1000)
    ]
    overview["rooms"] = [{"name": "big", "sid": "RM_big", "publishers": [], "viewers": viewers}]
    picture = await ask(tab, "layout.js", "layout", overview)
    shown = [box for box in picture["boxes"] if box["kind"] == "viewer"]
    assert len(shown) < 20
    assert shown[-1]["title"] == f"{len(viewers) - len(shown) + 1} more viewers"
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= picture["width"] for box in picture["boxes"])
    assert all(box["y"] >= 0 and box["y"] + box["height"] <= picture["height"] for box in picture["boxes"])


async def test_a_refusal_without_a_problem_document_still_says_something(
    chromium: Chromium, node: RunningNode
) -> None:
    tab = await chromium.tab()
    await tab.open(node.url)
    tell = """import('/problem.js').then(async ({ Problem }) => {
      const response = new Response("<h1>Bad Gateway</h1>", { status: 502, statusText: "Bad Gateway" });
      const problem = await Problem.from(response);
      return [problem.title, problem.temporary];
    })"""
    assert await tab.evaluate(tell) == ["502 Bad Gateway", True]

"""One Node for all tests of a module; a browser for each test; every test has Rooms of its own."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support import chromium as chromium_browser
from tests.support import firefox as firefox_browser
from tests.support import gstreamer
from tests.support.chromium import Chromium, running_chromium
from tests.support.firefox import Firefox, running_firefox
from tests.support.node import RunningNode, running_node

HERE = Path(__file__).parent
FAULTS = {
    "auth_failed",
    "late",
    "no_keys",
    "not_classified",
    "punt_full",
    "replayed",
    "ring_full",
    "rtcp_malformed",
    "rtp_malformed",
    "rtp_unknown_pt",
    "rtx_malformed",
    "send_buffer_full",
    "send_failed",
    "stun_bad_fingerprint",
    "stun_bad_integrity",
    "stun_malformed",
    "subscription_no_codec",
    "too_large",
    "too_many_ssrcs",
}
"""Drops that mean, with real clients on loopback, that one side misunderstands the other."""
_rooms = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A Node that in the end has dropped nothing it should have understood."""
    with running_node(tmp_path_factory.mktemp("node")) as running:
        yield running
        dropped = {reason for worker in running.overview()["workers"] for reason in worker["drops"]}
        assert not dropped & FAULTS


@pytest.fixture
def room() -> str:
    return f"room-{next(_rooms)}"


@pytest_asyncio.fixture
async def chromium() -> AsyncIterator[Chromium]:
    if not chromium_browser.EXECUTABLE.exists():
        pytest.skip(f"{chromium_browser.EXECUTABLE} is not installed")
    async with running_chromium() as browser:
        yield browser


@pytest_asyncio.fixture
async def firefox(tmp_path: Path) -> AsyncIterator[Firefox]:
    if not firefox_browser.EXECUTABLE.exists():
        pytest.skip(f"{firefox_browser.EXECUTABLE} is not installed")
    async with running_firefox(tmp_path) as browser:
        yield browser


@pytest.fixture(scope="session")
def webrtcbin() -> None:
    if reason := gstreamer.missing():
        pytest.skip(reason)

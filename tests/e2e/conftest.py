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
_rooms = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with running_node(tmp_path_factory.mktemp("node")) as running:
        yield running


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

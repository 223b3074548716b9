"""Debian's Chromium, headless, with its fake camera and microphone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

EXECUTABLE = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--use-fake-device-for-media-stream=fps=30",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
)


class ChromiumTab:
    """A Tab (see browser.py). What the page throws is kept in `errors`."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    async def open(self, url: str) -> None:
        await self.page.goto(url)

    async def evaluate(self, expression: str) -> Any:
        return await self.page.evaluate(f"async () => await ({expression})")


class Chromium:
    """One browser process; tabs live in contexts of their own."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    async def tab(self, **context: Any) -> ChromiumTab:
        """A new tab."""
        return ChromiumTab(await self._browser.new_page(**context))


@asynccontextmanager
async def running_chromium() -> AsyncIterator[Chromium]:
    """Starts the browser and closes it at the end."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(EXECUTABLE), args=list(FLAGS))
        try:
            yield Chromium(browser)
        finally:
            await browser.close()

"""GStreamer's webrtcbin as a WHIP or WHEP client, in a process of the system's Python."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Literal

PYTHON = Path("/usr/bin/python3")
SCRIPT = Path(__file__).with_name("gstreamer_client.py")


def missing() -> str:
    """What keeps the client from running here; empty when nothing does."""
    if not PYTHON.exists():
        return f"{PYTHON} is not installed"
    needs = "import gi; gi.require_version('GstWebRTC', '1.0'); from gi.repository import GstWebRTC"
    return (
        "" if subprocess.run([PYTHON, "-c", needs], capture_output=True).returncode == 0 else "no webrtcbin"
    )


class GstreamerClient:
    """What the process has said so far."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.seen: dict[str, Any] = {"frames": 0, "audio_buffers": 0, "loudness_db": -120.0}
        self.states: list[str] = []
        self.errors: list[str] = []

    async def read(self, stdout: asyncio.StreamReader) -> None:
        """Follows the process until it ends."""
        async for line in stdout:
            news = json.loads(line)
            if "state" in news:
                self.states.append(news["state"])
            elif "error" in news:
                self.errors.append(line.decode())
            else:
                self.seen = news

    async def snapshot(self) -> dict[str, Any]:
        """The latest figures; AssertionError once the client has complained."""
        assert not self.errors, self.errors
        return self.seen

    async def connected(self) -> bool:
        """Whether ICE and DTLS are up."""
        assert not self.errors, self.errors
        return "connected" in self.states


@asynccontextmanager
async def gstreamer_client(
    role: Literal["publish", "watch"], endpoint: str, token: str
) -> AsyncIterator[GstreamerClient]:
    """Runs the client; at the end it leaves its Room."""
    process = await asyncio.create_subprocess_exec(
        *(str(PYTHON), str(SCRIPT), role, endpoint, token),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    client = GstreamerClient(process.pid)
    reader = asyncio.create_task(client.read(process.stdout))
    try:
        yield client
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        await reader

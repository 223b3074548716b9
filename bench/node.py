"""A Node to measure: `headwater up` in a process of its own, on free ports of loopback."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

ROOT = Path(__file__).parents[1]
START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 10.0


class NodeError(Exception):
    """The Node did not start; the text ends with the last line of its log."""


@dataclass(frozen=True, slots=True)
class MeasuredNode:
    """Where it answers and which process it is."""

    url: str
    pid: int

    def rss_bytes(self) -> int:
        """Resident memory of the process."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def running_node(
    *flags: str, workers: int = 1, environment: Mapping[str, str] | None = None
) -> AsyncIterator[MeasuredNode]:
    """Starts a Node, waits until it is ready, and ends it afterwards."""
    port = free_port()
    command = [sys.executable, "-m", "headwater_cli", "up", "--listen", f"127.0.0.1:{port}"]
    command += ["--media-port", "0", "--workers", str(workers), *flags]
    with tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=log, stderr=log, cwd=ROOT, env={**os.environ, **(environment or {})}
        )
        try:
            node = MeasuredNode(f"http://127.0.0.1:{port}", process.pid)
            try:
                await _until_ready(node, process)
            except NodeError as error:
                log.seek(0)
                words = log.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
                raise NodeError(f"{error}: {words[-1][:300]}") from None
            yield node
        finally:
            await _stop(process)


def free_port() -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _until_ready(node: MeasuredNode, process: asyncio.subprocess.Process) -> None:
    deadline = asyncio.get_running_loop().time() + START_TIMEOUT_S
    async with aiohttp.ClientSession() as session:
        while asyncio.get_running_loop().time() < deadline:
            if process.returncode is not None:
                raise NodeError(f"the Node ended with {process.returncode}")
            try:
                async with session.get(f"{node.url}/readyz") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)
    raise NodeError("the Node did not become ready")


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Twice SIGTERM is at once, without draining."""
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        process.send_signal(number)
        try:
            await asyncio.wait_for(process.wait(), 0.5 if number is signal.SIGTERM else STOP_TIMEOUT_S)
        except TimeoutError:
            continue

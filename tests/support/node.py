"""A Node as users start it: `headwater up` in a process of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Invitation:
    """What `POST /demo/token` answers; URLs are absolute."""

    token: str
    whip: str
    whep: str
    talk: str


@dataclass(frozen=True)
class RunningNode:
    """Where the process answers and where it logs."""

    url: str
    pid: int
    log: Path

    def invite(self, room: str, identity: str, *, can_publish: bool = True) -> Invitation:
        """A token for one Participant."""
        answer = self.post_json(
            "/demo/token", {"room": room, "identity": identity, "can_publish": can_publish}
        )
        urls = {door: urljoin(self.url, url) for door, url in answer["urls"].items()}
        return Invitation(answer["token"], urls["whip"], urls["whep"], urls["talk"])

    def overview(self) -> Any:
        """`GET /demo/overview`, see sfu/node/overview.py."""
        return self.get_json("/demo/overview")

    def room(self, name: str) -> Any:
        """One Room of the overview, or None."""
        return next((room for room in self.overview()["rooms"] if room["name"] == name), None)

    def get_json(self, path: str) -> Any:
        return json.loads(self.get_text(path))

    def get_text(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=10) as response:
            text: str = response.read().decode()
            return text

    def post_json(self, path: str, body: object) -> Any:
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)


@contextmanager
def running_node(directory: Path, *flags: str, workers: int = 2, port: int = 0) -> Iterator[RunningNode]:
    """Starts `headwater up`, by default on free ports; waits for /readyz. At the end it must stop by itself."""
    port = port or free_port()
    log = directory / "node.log"
    command = [sys.executable, "-m", "headwater_cli", "up"]
    command += ["--listen", f"127.0.0.1:{port}", "--media-port", "0", "--workers", str(workers), *flags]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT)
    try:
        node = RunningNode(f"http://127.0.0.1:{port}", process.pid, log)
        _wait_until_ready(node, process)
        yield node
    finally:
        _stop(process)


def free_port() -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(node: RunningNode, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(node.url + "/readyz", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise AssertionError(f"headwater up did not get ready:\n{node.log.read_text()[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM drains, the second one stops at once."""
    for _ in range(2):
        if process.poll() is None:
            os.kill(process.pid, signal.SIGTERM)
            time.sleep(0.1)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError("headwater up did not stop on SIGTERM") from None

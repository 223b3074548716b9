"""Janus (Debian's package) under the same load: its configuration, its process and its way in.

The best configuration found: one event loop for each core (by default every handle has a thread of its own),
ICE-lite, plain videoroom, no extensions that it would have to parse, nothing recorded or logged. Janus never
gathers loopback candidates, so it needs the interface that `bench.peers.namespace` makes.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

from bench.load.doors import Admission, DoorError
from bench.load.offers import LocalDescription, read_description, write_answer
from bench.node import free_port
from bench.peers.namespace import ADDRESS

PLUGIN: Final = "janus.plugin.videoroom"
START_TIMEOUT_S: Final = 20.0
EVENT_WAIT_S: Final = 20.0
UNUSED_CANDIDATE: Final = "candidate:1 1 udp 2130706431 127.0.0.1 9 typ host"
PUBLISHER_BPS: Final = 20_000_000


class JanusError(Exception):
    """Janus cannot be run here; the text says why."""


@dataclass(frozen=True, slots=True)
class MeasuredJanus:
    """Where its HTTP API answers and which process it is."""

    url: str
    pid: int


@asynccontextmanager
async def running_janus(*, event_loops: int) -> AsyncIterator[MeasuredJanus]:
    """Starts Janus with a configuration of its own and ends it afterwards. JanusError: it cannot be run."""
    program = shutil.which("janus")
    if program is None:
        raise JanusError("janus is not installed (apt-get install janus)")
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        write_configuration(Path(directory), port=port, address=ADDRESS, event_loops=event_loops)
        with (Path(directory) / "janus.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                program, "--configs-folder", directory, stdout=log, stderr=log
            )
        try:
            janus = MeasuredJanus(f"http://127.0.0.1:{port}/janus", process.pid)
            await _until_ready(janus, process, Path(directory) / "janus.log")
            yield janus
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
                await process.wait()


def write_configuration(directory: Path, *, port: int, address: str, event_loops: int) -> None:
    """All the files that Janus reads; everything that the load does not need is off."""
    installed = _library_folder()
    loops = f"event_loops = {event_loops}" if event_loops else ""
    plugins = _others(installed / "plugins", "libjanus_videoroom")
    transports = _others(installed / "transports", "libjanus_http")
    (directory / "janus.jcfg").write_text(f"""
general: {{
    configs_folder = "{directory}"
    plugins_folder = "{installed / "plugins"}"
    transports_folder = "{installed / "transports"}"
    events_folder = "{installed / "events"}"
    loggers_folder = "{directory}"
    debug_level = 2
    session_timeout = 0
    {loops}
}}
media: {{
    ipv6 = false
    rtp_port_range = "20000-32000"
}}
nat: {{
    nice_debug = false
    full_trickle = false
    ice_lite = true
    ice_enforce_list = "{address}"
}}
plugins: {{ disable = "{plugins}" }}
transports: {{ disable = "{transports}" }}
""")
    (directory / "janus.transport.http.jcfg").write_text(f"""
general: {{ json = "compact" base_path = "/janus" http = true port = {port} ip = "127.0.0.1" https = false }}
admin: {{ admin_http = false }}
""")
    (directory / "janus.plugin.videoroom.jcfg").write_text("general: { string_ids = true }\n")


class JanusDoor:
    """The Door of Janus: its JSON API over HTTP with long polls; one session for each client."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self._rooms: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def publish(self, room: str, identity: str, offer: str) -> Admission:
        handle = await self._attach()
        creation = {
            "request": "create",
            "room": room,
            "publishers": 1,
            "bitrate": PUBLISHER_BPS,
            "audiolevel_ext": False,
            "videoorient_ext": False,
            "playoutdelay_ext": False,
        }
        await self._message(handle, creation, wait=False)
        joining = {"request": "joinandconfigure", "room": room, "ptype": "publisher", "id": identity}
        event = await self._message(handle, joining, jsep={"type": "offer", "sdp": offer})
        self._rooms[room] = identity
        await self._end_candidates(handle)
        return Admission(event["jsep"]["sdp"], handle)

    async def watch(
        self, room: str, identity: str, local: LocalDescription, kinds: Sequence[str]
    ) -> Admission:
        """Here the server offers and the client answers."""
        handle = await self._attach()
        joining = {
            "request": "join",
            "ptype": "subscriber",
            "room": room,
            "streams": [{"feed": self._rooms[room]}],
        }
        event = await self._message(handle, joining)
        offer = event["jsep"]["sdp"]
        answer = write_answer(local, read_description(offer))
        await self._message(handle, {"request": "start"}, jsep={"type": "answer", "sdp": answer})
        await self._end_candidates(handle)
        return Admission(offer, handle)

    async def leave(self, admission: Admission, identity: str, room: str) -> None:
        session = admission.resource.rpartition("/")[0]
        await self._post(session, {"janus": "destroy"})

    async def _end_candidates(self, handle: str) -> None:
        """Janus looks at checks only once it knows a candidate; the real one it learns from the check itself."""
        candidate = {"sdpMLineIndex": 0, "candidate": UNUSED_CANDIDATE}
        for one in (candidate, {"completed": True}):
            await self._post(handle, {"janus": "trickle", "candidate": one})

    async def _attach(self) -> str:
        created = await self._post(self._url, {"janus": "create"})
        session = f"{self._url}/{created['data']['id']}"
        attached = await self._post(session, {"janus": "attach", "plugin": PLUGIN})
        return f"{session}/{attached['data']['id']}"

    async def _message(
        self, handle: str, body: dict[str, Any], *, jsep: dict[str, str] | None = None, wait: bool = True
    ) -> dict[str, Any]:
        """Sends a plugin message; with `wait`, returns the event that it leads to."""
        message = {"janus": "message", "body": body, **({"jsep": jsep} if jsep else {})}
        answer = await self._post(handle, message)
        if not wait:
            _check(answer.get("plugindata", {}))
            return answer
        session = handle.rpartition("/")[0]
        deadline = asyncio.get_running_loop().time() + EVENT_WAIT_S
        while asyncio.get_running_loop().time() < deadline:
            async with self._http.get(session, params={"maxev": "1"}) as response:
                event = await response.json(content_type=None)
            if event.get("janus") == "event":
                _check(event.get("plugindata", {}))
                return dict(event)
        raise DoorError(f"Janus did not answer {body['request']}")

    async def _post(self, url: str, body: dict[str, Any]) -> dict[str, Any]:
        async with self._http.post(url, json={**body, "transaction": secrets.token_hex(6)}) as response:
            answer = dict(await response.json(content_type=None))
        if answer.get("janus") == "error":
            raise DoorError(f"Janus: {answer['error'].get('reason')}")
        return answer


def _check(plugindata: dict[str, Any]) -> None:
    data = plugindata.get("data", {})
    if "error" in data:
        raise DoorError(f"Janus: {data['error']}")


def _library_folder() -> Path:
    for found in Path("/usr/lib").glob("*/janus"):
        return found
    raise JanusError("the plugins of janus are not in /usr/lib/*/janus")


def _others(folder: Path, wanted: str) -> str:
    names = (path.name for path in folder.glob("*.so"))
    return ",".join(sorted(name for name in names if not name.startswith(wanted)))


async def _until_ready(janus: MeasuredJanus, process: asyncio.subprocess.Process, log: Path) -> None:
    deadline = asyncio.get_running_loop().time() + START_TIMEOUT_S
    async with aiohttp.ClientSession() as session:
        while asyncio.get_running_loop().time() < deadline and process.returncode is None:
            try:
                async with session.get(f"{janus.url}/info") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)
    words = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text(errors="replace"))[-500:]  # noqa: ASYNC240 - once, at the end
    raise JanusError(f"Janus did not start: {words}")

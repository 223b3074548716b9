"""The `headwater` command: reads configuration, puts the parts of a process together, runs it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import importlib
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, cast

import msgspec
import uvloop
from aiohttp import web

from director.api import explain_errors
from director.app import director_routes
from director.demo import demo_routes
from director.director import Director
from director.page import page_routes
from director.turn import ice_servers
from sfu.cluster.memory import MemoryStore
from sfu.cluster.store import Store
from sfu.config import DEV_KEY, DEV_SECRET, Config, ConfigError, flags, load_config
from sfu.node.node import Node
from sfu.signaling.messages import IceServer
from sfu.signaling.patience import Impatient
from sfu.signaling.proxies import behind_proxies
from sfu.telemetry.logs import configure_logs

Command = Literal["up", "node", "director"]

BAD_CONFIGURATION = 2
MAX_REQUEST_BYTES = 256 * 1024
SHUTDOWN_S = 1.0
KEEPALIVE_S = 75.0
BACKLOG = 1024
DRAIN_POLL_S = 0.05
SUMMARIES: dict[Command, str] = {
    "up": "everything in one process: Director, one Node, and a page to try them",
    "node": "one Node",
    "director": "the Director",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status: 2 for bad configuration, said in one line."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if arguments[:1] == ["bench"]:
        return _bench(arguments[1:])
    parser = make_parser()
    options = vars(parser.parse_args(arguments))
    command = cast(Command, options.pop("command"))
    path = options.pop("config")
    given = {field: value for field, value in options.items() if value is not None}
    try:
        config = load_config(given, os.environ, config_path=path, dev_keys=command == "up")
        config, listener = listen(config)
        configure_logs(config.log_level)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(serve(command, config, listener))
    except ConfigError as error:
        print(f"headwater: {error}", file=sys.stderr)
        return BAD_CONFIGURATION


def make_parser() -> argparse.ArgumentParser:
    """One flag per field of Config; errors are one line and exit 2."""
    parser = _OneLineParser(prog="headwater", description="A cascading WebRTC SFU.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"headwater {release()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for command, summary in SUMMARIES.items():
        sub = commands.add_parser(command, help=summary, description=summary, allow_abbrev=False)
        sub.add_argument("--config", metavar="FILE", help="TOML file")
        for flag in flags(command):
            text = flag.description.replace("%", "%%")
            default = f" [{flag.default}]" if flag.default not in ("", "{}") else ""
            sub.add_argument(flag.name, dest=flag.field, metavar=flag.metavar, help=text + default)
    commands.add_parser("bench", help="measure: `headwater bench load --help`", add_help=False)
    return parser


def listen(config: Config) -> tuple[Config, socket.socket]:
    """The HTTP socket, and Config with the port it got; raises ConfigError when it cannot be had."""
    host, port = config.listen_host, config.listen_port
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server((str(address[0]), port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(f"listen: {config.listen}: {error.strerror}") from None
    got = listener.getsockname()[1]
    prefix = config.listen.rpartition(":")[0]
    return msgspec.structs.replace(config, listen=f"{prefix}:{got}"), listener


async def serve(command: Command, config: Config, listener: socket.socket) -> int:
    """Run one process until it is told to stop; SIGTERM or SIGINT drains, the second stops at once."""
    stop = StopSignals()
    async with running(command, config, listener) as node:
        print(banner(command, config), flush=True)
        gc.collect()
        gc.freeze()  # what is here now stays: full collections need not look at it again
        await stop.first.wait()
        if node is not None:
            await drain(node, config.drain_deadline_s, stop)
    return 0


@asynccontextmanager
async def running(command: Command, config: Config, listener: socket.socket) -> AsyncIterator[Node | None]:
    """The parts of one process, started in order and stopped in the opposite one."""
    store = MemoryStore()
    node = make_node(config, store) if command != "director" else None
    routes = node.routes(telemetry=command == "node") if node else []
    director = None
    if command != "node":
        director = Director(
            config, store, lambda name: node.control if node and name == node.node_id else None
        )
        routes += director_routes(
            director, version=release(), more_metrics=node.metrics_text if node else None
        )
    if command == "up" and director:
        routes += [*demo_routes(director), *page_routes()]
    async with AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        if node:
            await start_node(node, config)
            stack.push_async_callback(node.stop)
        if director:
            await director.start()
            stack.push_async_callback(director.stop)
        await stack.enter_async_context(answering(routes, listener, trusted_proxies=config.trusted_proxies))
        yield node


def make_node(config: Config, store: Store) -> Node:
    """A Node that hands out the same ICE servers as the Director."""

    def servers(identity: str) -> tuple[IceServer, ...]:
        found = ice_servers(
            config.ice_servers,
            secret=config.turn_secret,
            identity=identity,
            now_s=time.time(),
            ttl_s=config.turn_ttl_s,
        )
        return tuple(
            IceServer(url, server.username, server.credential) for server in found for url in server.urls
        )

    return Node(config, store, ice_servers=servers)


async def start_node(node: Node, config: Config) -> None:
    """Raises ConfigError when the media ports cannot be had."""
    try:
        await node.start()
    except OSError as error:
        raise ConfigError(f"media_port: {config.media_port}: {error.strerror or error}") from None


@asynccontextmanager
async def answering(
    routes: Sequence[web.RouteDef], listener: socket.socket, *, trusted_proxies: Sequence[str]
) -> AsyncIterator[None]:
    """An HTTP server on `listener` for as long as the context is open."""
    middlewares = [explain_errors, behind_proxies(trusted_proxies)]
    app = web.Application(middlewares=middlewares, client_max_size=MAX_REQUEST_BYTES)
    app.add_routes(routes)
    app.on_response_prepare.append(sign)
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=SHUTDOWN_S,
        keepalive_timeout=KEEPALIVE_S,
        handle_signals=False,
    )
    await runner.setup()
    make = cast(web.Server, runner.server)
    server = await asyncio.get_running_loop().create_server(
        lambda: Impatient(make()), sock=listener, backlog=BACKLOG
    )
    try:
        yield
    finally:
        server.close()
        await runner.cleanup()


async def sign(_request: web.Request, response: web.StreamResponse) -> None:
    """Say what answers, but not which versions of what it is made of."""
    response.headers["Server"] = "headwater"


class StopSignals:
    """Events that SIGTERM and SIGINT set, first one and then the other."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._note)

    def _note(self) -> None:
        (self.second if self.first.is_set() else self.first).set()


async def drain(node: Node, deadline_s: float, stop: StopSignals) -> None:
    """Take nothing new, wait for the Calls there are; not longer than the deadline or the second signal."""
    await node.control.drain(deadline_s)
    await node.announce()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(deadline_s):
            while len(node.parts.calls) and not stop.second.is_set():  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(DRAIN_POLL_S)


def banner(command: Command, config: Config) -> str:
    """What a person at a terminal wants to know first."""
    url = config.base_url or f"http://{config.listen}"
    text = f"headwater {command}: {url}"
    if command == "up":
        text += f"  (page: {url}/  docs: {url}/docs)"
    if config.has_dev_key:
        text += f"  key {DEV_KEY}, secret {DEV_SECRET}"
    return text


def release() -> str:
    """The installed version."""
    try:
        return version("headwater")
    except PackageNotFoundError:
        return "0"


class _OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        self.exit(BAD_CONFIGURATION, f"{self.prog}: {message}\n")


def _bench(arguments: list[str]) -> int:
    """`headwater bench load ...` runs `bench.load`; the benchmarks are not part of a Node's imports."""
    tools = ("load", "peers")
    if not arguments or arguments[0] not in tools:
        print(f"usage: headwater bench {{{','.join(tools)}}} ...", file=sys.stderr)
        return 0 if arguments[:1] in (["-h"], ["--help"]) else BAD_CONFIGURATION
    module = importlib.import_module(f"bench.{arguments[0]}.__main__")
    result = module.main(arguments[1:])
    return int(result or 0)


if __name__ == "__main__":
    sys.exit(main())

"""`headwater bench load` (and `python -m bench.load`): publishers x subscribers against a Node."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence

import aiohttp

from bench.load.doors import ApiKey, DoorError
from bench.load.fleet import PROFILE_CHOICES, JoinError, Traffic
from bench.load.measurement import Measurement
from bench.load.report import render, rows
from bench.load.run import DEFAULT_KEY, DEFAULT_URL, Plan, run_load

BAR_CELLS = 30


def parser() -> argparse.ArgumentParser:
    """Every flag of the load tool."""
    flags = argparse.ArgumentParser(prog="headwater bench load", description=__doc__)
    flags.add_argument("--url", default=DEFAULT_URL, help="base URL of the Node")
    flags.add_argument("--keys", default=DEFAULT_KEY, metavar="KEY:SECRET", help="API key for the tokens")
    flags.add_argument("--publishers", type=int, default=1, help="one Room each")
    flags.add_argument("--subscribers", type=int, default=200, help="spread over the Rooms")
    flags.add_argument("--duration", type=float, default=10.0, help="seconds of the measured window")
    flags.add_argument("--join-rate", type=float, default=20.0, help="subscribers per second")
    flags.add_argument("--video-bps", type=int, default=1_500_000)
    flags.add_argument("--fps", type=float, default=30.0)
    flags.add_argument("--packet-bytes", type=int, default=1200, help="largest RTP packet")
    flags.add_argument("--audio", action=argparse.BooleanOptionalAction, default=True)
    flags.add_argument("--simulcast", action="store_true", help="three Encodings by RID")
    flags.add_argument("--profile", choices=PROFILE_CHOICES, default="gcm128", help="SRTP profile offered")
    flags.add_argument("--pid", type=int, help="process whose CPU is measured")
    flags.add_argument("--room", default="load", help="prefix of the Room names")
    flags.add_argument(
        "--sample-every", type=int, default=8, help="check one packet in so many (power of two)"
    )
    flags.add_argument("--ports", type=int, default=1, help="sockets that share all clients on loopback")
    flags.add_argument("--loss", type=float, default=0.0, help="share of datagrams thrown away on arrival")
    flags.add_argument("--json", action="store_true", help="machine-readable result on stdout")
    return flags


def plan_of(options: argparse.Namespace) -> Plan:
    """ValueError: a flag is out of range."""
    if options.publishers < 1 or options.subscribers < 0 or options.duration <= 0 or options.join_rate <= 0:
        raise ValueError("publishers, duration and join-rate must be positive")
    ApiKey.parse(options.keys)
    return Plan(
        url=options.url,
        key=options.keys,
        publishers=options.publishers,
        subscribers=options.subscribers,
        seconds=options.duration,
        join_rate=options.join_rate,
        profile=options.profile,
        pid=options.pid,
        room=options.room,
        sample_every=options.sample_every,
        ports=options.ports,
        loss=options.loss,
        traffic=Traffic(
            video_bps=options.video_bps,
            fps=options.fps,
            packet_bytes=options.packet_bytes,
            audio=options.audio,
            simulcast=options.simulcast,
        ),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """0: every subscriber had media and nothing was corrupt; 1: not so; 2: it could not be run."""
    options = parser().parse_args(argv)
    try:
        plan = plan_of(options)
        bar = ProgressBar(plan.subscribers / plan.join_rate + plan.seconds + 2.0)
        measured = asyncio.run(_run_with_bar(plan, bar))
    except (DoorError, JoinError, ValueError, OSError, aiohttp.ClientError) as error:
        print(f"headwater bench load: {error}", file=sys.stderr)
        return 2
    print(json.dumps(measured.as_dict(), indent=2) if options.json else render(rows(measured)))
    counts = measured.counts
    sound = not (counts["corrupt"] or counts["subscribers_without_media"] or measured.join_errors)
    return 0 if sound else 1


class ProgressBar:
    """One line on a terminal's stderr; nothing elsewhere."""

    def __init__(self, expected_s: float) -> None:
        self.text = "joining"
        self._expected_s = expected_s
        self._started = time.monotonic()

    def draw(self) -> None:
        if not sys.stderr.isatty():
            return
        share = min(1.0, (time.monotonic() - self._started) / self._expected_s)
        cells = int(share * BAR_CELLS)
        print(
            f"\r\x1b[K[{'#' * cells}{'.' * (BAR_CELLS - cells)}] {self.text}",
            end="",
            file=sys.stderr,
            flush=True,
        )

    def clear(self) -> None:
        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        self.text = text


async def _run_with_bar(plan: Plan, bar: ProgressBar) -> Measurement:
    async def draw() -> None:
        while True:
            bar.draw()
            await asyncio.sleep(0.2)

    drawing = asyncio.create_task(draw())
    try:
        return await run_load(plan, progress=bar.say)
    finally:
        drawing.cancel()
        bar.clear()


if __name__ == "__main__":
    sys.exit(main())

"""Hostile datagrams against a live Node with traffic: what it counts, what it loses, what a datagram costs.

`python -m bench.hostile --count 10000000`: mutated STUN, DTLS, RTP, RTCP and noise go to the media port from addresses
that no Transport has nominated, while viewers watch. Every datagram must show up as a drop (or in the kernel's count
of a full socket buffer), and every media packet must arrive.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import secrets
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp

from bench.command import complete
from bench.load.flood import Flood
from bench.load.measurement import DRAIN_S, CpuTime
from bench.load.offers import read_description
from bench.load.run import Plan, fleet_against, to_stderr
from bench.machine import describe, headline
from bench.node import MeasuredNode, running_node

DROPS = re.compile(r'^headwater_drops_total\{reason="(\w+)".*\} ([\d.e+]+)$', re.MULTILINE)
BASELINE_S = 3.0
STILL_POLLS = 8


async def run(plan: Plan, count: int, per_s: float, seed: int) -> dict[str, Any]:
    """Floods for count / per_s seconds after a quiet stretch that gives the Node's cost without the flood."""
    async with running_node() as node, fleet_against(_against(plan, node)) as fleet:
        publisher = await fleet.publish(plan.rooms[0], plan.traffic)
        await fleet.watch_many(plan.rooms * plan.subscribers, join_rate=plan.join_rate)
        assert publisher.admission is not None
        remote = read_description(publisher.admission.description)
        (ip, port), ufrag = remote.candidates[0], remote.ufrag
        quiet = await cpu_of(node, BASELINE_S)
        before, lost_before = await drops(node), kernel_drops(port)
        fleet.engine.mark()
        flood = Flood(ip, port, templates(ufrag), seed=seed)
        started, cpu_before = asyncio.get_running_loop().time(), CpuTime.of(node.pid)
        await send(flood, count, per_s)
        elapsed, cpu = asyncio.get_running_loop().time() - started, CpuTime.of(node.pid).since(cpu_before)
        fleet.engine.set_sending(False)
        await asyncio.sleep(DRAIN_S)
        after, lost = await drops(node), kernel_drops(port) - lost_before
        counts = fleet.engine.snapshot()
    by_reason = {
        name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)
    }
    return {
        "sent": flood.sent,
        "send_failed": flood.failed,
        "per_s": round(flood.sent / elapsed),
        "counted": sum(by_reason.values()),
        "full_socket": lost,
        "uncounted": flood.sent - sum(by_reason.values()) - lost,
        "by_reason": by_reason,
        "cost_us": (cpu.total_us - quiet.total_us * elapsed / BASELINE_S) / flood.sent,
        "cost_user_us": (cpu.user_us - quiet.user_us * elapsed / BASELINE_S) / flood.sent,
        "viewers": counts["subscribers"],
        "media_expected": counts["expected"],
        "media_lost": counts["expected"] - counts["received"],
        "media_silent_lost": counts["silent_lost"],
        "media_corrupt": counts["corrupt"],
        "latency_p99_us": counts["latency_p99_us"],
        "seed": seed,
    }


def templates(ufrag: str) -> list[bytes]:
    """One datagram of each kind that a media port may see, and some that it never should."""
    username = f"{ufrag}:load".encode()
    padded = username + b"\0" * (-len(username) % 4)
    attributes = b"\0\x06" + len(username).to_bytes(2, "big") + padded + b"\0\x24\0\x04\x6e\x7f\0\xff"
    attributes += b"\x80\x2a\0\x08" + secrets.token_bytes(8) + b"\0\x25\0\0"
    attributes += b"\0\x08\0\x14" + secrets.token_bytes(20) + b"\x80\x28\0\x04" + secrets.token_bytes(4)
    stun = (
        b"\0\x01"
        + len(attributes).to_bytes(2, "big")
        + b"\x21\x12\xa4\x42"
        + secrets.token_bytes(12)
        + attributes
    )
    hello = b"\x16\xfe\xff" + b"\0" * 8 + b"\0\x40\x01" + secrets.token_bytes(63)
    media = b"\x90\x60" + secrets.token_bytes(10) + b"\xbe\xde\0\x01\x22\0\0\0"
    compound = b"\x80\xc8\0\x06" + secrets.token_bytes(24) + b"\x81\xca\0\x02" + secrets.token_bytes(8)
    return [
        stun,
        b"\x01\x01\0\0\x21\x12\xa4\x42" + secrets.token_bytes(12),
        hello,
        b"\x17\xfe\xfd" + secrets.token_bytes(60),
        media + secrets.token_bytes(100),
        media + secrets.token_bytes(1100),
        compound + secrets.token_bytes(14),
        b"\x40\x01\0\x20" + secrets.token_bytes(32),
        secrets.token_bytes(1),
        secrets.token_bytes(1400),
    ]


async def send(flood: Flood, count: int, per_s: float) -> None:
    thread = threading.Thread(target=lambda: flood.run(count=count, per_s=per_s), name="flood", daemon=True)
    thread.start()
    try:
        await asyncio.to_thread(thread.join)
    finally:
        flood.stop()


async def cpu_of(node: MeasuredNode, seconds: float) -> CpuTime:
    """What the Node uses over the next seconds."""
    before = CpuTime.of(node.pid)
    await asyncio.sleep(seconds)
    return CpuTime.of(node.pid).since(before)


async def drops(node: MeasuredNode) -> dict[str, int]:
    """The Node's drop counters by reason, once they have stood still for some seconds: it takes snapshots."""
    earlier: dict[str, int] = {}
    still = 0
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{node.url}/metrics") as response:
                text = await response.text()
            now: dict[str, int] = {}
            for reason, value in DROPS.findall(text):
                now[reason] = now.get(reason, 0) + int(float(value))
            still = still + 1 if now == earlier else 0
            if still == STILL_POLLS:
                return now
            earlier = now
            await asyncio.sleep(0.3)


def kernel_drops(port: int) -> int:
    """Datagrams that the kernel threw away because the buffer of a socket on this UDP port was full."""
    lines = (
        Path("/proc/net/udp").read_text().splitlines()[1:]
        + Path("/proc/net/udp6").read_text().splitlines()[1:]
    )
    return sum(int(line.split()[-1]) for line in lines if int(line.split()[1].rpartition(":")[2], 16) == port)


def main(argv: Sequence[str] | None = None) -> int:
    """0: everything was counted and no media was lost; 1: not so."""
    flags = argparse.ArgumentParser(prog="python -m bench.hostile", description=__doc__)
    flags.add_argument("--count", type=int, default=500_000)
    flags.add_argument("--rate", type=float, default=100_000.0, help="datagrams per second")
    flags.add_argument("--viewers", type=int, default=20)
    flags.add_argument("--seed", type=int, default=0, help="0: a new one, printed")
    flags.add_argument("--json", action="store_true")
    options = flags.parse_args(argv)
    machine, head = describe(), headline()
    plan = Plan(subscribers=options.viewers, join_rate=50.0)
    seed = options.seed or secrets.randbits(60)
    to_stderr(f"{options.count:,} datagrams with seed {seed}")
    result = complete(run(plan, options.count, options.rate, seed))
    if options.json:
        print(json.dumps({"machine": machine, **result}, indent=2))
    else:
        print(head)
        for name, value in result.items():
            print(f"{name:>18}  {value}")
    sound = result["uncounted"] == 0 and not result["media_lost"] + result["media_silent_lost"]
    return 0 if sound else 1


def _against(plan: Plan, node: MeasuredNode) -> Plan:
    return Plan(url=node.url, subscribers=plan.subscribers, join_rate=plan.join_rate)


if __name__ == "__main__":
    sys.exit(main())

"""Resident memory of a Node: for each viewer, after they have left, and after many join/leave cycles.

`python -m bench.memory`; the traffic is thin so that memory and not the machine is the limit.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bench.command import complete
from bench.load.fleet import Fleet, Traffic
from bench.load.run import Plan, fleet_against, to_stderr
from bench.machine import describe, headline
from bench.node import MeasuredNode, running_node

WARM_UP_JOINS = 50
SETTLE_S = 3.0
LEFT_SETTLE_S = 20.0
"""Longer than idle HTTP connections live: those are not what is measured."""
PARALLEL = 20
ROUNDS = 3


async def run(plan: Plan, cycles: int) -> dict[str, Any]:
    """Figures in bytes."""
    async with running_node() as node, fleet_against(replace(plan, url=node.url)) as fleet:
        await fleet.publish(plan.rooms[0], plan.traffic)
        await cycle(fleet, plan, WARM_UP_JOINS)
        idle = await settled_rss(node)
        to_stderr(f"idle {idle >> 10} KiB; {plan.subscribers} join")
        await fleet.watch_many(plan.rooms * plan.subscribers, join_rate=plan.join_rate)
        full, watching = await settled_rss(node), len(fleet.subscribers)
        to_stderr(f"full {full >> 10} KiB; all leave")
        await leave_subscribers(fleet)
        after = await settled_rss(node, LEFT_SETTLE_S)
        to_stderr(f"after {after >> 10} KiB; {cycles} join and leave")
        series = []
        for _ in range(ROUNDS):
            await cycle(fleet, plan, cycles // ROUNDS)
            series.append(await settled_rss(node, LEFT_SETTLE_S))
    return {
        "viewers": watching,
        "idle_bytes": idle,
        "full_bytes": full,
        "after_leave_bytes": after,
        "bytes_per_viewer": round((full - idle) / watching) if watching else None,
        "kept_after_leave": (after - idle) / idle,
        "cycles": cycles,
        "after_cycles_bytes": series,
        "growth_by_cycles": (series[-1] - after) / after,
        "bytes_per_cycle": (series[-1] - series[0]) / max(1, cycles - cycles // ROUNDS),
        "errors": fleet.errors[:5],
    }


async def cycle(fleet: Fleet, plan: Plan, count: int) -> None:
    """`count` viewers join and leave, at most PARALLEL at a time."""
    gate = asyncio.Semaphore(PARALLEL)

    async def one() -> None:
        async with gate:
            await fleet.leave(await fleet.watch(plan.rooms[0]))

    for outcome in await asyncio.gather(*(one() for _ in range(count)), return_exceptions=True):
        if isinstance(outcome, Exception):
            fleet.errors.append(str(outcome))


async def leave_subscribers(fleet: Fleet) -> None:
    for client in list(fleet.subscribers):
        await fleet.leave(client)


async def settled_rss(node: MeasuredNode, pause_s: float = SETTLE_S) -> int:
    """After a pause, in which the Node may tidy up."""
    await asyncio.sleep(pause_s)
    return node.rss_bytes()


def main(argv: Sequence[str] | None = None) -> int:
    flags = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    flags.add_argument("--viewers", type=int, default=1000)
    flags.add_argument("--cycles", type=int, default=2000)
    flags.add_argument("--join-rate", type=float, default=100.0)
    flags.add_argument("--video-bps", type=int, default=100_000)
    flags.add_argument("--json", action="store_true")
    options = flags.parse_args(argv)
    plan = Plan(
        subscribers=options.viewers,
        join_rate=options.join_rate,
        traffic=Traffic(video_bps=options.video_bps, fps=10.0),
    )
    machine, head = describe(), headline()
    result = complete(run(plan, options.cycles))
    if options.json:
        print(json.dumps({"machine": machine, **result}, indent=2))
        return 0
    print(head)
    print(f"{result['viewers']} viewers: {result['bytes_per_viewer'] / 1024:.1f} KiB each")
    print(f"after they left: {result['kept_after_leave']:+.1%} of the idle {result['idle_bytes'] >> 20} MiB")
    print(
        f"{result['cycles']} cycles: {result['growth_by_cycles']:+.1%}, {result['bytes_per_cycle']:.0f} bytes each"
    )
    if result["errors"]:
        print(f"errors: {result['errors'][0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

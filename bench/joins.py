"""Time from the HTTP request of a join to its first media packet, while others already watch.

`python -m bench.joins`: 200 viewers watch, then more join at 20 per second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any

from bench.command import complete
from bench.load.measurement import CpuTime, percentile
from bench.load.run import Plan, fleet_against, to_stderr
from bench.machine import describe, headline
from bench.node import running_node

SETTLE_S = 2.0


async def run(watching: int, joins: int, rate: float, profile: str) -> dict[str, Any]:
    """Percentiles over the later joins only."""
    async with running_node() as node:
        plan = Plan(url=node.url, subscribers=watching + joins, profile=profile)
        async with fleet_against(plan) as fleet:
            await fleet.publish(plan.rooms[0], plan.traffic)
            await fleet.watch_many(plan.rooms * watching, join_rate=50.0)
            await asyncio.sleep(SETTLE_S)
            earlier = set(fleet.subscribers)
            to_stderr(f"{len(earlier)} watch; {joins} join at {rate:g}/s")
            before = CpuTime.of(node.pid)
            await fleet.watch_many(plan.rooms * joins, join_rate=rate)
            await asyncio.sleep(SETTLE_S)
            cpu = CpuTime.of(node.pid).since(before)
            later = [client for client in fleet.subscribers if client not in earlier]
            latencies = fleet.join_latencies_us(later)
            counts = fleet.engine.snapshot()
    return {
        "watching": len(earlier),
        "joins": len(latencies),
        "rate_per_s": rate,
        "failed": joins - len(latencies),
        "errors": fleet.errors[:5],
        **{f"{name}_ms": percentile(latencies, share) / 1000 for name, share in SHARES.items()},
        "node_cpu_share": cpu.total_us / 1e6 / (joins / rate + SETTLE_S),
        "starts_without_keyframe": counts["starts_without_keyframe"],
    }


SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}


def main(argv: Sequence[str] | None = None) -> int:
    """0: everyone who joined got media; 1: not so."""
    flags = argparse.ArgumentParser(prog="python -m bench.joins", description=__doc__)
    flags.add_argument("--watching", type=int, default=200)
    flags.add_argument("--joins", type=int, default=200)
    flags.add_argument("--rate", type=float, default=20.0)
    flags.add_argument("--profile", default="gcm128")
    flags.add_argument("--json", action="store_true")
    options = flags.parse_args(argv)
    machine, head = describe(), headline()
    result = complete(run(options.watching, options.joins, options.rate, options.profile))
    if options.json:
        print(json.dumps({"machine": machine, **result}, indent=2))
    else:
        print(head)
        figures = ", ".join(f"{name} {result[f'{name}_ms']:.1f} ms" for name in SHARES)
        print(f"{result['joins']} joins at {options.rate:g}/s while {result['watching']} watch: {figures}")
        print(f"failed {result['failed']}; Node at {result['node_cpu_share']:.0%} of a core")
    return 1 if result["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())

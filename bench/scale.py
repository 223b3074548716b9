"""How many viewers one machine carries, the load tool included: more and more until it breaks.

`python -m bench.scale`: each step has a Node of its own. A step holds when at least 99.99 % of the packets arrive and
the 99th percentile of latency is within the limit.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bench.command import complete
from bench.load.run import Plan, run_load, to_stderr
from bench.machine import describe, headline
from bench.node import running_node

DELIVERED = 0.9999


async def step(plan: Plan, workers: int, limit_ms: float) -> dict[str, Any]:
    """One number of viewers against a fresh Node."""
    async with running_node(workers=workers) as node:
        measured = await run_load(replace(plan, url=node.url, pid=node.pid))
    values = measured.as_dict()
    joined = values["subscribers"] - values["subscribers_without_media"]
    holds = (
        joined == plan.subscribers
        and min(measured.delivered, measured.delivered_of_sent) >= DELIVERED
        and values["latency_p99_us"] <= limit_ms * 1000
    )
    return {
        "viewers": plan.subscribers,
        "joined": joined,
        "holds": holds,
        "packets_per_s": values["packets_per_s"],
        "delivered": measured.delivered,
        "delivered_of_sent": measured.delivered_of_sent,
        "late": values["late"],
        "corrupt": values["corrupt"],
        "latency_p50_ms": values["latency_p50_us"] / 1000,
        "latency_p99_ms": values["latency_p99_us"] / 1000,
        "node_cpu_share": values["cpu_share"],
        "tool_cpu_share": values["client_cpu_share"],
        "cpu_us_per_packet": values["cpu_us_per_packet"],
    }


async def climb(plan: Plan, numbers: Sequence[int], workers: int, limit_ms: float) -> list[dict[str, Any]]:
    """Steps in rising order, up to and with the first that does not hold."""
    rows: list[dict[str, Any]] = []
    for viewers in sorted(numbers):
        to_stderr(f"{viewers} viewers")
        rows.append(await step(replace(plan, subscribers=viewers), workers, limit_ms))
        if not rows[-1]["holds"]:
            break
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    flags = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    flags.add_argument("--viewers", type=int, nargs="+", default=[500, 1000, 1500, 2000, 2500, 3000])
    flags.add_argument("--workers", type=int, default=1)
    flags.add_argument("--publishers", type=int, default=1, help="one Room each")
    flags.add_argument("--latency-ms", type=float, default=10.0, help="limit of the 99th percentile")
    flags.add_argument("--join-rate", type=float, default=100.0)
    flags.add_argument("--duration", type=float, default=10.0)
    flags.add_argument("--json", action="store_true")
    options = flags.parse_args(argv)
    machine, head = describe(), headline()
    plan = Plan(publishers=options.publishers, seconds=options.duration, join_rate=options.join_rate)
    rows = complete(climb(plan, options.viewers, options.workers, options.latency_ms))
    if options.json:
        print(json.dumps({"machine": machine, "rows": rows}, indent=2))
        return 0
    print(head)
    print("viewers  packets/s  delivered  p50 ms  p99 ms  Node CPU  tool CPU  us/packet")
    for row in rows:
        print(
            f"{row['viewers']:>7} {row['packets_per_s']:>10,} {row['delivered_of_sent']:>10.4%} "
            f"{row['latency_p50_ms']:>7.2f} {row['latency_p99_ms']:>7.2f} {row['node_cpu_share']:>9.0%} "
            f"{row['tool_cpu_share']:>9.0%} {row['cpu_us_per_packet']:>10.2f}"
            f"{'' if row['holds'] else '  broke'}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

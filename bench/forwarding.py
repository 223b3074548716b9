"""CPU per forwarded packet: a Node with one Worker against the reference loop, in alternation on one machine.

`python -m bench.forwarding`: the same publisher and the same receivers for both; the figure is user + system
time of the whole measured process (HTTP, DTLS and all) over packets that arrived.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bench.command import complete
from bench.load.fleet import PROFILES
from bench.load.measurement import Measurement
from bench.load.run import Plan, run_load, to_stderr
from bench.machine import describe, headline
from bench.node import running_node
from bench.reference.run import run_reference


async def compare(plan: Plan, rounds: int, crypto: str) -> dict[str, Any]:
    """One row: medians over `rounds` alternating runs."""
    nodes: list[Measurement] = []
    references: list[Measurement] = []
    for number in range(rounds):
        to_stderr(f"{plan.subscribers} viewers, {plan.profile}, round {number + 1} of {rounds}")
        async with running_node("--crypto", crypto) as node:
            nodes.append(await run_load(replace(plan, url=node.url, pid=node.pid)))
        references.append(await run_reference(plan))
    node_us = statistics.median(run.cpu_us_per_packet for run in nodes)
    reference_us = statistics.median(run.cpu_us_per_packet for run in references)
    return {
        "viewers": plan.subscribers,
        "profile": plan.profile,
        "crypto": crypto,
        "node_us": node_us,
        "reference_us": reference_us,
        "ratio": node_us / reference_us if reference_us else None,
        "node_runs_us": [run.cpu_us_per_packet for run in nodes],
        "reference_runs_us": [run.cpu_us_per_packet for run in references],
        "packets_per_s": round(statistics.median(run.forwarded / run.seconds for run in nodes)),
        "delivered": min(run.delivered for run in nodes),
        "late": sum(run.counts["late"] for run in nodes),
        "corrupt": sum(run.counts["corrupt"] for run in nodes),
        "latency_p99_ms": statistics.median(run.counts["latency_p99_us"] for run in nodes) / 1000,
    }


def main(argv: Sequence[str] | None = None) -> int:
    flags = argparse.ArgumentParser(prog="python -m bench.forwarding", description=__doc__)
    flags.add_argument("--viewers", type=int, nargs="+", default=[200, 500])
    flags.add_argument("--profiles", nargs="+", choices=sorted(PROFILES), default=["gcm128"])
    flags.add_argument(
        "--crypto", choices=("auto", "ipsec-mb", "openssl"), default="auto", help="of the Node"
    )
    flags.add_argument("--duration", type=float, default=5.0)
    flags.add_argument("--rounds", type=int, default=3)
    flags.add_argument("--json", action="store_true")
    options = flags.parse_args(argv)
    plans = [
        Plan(subscribers=viewers, seconds=options.duration, profile=profile, join_rate=100.0)
        for profile in options.profiles
        for viewers in options.viewers
    ]
    if not options.json:
        print(headline())
    results = [complete(compare(plan, options.rounds, options.crypto)) for plan in plans]
    if options.json:
        print(json.dumps({"machine": describe(), "rows": results}, indent=2))
        return 0
    print(" viewers  profile  packets/s  Node us  loop us  ratio  delivered")
    for row in results:
        print(
            f"{row['viewers']:>8} {row['profile']:>8} {row['packets_per_s']:>10,} {row['node_us']:>8.3f} "
            f"{row['reference_us']:>8.3f} {row['ratio']:>6.2f}  {row['delivered']:.5%}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

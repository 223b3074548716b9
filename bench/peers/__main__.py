"""`headwater bench peers` (and `python -m bench.peers`): the same load through a Node and through Janus.

Both are started, loaded and measured in turn on this machine, in one network namespace, by the same clients;
the figure is user + system time of the whole server process over packets that arrived. Janus runs with one
event loop for each core.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bench.command import complete
from bench.load.fleet import PROFILE_CHOICES
from bench.load.measurement import Measurement
from bench.load.run import Plan, run_load, run_through, to_stderr
from bench.machine import describe, headline
from bench.node import running_node
from bench.peers.janus import JanusDoor, JanusError, running_janus
from bench.peers.namespace import NamespaceError, enter


async def compare(plan: Plan, rounds: int, event_loops: int) -> list[dict[str, Any]]:
    """One row for each server, over `rounds` alternating runs."""
    ours: list[Measurement] = []
    theirs: list[Measurement] = []
    for number in range(rounds):
        to_stderr(f"{plan.subscribers} viewers, round {number + 1} of {rounds}: Headwater, then Janus")
        async with running_node() as node:
            ours.append(await run_load(replace(plan, url=node.url, pid=node.pid)))
        async with running_janus(event_loops=event_loops) as janus, JanusDoor(janus.url) as door:
            theirs.append(await run_through(door, replace(plan, pid=janus.pid)))
    rows = [summary("Headwater", plan, ours), summary("Janus", plan, theirs)]
    for row in rows:
        row["ratio"] = row["cpu_us_per_packet"] / (rows[0]["cpu_us_per_packet"] or 1.0)
    return rows


def summary(server: str, plan: Plan, runs: Sequence[Measurement]) -> dict[str, Any]:
    """Medians, and the worst of what must not be bad even once."""
    return {
        "server": server,
        "viewers": plan.subscribers,
        "profile": runs[0].profile,
        "cpu_us_per_packet": statistics.median(run.cpu_us_per_packet for run in runs),
        "cpu_share": statistics.median(run.cpu.total_us / 1e6 / run.seconds for run in runs if run.cpu),
        "packets_per_s": round(statistics.median(run.forwarded / run.seconds for run in runs)),
        "delivered": min(run.delivered for run in runs),
        "delivered_of_sent": min(run.delivered_of_sent for run in runs),
        "without_media": max(run.counts["subscribers_without_media"] for run in runs),
        "join_errors": sum(len(run.join_errors) for run in runs),
        "corrupt": sum(run.counts["corrupt"] for run in runs),
        "latency_p50_ms": statistics.median(run.counts["latency_p50_us"] for run in runs) / 1000,
        "latency_p99_ms": statistics.median(run.counts["latency_p99_us"] for run in runs) / 1000,
        "join_p50_ms": statistics.median(run.as_dict()["join_p50_ms"] for run in runs),
        "runs_us": [run.cpu_us_per_packet for run in runs],
    }


def main(argv: Sequence[str] | None = None) -> int:
    """0: compared; 2: Janus cannot be run here."""
    flags = argparse.ArgumentParser(prog="headwater bench peers", description=__doc__)
    flags.add_argument("--viewers", type=int, nargs="+", default=[200])
    flags.add_argument("--profile", choices=PROFILE_CHOICES, default="any", help="SRTP profiles offered")
    flags.add_argument("--duration", type=float, default=5.0)
    flags.add_argument("--rounds", type=int, default=2)
    flags.add_argument("--event-loops", type=int, default=os.cpu_count() or 1, help="0: Janus's default")
    flags.add_argument("--json", action="store_true")
    options = flags.parse_args(argv)
    try:
        enter("bench.peers", sys.argv[1:] if argv is None else argv)
        if not options.json:
            print(headline(), flush=True)
        results = [
            row
            for viewers in options.viewers
            for row in complete(compare(_plan(options, viewers), options.rounds, options.event_loops))
        ]
    except (JanusError, NamespaceError) as error:
        print(f"bench peers: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps({"machine": describe(), "rows": results}, indent=2))
        return 0
    print_table(results)
    return 0


def print_table(results: Sequence[dict[str, Any]]) -> None:
    """For people."""
    print(" viewers     server  profile  packets/s  us/packet  ratio  delivered  p50 ms  p99 ms  join ms")
    for row in results:
        print(
            f"{row['viewers']:>8} {row['server']:>10} {row['profile']:>8} {row['packets_per_s']:>10,} "
            f"{row['cpu_us_per_packet']:>10.2f} {row['ratio']:>6.1f} {row['delivered_of_sent']:>10.4%} "
            f"{row['latency_p50_ms']:>7.2f} {row['latency_p99_ms']:>7.2f} {row['join_p50_ms']:>8.1f}"
        )


def _plan(options: argparse.Namespace, viewers: int) -> Plan:
    return Plan(subscribers=viewers, seconds=options.duration, profile=options.profile, join_rate=50.0)


if __name__ == "__main__":
    sys.exit(main())

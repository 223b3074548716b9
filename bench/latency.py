"""Latency that a Node adds, at about half a core of work: through the Node less the direct path.

`python -m bench.latency`: a mass of viewers loads the Node; the figure is taken by probe viewers with an engine of
their own, so that the mass's queues in the load tool do not count. The probes join first, in the middle and last,
because a fan-out serves its Subscriptions in turn: what a large Room adds is the time of its fan-out. A publisher
and a subscriber without any Node run at the same time in a third engine: the same machine, the same noise.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from bench.command import complete
from bench.load.fleet import Fleet
from bench.load.measurement import CpuTime
from bench.load.run import Plan, fleet_against, run_load, to_stderr
from bench.machine import describe, headline
from bench.node import running_node
from bench.reference.run import direct_path

TRIAL_VIEWERS = 200
PARTS = 3
SETTLE_S = 2.0
NAMES = ("p50", "p90", "p99", "max")


async def viewers_for(share: float, plan: Plan) -> int:
    """How many viewers bring one Worker to this share of a core, from two trials: the cost is not linear."""
    viewers = TRIAL_VIEWERS
    for _ in range(2):
        async with running_node() as node:
            trial = replace(plan, url=node.url, pid=node.pid, subscribers=viewers, seconds=2.0)
            measured = await run_load(trial)
        assert measured.cpu is not None
        viewers = int(viewers * share / (measured.cpu.total_us / 1e6 / measured.seconds))
        viewers = max(20, min(viewers, 2000))
    return viewers


async def run(plan: Plan) -> dict[str, Any]:
    """Percentiles in us of the direct path, of the probes and of all viewers."""
    async with running_node() as node, _fleets(replace(plan, url=node.url)) as (mass, probes):
        with direct_path(plan) as (direct, _):
            for room in plan.rooms:
                await mass.publish(room, plan.traffic)
            await probes.watch(plan.rooms[0])
            for part in range(PARTS):
                joining = [
                    plan.rooms[number % plan.publishers] for number in range(part, plan.subscribers, PARTS)
                ]
                await mass.watch_many(joining, join_rate=plan.join_rate)
                await probes.watch(plan.rooms[0])
            await asyncio.sleep(SETTLE_S)
            engines = {"direct": direct, "probes": probes.engine, "all": mass.engine}
            for engine in engines.values():
                engine.mark()
            before = CpuTime.of(node.pid)
            await asyncio.sleep(plan.seconds)
            cpu = CpuTime.of(node.pid).since(before)
            counts = {name: engine.snapshot() for name, engine in engines.items()}
    return {
        "viewers": plan.subscribers,
        "rooms": plan.publishers,
        "cpu_share": cpu.total_us / 1e6 / plan.seconds,
        **{name: {key: value[f"latency_{key}_us"] for key in NAMES} for name, value in counts.items()},
        "added": {
            key: counts["probes"][f"latency_{key}_us"] - counts["direct"][f"latency_{key}_us"]
            for key in NAMES
        },
        "late": counts["all"]["late"],
    }


@asynccontextmanager
async def _fleets(plan: Plan) -> AsyncIterator[tuple[Fleet, Fleet]]:
    """The mass, and the probes of which every packet is looked at."""
    probing = replace(plan, subscribers=PARTS + 1, sample_every=1)
    async with fleet_against(plan) as mass, fleet_against(probing) as probes:
        yield mass, probes


def main(argv: Sequence[str] | None = None) -> int:
    flags = argparse.ArgumentParser(prog="python -m bench.latency", description=__doc__)
    flags.add_argument("--viewers", type=int, default=0, help="0: as many as bring the Node to --cpu-share")
    flags.add_argument("--rooms", type=int, default=20, help="one publisher each")
    flags.add_argument("--cpu-share", type=float, default=0.5)
    flags.add_argument("--duration", type=float, default=10.0)
    flags.add_argument("--json", action="store_true")
    options = flags.parse_args(argv)
    machine, head = describe(), headline()
    plan = Plan(publishers=options.rooms, seconds=options.duration, join_rate=100.0)
    viewers = options.viewers or complete(viewers_for(options.cpu_share, plan))
    to_stderr(f"{viewers} viewers")
    result = complete(run(replace(plan, subscribers=viewers)))
    if options.json:
        print(json.dumps({"machine": machine, **result}, indent=2))
        return 0
    print(head)
    shape = f"{result['viewers']} viewers in {result['rooms']} Rooms"
    print(f"{shape}, Node at {result['cpu_share']:.0%} of a core; milliseconds:")
    for name in ("direct", "probes", "all", "added"):
        figures = "  ".join(f"{key} {result[name][key] / 1000:7.3f}" for key in NAMES)
        print(f"{name:>8}  {figures}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

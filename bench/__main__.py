"""`python -m bench`: the figures that the project promises, measured here and set against their limits.

Without `--full` each is a short run that shows that the benchmark works; its figures are noisy. `--json FILE` keeps
the results for `python -m bench.compare`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import forwarding, hostile, joins, latency, memory, scale
from bench.command import complete
from bench.load.fleet import Traffic
from bench.load.run import Plan, to_stderr
from bench.machine import describe, headline

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Promise:
    """A figure and its limit: at most (or, with `least`, at least) `limit` in `unit`."""

    name: str
    limit: float
    unit: str
    least: bool = False

    def kept(self, value: float) -> bool:
        return value >= self.limit if self.least else value <= self.limit


PROMISES = (
    Promise("forwarding_200_ratio", 1.25, "x reference loop"),
    Promise("forwarding_500_ratio", 1.0, "x reference loop"),
    Promise("openssl_ratio", 1.6, "x ipsec-mb"),
    Promise("scale_viewers", 1000, "viewers", least=True),
    Promise("join_p50", 60, "ms"),
    Promise("join_p99", 250, "ms"),
    Promise("added_latency_p50", 0.5, "ms"),
    Promise("added_latency_p99", 3, "ms"),
    Promise("viewer_memory", 64, "KiB"),
    Promise("kept_after_leave", 5, "%"),
    Promise("hostile_uncounted", 0, "datagrams"),
    Promise("hostile_media_lost", 0, "packets"),
    Promise("hostile_cost", 1, "us"),
)


async def measure_forwarding(full: bool) -> Figures:
    rounds, seconds = (3, 5.0) if full else (1, 2.0)
    plan = Plan(seconds=seconds, join_rate=100.0)
    figures: Figures = {}
    for viewers in (200, 500):
        row = await forwarding.compare(
            Plan(subscribers=viewers, seconds=seconds, join_rate=100.0), rounds, "auto"
        )
        figures[f"forwarding_{viewers}_us"] = row["node_us"]
        figures[f"forwarding_{viewers}_ratio"] = row["ratio"]
    portable = await forwarding.compare(plan, rounds, "openssl")
    figures["openssl_ratio"] = portable["node_us"] / figures["forwarding_200_us"]
    return figures


async def measure_scale(full: bool) -> Figures:
    plan = Plan(seconds=10.0 if full else 3.0, join_rate=100.0)
    rows = await scale.climb(plan, [1000, 1500, 2000, 2500] if full else [300], 1, 10.0)
    name = "scale_viewers" if full else "scale_viewers_of_300"
    return {name: max((row["viewers"] for row in rows if row["holds"]), default=0)}


async def measure_joins(full: bool) -> Figures:
    result = await joins.run(200, 200 if full else 40, 20.0, "gcm128")
    return {"join_p50": result["p50_ms"], "join_p99": result["p99_ms"]}


async def measure_latency(full: bool) -> Figures:
    plan = Plan(publishers=20, seconds=10.0 if full else 3.0, join_rate=100.0)
    viewers = await latency.viewers_for(0.5, plan) if full else 200
    result = await latency.run(
        Plan(publishers=20, subscribers=viewers, seconds=plan.seconds, join_rate=100.0)
    )
    return {f"added_latency_{key}": result["added"][key] / 1000 for key in ("p50", "p99")}


async def measure_memory(full: bool) -> Figures:
    traffic = Traffic(video_bps=100_000, fps=10.0)
    plan = Plan(subscribers=1000 if full else 200, join_rate=100.0, traffic=traffic)
    result = await memory.run(plan, 10_000 if full else 200)
    return {
        "viewer_memory": result["bytes_per_viewer"] / 1024,
        "kept_after_leave": result["kept_after_leave"] * 100,
        "bytes_per_cycle": result["bytes_per_cycle"],
    }


async def measure_hostile(full: bool) -> Figures:
    plan = Plan(subscribers=20, join_rate=50.0)
    result = await hostile.run(plan, 10_000_000 if full else 200_000, 100_000.0, 1)
    return {
        "hostile_uncounted": result["uncounted"],
        "hostile_media_lost": result["media_lost"] + result["media_silent_lost"],
        "hostile_cost": result["cost_us"],
    }


MEASURES: dict[str, Callable[[bool], Coroutine[Any, Any, Figures]]] = {
    "forwarding": measure_forwarding,
    "scale": measure_scale,
    "joins": measure_joins,
    "latency": measure_latency,
    "memory": measure_memory,
    "hostile": measure_hostile,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Always 0 when everything could be measured: a limit that is broken is printed, not judged."""
    flags = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    flags.add_argument(
        "measures", nargs="*", metavar="MEASURE", help=f"of {', '.join(MEASURES)} (default: all)"
    )
    flags.add_argument("--full", action="store_true", help="as long as the promises ask for")
    flags.add_argument("--json", type=Path, metavar="FILE", help="keep the figures")
    options = flags.parse_args(argv)
    unknown = set(options.measures) - set(MEASURES)
    if unknown:
        flags.error(f"unknown: {', '.join(sorted(unknown))}")
    machine, figures = describe(), {}
    print(headline(), flush=True)
    for name in options.measures or MEASURES:
        to_stderr(f"-- {name}")
        figures.update(complete(MEASURES[name](options.full)))
    print_promises(figures)
    if options.json:
        options.json.write_text(
            json.dumps({"machine": machine, "full": options.full, "figures": figures}, indent=2)
        )
    return 0


def print_promises(figures: Figures) -> None:
    for promise in PROMISES:
        if promise.name in figures:
            value, sign = figures[promise.name], ">=" if promise.least else "<="
            verdict = "" if promise.kept(value) else "  not kept"
            print(f"{promise.name:<22} {value:>10.3f}  {sign} {promise.limit:g} {promise.unit}{verdict}")


if __name__ == "__main__":
    sys.exit(main())

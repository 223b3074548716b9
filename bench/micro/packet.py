"""What a packet costs besides system calls, in nanoseconds.

    python -m bench.micro.packet [--json] [--viewers 50 500] [--rounds 30] [--openssl]

forward     a received packet to all viewers through the packet core, per forwarded packet, nothing sent
reference   only the crypto of that: unprotect once, write a header and protect for each viewer, same batches
own         forward less reference: the core's own work; the budget is 50 ns

The steps below are single calls in a tight loop with warm caches. Figures are minimum and median over the rounds;
forward and reference take turns.
"""

import argparse
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from bench.machine import describe, headline
from bench.micro.fanout import Fanout
from bench.micro.steps import Steps

STEPS: dict[str, str] = {
    "demux_ns": "classify a datagram",
    "rtp_ns": "parse an RTP header",
    "extensions_ns": "the same, and walk three extensions",
    "vp8_ns": "parse a VP8 descriptor",
    "rtcp_ns": "walk a NACK",
    "stun_parse_ns": "parse a connectivity check",
    "stun_answer_ns": "parse, verify and answer one",
    "rewrite_ns": "rewrite for one Subscription",
    "accounting_ns": "account a received packet",
    "feedback_ns": "transport-wide feedback on 100 packets",
}


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    min_ns: float
    median_ns: float


def figure(name: str, taken_ns: Sequence[float]) -> Figure:
    return Figure(name, min(taken_ns), statistics.median(taken_ns))


def measure_steps(rounds: int) -> list[Figure]:
    steps = Steps()
    return [figure(text, repeat(getattr(steps, name), rounds)) for name, text in STEPS.items()]


def repeat(call: Callable[[], float], rounds: int) -> list[float]:
    return [call() for _ in range(rounds)]


def measure_forwarding(viewers: int, rounds: int, openssl: bool) -> list[Figure]:
    fanout = Fanout(viewers, openssl=openssl)
    pairs = [(fanout.forward_ns(), fanout.reference_ns()) for _ in range(rounds)]
    forward, reference = zip(*pairs, strict=True)
    own = [whole - crypto for whole, crypto in pairs]
    where = f"{viewers} viewers, {fanout.crypto}"
    return [
        figure(f"forward, {where}", forward),
        figure(f"reference, {where}", reference),
        Figure(f"own, {where}", min(forward) - min(reference), statistics.median(own)),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--viewers", type=int, nargs="+", default=[50, 500])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--openssl", action="store_true", help="the portable crypto back end")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    figures = [
        row
        for viewers in options.viewers
        for row in measure_forwarding(viewers, options.rounds, options.openssl)
    ]
    figures += measure_steps(options.rounds)
    if options.json:
        print(json.dumps({"machine": describe(), "figures": [asdict(row) for row in figures]}, indent=1))
        return 0
    print(headline())
    print(f"{'':44}{'min ns':>9}{'median':>9}")
    for row in figures:
        print(f"{row.name:44}{row.min_ns:9.1f}{row.median_ns:9.1f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

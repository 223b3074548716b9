"""What protecting one packet costs: every profile, both back ends, 500 keys round robin.

    python -m bench.micro.crypto [--json] [--batches 64,1] [--rounds 200]

Figures are nanoseconds per packet, minimum and median over the rounds. The variants take turns, so that a
busy neighbour spoils all of them alike. Before protection, 110 bytes is audio and 1200 a full video packet.
"""

import argparse
import json
import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import product

from bench.micro.protect import IPSEC_MB, OPENSSL, PROFILES, Fanout

BACKENDS = {"openssl": OPENSSL, "ipsec-mb": IPSEC_MB}
SIZES_BYTES = (110, 1200)


@dataclass(frozen=True, slots=True)
class Figure:
    backend: str
    profile: str
    packet_bytes: int
    batch: int
    min_ns: float
    median_ns: float


def fanouts(keys: int, batches: list[int]) -> Iterator[tuple[tuple[str, str, int, int], Fanout]]:
    """Every variant this machine can run."""
    for backend, profile, size, batch in product(BACKENDS, PROFILES, SIZES_BYTES, batches):
        try:
            yield (
                (backend, profile, size, batch),
                Fanout(BACKENDS[backend], PROFILES[profile], keys, size, batch),
            )
        except ValueError:
            continue


def measure(keys: int, batches: list[int], rounds: int) -> list[Figure]:
    variants = dict(fanouts(keys, batches))
    taken: dict[tuple[str, str, int, int], list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, fanout in variants.items():
            fanout.round_ns()
            taken[name].append(fanout.round_ns())
    return [Figure(*name, min(ns), statistics.median(ns)) for name, ns in taken.items()]


def table(figures: list[Figure]) -> str:
    lines = [f"{'back end':<10}{'profile':<20}{'bytes':>6}{'batch':>7}{'min ns':>9}{'median':>9}"]
    lines += [
        f"{f.backend:<10}{f.profile:<20}{f.packet_bytes:>6}{f.batch:>7}{f.min_ns:>9.1f}{f.median_ns:>9.1f}"
        for f in figures
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print the figures as a JSON list")
    parser.add_argument("--keys", type=int, default=500)
    parser.add_argument("--batches", default="64", help="packets per protect_batch, comma separated")
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    figures = measure(options.keys, [int(batch) for batch in options.batches.split(",")], options.rounds)
    print(json.dumps([asdict(figure) for figure in figures], indent=1) if options.json else table(figures))


if __name__ == "__main__":
    main()

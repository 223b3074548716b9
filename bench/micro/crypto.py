"""What SRTP costs: every profile, both back ends, 500 keys round robin.

    python -m bench.micro.crypto [--json] [--batches 64,1] [--rounds 100]

protect    one source packet to all keys, in batches, out of place
unprotect  one packet at a time, out of place; a clock's 20-30 ns included
rtcp       one packet protected and unprotected again

Figures are nanoseconds per packet, minimum and median over the rounds. The variants take turns, so that a
busy neighbour spoils all of them alike. Before protection, 110 bytes is audio and 1200 a full video packet.
"""

import argparse
import json
import statistics
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import product

from bench.micro.protect import IPSEC_MB, OPENSSL, PROFILES, Fanout

BACKENDS = {"openssl": OPENSSL, "ipsec-mb": IPSEC_MB}
SIZES_BYTES = (110, 1200)


@dataclass(frozen=True, slots=True)
class Figure:
    backend: str
    profile: str
    packet_bytes: int
    operation: str
    min_ns: float
    median_ns: float


@dataclass(slots=True)
class Series:
    """One variant and what its rounds took."""

    backend: str
    profile: str
    packet_bytes: int
    operation: str
    run: Callable[[], float]
    taken_ns: list[float] = field(default_factory=list)

    def round(self) -> None:
        """One round to warm the caches after the variant before, one that counts."""
        self.run()
        self.taken_ns.append(self.run())

    def figure(self) -> Figure:
        least, median = min(self.taken_ns), statistics.median(self.taken_ns)
        return Figure(self.backend, self.profile, self.packet_bytes, self.operation, least, median)


def every_series(keys: int, batches: list[int]) -> Iterator[Series]:
    """Every variant this machine can run."""
    for backend, profile, size in product(BACKENDS, PROFILES, SIZES_BYTES):
        try:
            fanouts = [
                Fanout(BACKENDS[backend], PROFILES[profile], keys, size, batch) for batch in (1, *batches)
            ]
        except ValueError:
            continue
        for batch, fanout in zip(batches, fanouts[1:], strict=True):
            yield Series(backend, profile, size, f"protect x{batch}", fanout.protect_ns)
        yield Series(backend, profile, size, "unprotect", fanouts[0].unprotect_ns)
        yield Series(backend, profile, size, "rtcp", fanouts[0].rtcp_ns)


def measure(keys: int, batches: list[int], rounds: int) -> list[Figure]:
    variants = list(every_series(keys, batches))
    for _ in range(rounds):
        for series in variants:
            series.round()
    return [series.figure() for series in variants]


def table(figures: list[Figure]) -> str:
    lines = [f"{'back end':<10}{'profile':<20}{'bytes':>6}  {'operation':<14}{'min ns':>9}{'median':>9}"]
    lines += [
        f"{f.backend:<10}{f.profile:<20}{f.packet_bytes:>6}  {f.operation:<14}{f.min_ns:>9.1f}{f.median_ns:>9.1f}"
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
    parser.add_argument("--rounds", type=int, default=100)
    options = parser.parse_args()
    figures = measure(options.keys, [int(batch) for batch in options.batches.split(",")], options.rounds)
    print(json.dumps([asdict(figure) for figure in figures], indent=1) if options.json else table(figures))


if __name__ == "__main__":
    main()

"""From counters to rates: what has happened between two snapshots of a Worker."""

from dataclasses import dataclass
from typing import Final

from sfu._fastpath.values import EncodingRow, Snapshot, SubscriptionRow

MICROSECONDS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """What one stream did over an interval; `loss` is a ratio."""

    packets_per_s: float = 0.0
    bits_bps: float = 0.0
    loss: float = 0.0


@dataclass(frozen=True, slots=True)
class Reading:
    """One snapshot of one Worker and when it was taken."""

    at_us: int
    snapshot: Snapshot

    def counters_per_s(self, earlier: "Reading") -> dict[str, float]:
        """Every counter as a rate since the earlier reading."""
        elapsed_s = self._elapsed_s(earlier)
        before = earlier.snapshot.counters
        return {name: (n - before.get(name, 0)) / elapsed_s for name, n in self.snapshot.counters.items()}

    def encoding_rates(self, earlier: "Reading") -> dict[tuple[int, int], tuple[EncodingRow, Rate]]:
        """(Track handle, Encoding index) -> latest row and its rate."""
        before = {(row.track, row.encoding): row for row in earlier.snapshot.encodings}
        elapsed_s = self._elapsed_s(earlier)
        return {
            (row.track, row.encoding): (
                row,
                _encoding_rate(row, before.get((row.track, row.encoding)), elapsed_s),
            )
            for row in self.snapshot.encodings
        }

    def subscription_rates(self, earlier: "Reading") -> dict[int, tuple[SubscriptionRow, Rate]]:
        """Subscription handle -> latest row and its rate; loss is what the viewer reported last."""
        before = {row.subscription: row for row in earlier.snapshot.subscriptions}
        elapsed_s = self._elapsed_s(earlier)
        return {
            row.subscription: (row, _subscription_rate(row, before.get(row.subscription), elapsed_s))
            for row in self.snapshot.subscriptions
        }

    def _elapsed_s(self, earlier: "Reading") -> float:
        return max(1, self.at_us - earlier.at_us) / MICROSECONDS


def _encoding_rate(row: EncodingRow, before: EncodingRow | None, elapsed_s: float) -> Rate:
    if before is None:
        return Rate()
    packets, lost = row.packets - before.packets, max(0, row.lost - before.lost)
    return Rate(
        packets_per_s=packets / elapsed_s,
        bits_bps=8 * (row.bytes - before.bytes) / elapsed_s,
        loss=lost / (packets + lost) if packets + lost > 0 else 0.0,
    )


def _subscription_rate(row: SubscriptionRow, before: SubscriptionRow | None, elapsed_s: float) -> Rate:
    loss = row.fraction_lost / 256
    if before is None:
        return Rate(loss=loss)
    return Rate(
        packets_per_s=(row.packets - before.packets) / elapsed_s,
        bits_bps=8 * (row.bytes - before.bytes) / elapsed_s,
        loss=loss,
    )

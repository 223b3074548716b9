"""Token buckets by key, in bounded memory: who asks how often."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` tokens at once, refilled at `per_s`; a rate of 0 does not limit."""

    per_s: float
    burst: float


class BucketTable:
    """One bucket per key. Over any stretch of t seconds a key gets at most burst + t * per_s tokens.

    At most `capacity` keys are remembered. When more ask, the key that asked longest ago is forgotten and
    starts full when it returns: an attacker with many keys gains nothing that fresh keys would not have
    given him.
    """

    def __init__(self, rate: Rate, *, capacity: int = 65_536) -> None:
        self._rate = rate
        self._capacity = capacity
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str, now_s: float) -> float:
        """Take one token: 0.0 when there was one, otherwise the seconds until there will be."""
        rate = self._rate
        if rate.per_s <= 0:
            return 0.0
        tokens, seen_s = self._buckets.pop(key, (rate.burst, now_s))
        tokens = min(rate.burst, tokens + max(0.0, now_s - seen_s) * rate.per_s)
        wait_s = 0.0
        if tokens >= 1.0:
            tokens -= 1.0
        else:
            wait_s = (1.0 - tokens) / rate.per_s
        self._buckets[key] = (tokens, max(now_s, seen_s))
        if len(self._buckets) > self._capacity:
            self._buckets.popitem(last=False)
        return wait_s

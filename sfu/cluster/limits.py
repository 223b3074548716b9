"""How often somebody may join: by address, by identity in a Room, by API key. Directors and Nodes share the
rule, each with its own count. Pure: time is an argument.
"""

from __future__ import annotations

from sfu.cluster.buckets import BucketTable, Rate
from sfu.config import Config, is_loopback
from sfu.errors import RejectedError


class JoinLimits:
    """Rates of joins; loopback is exempt unless `limit_loopback`."""

    def __init__(self, config: Config) -> None:
        self._limit_loopback = config.limit_loopback
        self._by_address = bucket_table(config.join_rate_address, config.join_burst_address)
        self._by_identity = bucket_table(config.join_rate_identity, config.join_burst_identity)
        self._by_key = bucket_table(config.join_rate_key, config.join_burst_key)

    def check(self, *, address: str, room: str, identity: str, key: str, now_s: float) -> None:
        """One join; RejectedError 429 that says how long to wait."""
        if is_loopback(address) and not self._limit_loopback:
            return
        take(self._by_address, address, now_s, "joins from this address")
        take(self._by_identity, f"{room}\0{identity}", now_s, "joins of this identity")
        take(self._by_key, key, now_s, "joins with this API key")


def bucket_table(per_s: float, burst: float) -> BucketTable:
    """A table whose burst lets at least one through."""
    return BucketTable(Rate(per_s, max(burst, 1.0)))


def take(table: BucketTable, key: str, now_s: float, what: str) -> None:
    """Take a token; RejectedError 429 that names `what` there was too much of."""
    wait_s = table.take(key, now_s)
    if wait_s > 0:
        raise RejectedError(429, "Too many requests", f"too many {what}", wait_s)

"""Who may come in now: rates, and the limits of Rooms. Pure: time and counts are arguments."""

from __future__ import annotations

from collections.abc import Collection

from director.messages import CreateRoom
from sfu.cluster.buckets import BucketTable, Rate
from sfu.cluster.records import RoomRecord
from sfu.config import Config, is_loopback
from sfu.errors import RejectedError

FULL_ROOM_RETRY_S = 5.0


class Admission:
    """Rates of requests by address, and of joins by address, identity and API key."""

    def __init__(self, config: Config) -> None:
        self._limit_loopback = config.limit_loopback
        self._requests = _table(config.request_rate_address, config.request_burst_address)
        self._by_address = _table(config.join_rate_address, config.join_burst_address)
        self._by_identity = _table(config.join_rate_identity, config.join_burst_identity)
        self._by_key = _table(config.join_rate_key, config.join_burst_key)

    def check_request(self, address: str, now_s: float) -> None:
        """One request, whatever it asks for; RejectedError 429 when there are too many."""
        if self._limits(address):
            _take(self._requests, address, now_s, "requests from this address")

    def check_join(self, *, address: str, room: str, identity: str, key: str, now_s: float) -> None:
        """One join; RejectedError 429 that says how long to wait."""
        if not self._limits(address):
            return
        _take(self._by_address, address, now_s, "joins from this address")
        _take(self._by_identity, f"{room}\0{identity}", now_s, "joins of this identity")
        _take(self._by_key, key, now_s, "joins with this API key")

    def _limits(self, address: str) -> bool:
        return self._limit_loopback or not is_loopback(address)


def check_room(room: RoomRecord, identities: Collection[str], identity: str) -> None:
    """RejectedError 409 when the Room is full; an identity that is in it already only replaces itself."""
    full = 0 < room.max_participants <= len(identities)
    if full and identity not in identities:
        raise RejectedError(
            409, "Room is full", f"{room.max_participants} Participants are in the Room", FULL_ROOM_RETRY_S
        )


def room_limits(wish: CreateRoom, config: Config) -> CreateRoom:
    """The wish with defaults filled in and nothing above what the configuration allows."""
    return CreateRoom(
        name=wish.name,
        region=wish.region,
        empty_timeout_s=wish.empty_timeout_s or config.room_empty_timeout_s,
        max_participants=_at_most(wish.max_participants, config.max_participants),
        max_duration_s=_at_most(wish.max_duration_s, config.max_duration_s),
    )


def _at_most(wish: int, limit: int) -> int:
    """Both count 0 as no limit."""
    return min(wish or limit, limit or wish)


def _table(per_s: float, burst: float) -> BucketTable:
    return BucketTable(Rate(per_s, max(burst, 1.0)))


def _take(table: BucketTable, key: str, now_s: float, what: str) -> None:
    wait_s = table.take(key, now_s)
    if wait_s > 0:
        raise RejectedError(429, "Too many requests", f"too many {what}", wait_s)

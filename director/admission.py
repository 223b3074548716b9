"""Who may come in now: rates, and the limits of Rooms. Pure: time and counts are arguments."""

from __future__ import annotations

from director.messages import CreateRoom
from sfu.cluster.limits import JoinLimits, bucket_table, take
from sfu.cluster.records import RoomRecord
from sfu.config import Config, is_loopback
from sfu.errors import RejectedError

FULL_ROOM_RETRY_S = 5.0


class Admission:
    """Rates of requests by address, and of joins."""

    def __init__(self, config: Config) -> None:
        self._limit_loopback = config.limit_loopback
        self._requests = bucket_table(config.request_rate_address, config.request_burst_address)
        self.joins = JoinLimits(config)

    def check_request(self, address: str, now_s: float) -> None:
        """One request, whatever it asks for; RejectedError 429 when there are too many."""
        if self._limit_loopback or not is_loopback(address):
            take(self._requests, address, now_s, "requests from this address")


def check_room(room: RoomRecord, others: int) -> None:
    """RejectedError 409 when the `others` in it fill the Room; an identity that is in it only replaces
    itself.
    """
    if 0 < room.max_participants <= others:
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

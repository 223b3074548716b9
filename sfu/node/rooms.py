"""The Rooms that are open at this Node."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

from sfu.room.room import Room


@dataclass(slots=True, eq=False)
class OpenRoom:
    """A Room and what the Node keeps for it. `lock` puts the effects of its changes in order."""

    room: Room
    empty_timeout_s: float
    max_duration_s: float
    empty_since_us: int
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def name(self) -> str:
        """The Room's name."""
        return self.room.name


class Rooms:
    """All open Rooms by name; the first join opens one, being empty for long closes it."""

    def __init__(self) -> None:
        self._by_name: dict[str, OpenRoom] = {}

    def __iter__(self) -> Iterator[OpenRoom]:
        return iter(list(self._by_name.values()))

    def __len__(self) -> int:
        return len(self._by_name)

    def get(self, name: str) -> OpenRoom | None:
        """The open Room of that name."""
        return self._by_name.get(name)

    def add(self, room: OpenRoom) -> None:
        """Opens a Room."""
        self._by_name[room.name] = room

    def remove(self, room: OpenRoom) -> None:
        """Closes a Room; idempotent."""
        if self._by_name.get(room.name) is room:
            del self._by_name[room.name]

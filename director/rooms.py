"""Rooms as records: created once, placed once, ended when empty for long enough."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from director.admission import room_limits
from director.messages import CreateRoom
from sfu.cluster import records, subjects
from sfu.cluster.records import RoomRecord
from sfu.cluster.store import Entry, KeyExistsError, RevisionMismatchError, Store
from sfu.config import Config
from sfu.errors import RejectedError
from sfu.ids import Randomness, make_room_sid

_ATTEMPTS = 16


class RoomBook:
    """The RoomRecords of the Store."""

    def __init__(self, store: Store, config: Config, randomness: Randomness) -> None:
        self._store = store
        self._config = config
        self._randomness = randomness

    async def create(self, wish: CreateRoom, now_s: float) -> tuple[RoomRecord, bool]:
        """The Room of that name and whether this call created it; RejectedError 503 at `max_rooms`."""
        existing = await self.find(wish.name)
        if existing is not None:
            return existing, False
        await self._check_count()
        limits = room_limits(wish, self._config)
        record = RoomRecord(
            name=limits.name,
            sid=make_room_sid(self._randomness),
            created_at_s=now_s,
            empty_timeout_s=limits.empty_timeout_s,
            max_participants=limits.max_participants,
            max_duration_s=limits.max_duration_s,
            region=limits.region,
        )
        try:
            await self._store.create(subjects.room_key(record.name), records.encode(record))
        except KeyExistsError:
            return await self.get(wish.name), False
        return record, True

    async def find(self, name: str) -> RoomRecord | None:
        """The Room, if there is one."""
        entry = await self._store.get(subjects.room_key(name))
        return _decode(entry) if entry is not None else None

    async def get(self, name: str) -> RoomRecord:
        """The Room; RejectedError 404."""
        record = await self.find(name)
        if record is None:
            raise RejectedError(404, "No such Room", f"there is no Room {name!r}")
        return record

    async def all(self) -> list[RoomRecord]:
        """All Rooms, by name."""
        entries = await self._store.entries(subjects.ROOMS)
        return sorted((_decode(entry) for entry in entries), key=lambda record: record.name)

    async def settle(self, name: str, node: str, *, instead_of: str) -> RoomRecord:
        """Place the Room on `node` unless somebody placed it meanwhile; returns it as it is then."""
        key = subjects.room_key(name)
        for _ in range(_ATTEMPTS):
            entry = await self._store.get(key)
            if entry is None:
                raise RejectedError(409, "Room is gone", f"Room {name!r} was deleted meanwhile", 1.0)
            record = _decode(entry)
            if record.node != instead_of:
                return record
            settled = msgspec.structs.replace(record, node=node)
            try:
                await self._store.update(key, records.encode(settled), entry.revision)
            except RevisionMismatchError:
                continue
            return settled
        raise RejectedError(503, "Room is busy", f"Room {name!r} changes too fast", 1.0)

    async def delete(self, name: str) -> None:
        """Forget the Room; absent is fine."""
        await self._store.delete(subjects.room_key(name))

    async def _check_count(self) -> None:
        limit = self._config.max_rooms
        if limit and len(await self._store.keys(subjects.ROOMS)) >= limit:
            raise RejectedError(503, "Too many Rooms", f"{limit} Rooms exist", 10.0)


class EmptyRooms:
    """Which Rooms have been empty for their `empty_timeout_s`. Pure."""

    def __init__(self) -> None:
        self._since_s: dict[str, float] = {}

    def expect(self, room: RoomRecord) -> None:
        """Somebody was just sent to the Room: its time begins anew."""
        self._since_s.pop(room.sid, None)

    def ended(self, rooms: Iterable[RoomRecord], occupied: Collection[str], now_s: float) -> list[RoomRecord]:
        """Feed with all Rooms and the keys of those that somebody is in; returns the Rooms to end."""
        empty = {room.sid: room for room in rooms if subjects.room_key(room.name) not in occupied}
        self._since_s = {sid: self._since_s.get(sid, now_s) for sid in empty}
        return [room for sid, room in empty.items() if now_s - self._since_s[sid] >= room.empty_timeout_s]


def _decode(entry: Entry) -> RoomRecord:
    return records.decode(entry.value or b"", RoomRecord)

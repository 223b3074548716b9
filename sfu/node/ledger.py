"""The Node's entries in the Store: which Rooms it holds, who is in them, which Calls they have.

Writing never delays a Call: entries are queued and written in order by one task. If the Store is away, an
entry is tried once more and then given up; the next change of the same record brings it up to date.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from sfu.cluster import records, subjects
from sfu.cluster.records import CallRecord, NodeRecord, ParticipantRecord, RoomRecord
from sfu.cluster.store import KeyExistsError, RevisionMismatchError, Store, StoreUnavailableError

MAX_QUEUED: Final = 100_000
log = structlog.get_logger(__name__)


class Ledger:
    """Write-behind to the Store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._queue: asyncio.Queue[Callable[[], Awaitable[object]]] = asyncio.Queue(MAX_QUEUED)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to write."""
        self._task = asyncio.get_running_loop().create_task(self._write_all(), name="ledger")

    async def stop(self) -> None:
        """Writes what is queued and stops."""
        if self._task is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await self._queue.join()
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None

    def node(self, record: NodeRecord) -> None:
        """A heartbeat."""
        self._put(subjects.node_key(record.id), records.encode(record))

    def participant(self, record: ParticipantRecord) -> None:
        """A Participant as it is now."""
        self._put(subjects.participant_key(record.room, record.identity), records.encode(record))

    def participant_left(self, room: str, identity: str) -> None:
        """A Participant is gone."""
        self._enqueue(lambda: self.store.delete(subjects.participant_key(room, identity)))

    def call(self, record: CallRecord) -> None:
        """A Call as it is now."""
        self._put(subjects.call_key(record.call_id), records.encode(record))

    def room(self, record: RoomRecord) -> None:
        """A Room that this Node opened; one that the Director made keeps its limits."""
        self._enqueue(lambda: self._place_room(record))

    def room_closed(self, name: str) -> None:
        """A Room is gone."""
        self._enqueue(lambda: self.store.delete(subjects.room_key(name)))

    async def find_room(self, name: str) -> RoomRecord | None:
        """What the Store knows of a Room; None as well while the Store is away."""
        try:
            entry = await self.store.get(subjects.room_key(name))
        except StoreUnavailableError:
            return None
        return records.decode(entry.value, RoomRecord) if entry and entry.value is not None else None

    async def _place_room(self, record: RoomRecord) -> None:
        with contextlib.suppress(KeyExistsError):
            await self.store.create(subjects.room_key(record.name), records.encode(record))

    def _put(self, key: str, value: bytes) -> None:
        self._enqueue(lambda: self.store.put(key, value))

    def _enqueue(self, write: Callable[[], Awaitable[object]]) -> None:
        try:
            self._queue.put_nowait(write)
        except asyncio.QueueFull:
            log.warning("ledger_full", queued=MAX_QUEUED)

    async def _write_all(self) -> None:
        while True:
            write = await self._queue.get()
            for _ in range(2):
                try:
                    await write()
                    break
                except (StoreUnavailableError, RevisionMismatchError) as error:
                    log.warning("store_write_failed", reason=str(error))
                    await asyncio.sleep(0.2)
            self._queue.task_done()

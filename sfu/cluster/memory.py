"""The Store of one process: dicts with the manners of the shared one."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from sfu.cluster import subjects
from sfu.cluster.store import Entry, KeyExistsError, RevisionMismatchError, Watch

Rows = dict[str, tuple[Entry, float]]
"""Entries of one class with the time of writing, in order of writing."""


class MemoryStore:
    """Implements `store.Store`; `clock` gives seconds and only has to go forward.

    `capacities` bounds classes whose records are history: beyond it the ones written longest ago are
    forgotten, as if their lease had ended.
    """

    def __init__(
        self,
        *,
        leases: Mapping[str, float] = subjects.LEASES,
        capacities: Mapping[str, int] = subjects.MEMORY_CAPACITIES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._leases = leases
        self._capacities = capacities
        self._clock = clock
        self._classes: defaultdict[str, Rows] = defaultdict(dict)
        self._watches: set[_Mailbox] = set()
        self._revision = 0

    def __len__(self) -> int:
        return sum(map(len, self._classes.values()))

    async def get(self, key: str) -> Entry | None:
        """See `Store.get`."""
        return self._live(key)

    async def put(self, key: str, value: bytes) -> int:
        """See `Store.put`."""
        return self._write(key, value)

    async def create(self, key: str, value: bytes) -> int:
        """See `Store.create`."""
        if self._live(key) is not None:
            raise KeyExistsError(key)
        return self._write(key, value)

    async def update(self, key: str, value: bytes, revision: int) -> int:
        """See `Store.update`."""
        self._expect(key, revision)
        return self._write(key, value)

    async def delete(self, key: str, *, revision: int | None = None) -> None:
        """See `Store.delete`."""
        if revision is not None:
            self._expect(key, revision)
        if key in self._classes[subjects.class_of(key)]:
            self._write(key, None)

    async def entries(self, prefix: str) -> list[Entry]:
        """See `Store.entries`."""
        return [entry for entry in map(self._live, self._keys(prefix)) if entry is not None]

    async def keys(self, prefix: str) -> list[str]:
        """See `Store.keys`."""
        return [entry.key for entry in await self.entries(prefix)]

    @asynccontextmanager
    async def watch(self, prefix: str) -> AsyncIterator[Watch]:
        """See `Store.watch`."""
        mailbox = _Mailbox(prefix, await self.entries(prefix))
        self._watches.add(mailbox)
        try:
            yield mailbox.read()
        finally:
            self._watches.discard(mailbox)

    async def close(self) -> None:
        """See `Store.close`."""
        for mailbox in self._watches:
            mailbox.end()
        self._watches.clear()

    def _keys(self, prefix: str) -> list[str]:
        wanted = subjects.class_of(prefix)
        classes = [self._classes[wanted]] if wanted else self._classes.values()
        return sorted(key for rows in classes for key in rows if key.startswith(prefix))

    def _live(self, key: str) -> Entry | None:
        row = self._classes[subjects.class_of(key)].get(key)
        return row[0] if row is not None and self._is_alive(key, row[1]) else None

    def _is_alive(self, key: str, written_s: float) -> bool:
        lease_s = self._leases.get(subjects.class_of(key))
        return lease_s is None or self._clock() - written_s < lease_s

    def _expect(self, key: str, revision: int) -> None:
        entry = self._live(key)
        if entry is None or entry.revision != revision:
            raise RevisionMismatchError(key)

    def _write(self, key: str, value: bytes | None) -> int:
        self._revision += 1
        entry = Entry(key, value, self._revision)
        class_ = subjects.class_of(key)
        rows = self._classes[class_]
        rows.pop(key, None)
        if value is not None:
            rows[key] = (entry, self._clock())
        self._forget_oldest(class_, rows)
        for mailbox in self._watches:
            mailbox.deliver(entry)
        return self._revision

    def _forget_oldest(self, class_: str, rows: Rows) -> None:
        capacity = self._capacities.get(class_)
        while rows:
            oldest = next(iter(rows))
            if self._is_alive(oldest, rows[oldest][1]) and (capacity is None or len(rows) <= capacity):
                return
            del rows[oldest]


class _Mailbox:
    """What one watch has not read yet: the latest Entry per key, so a slow reader costs bounded memory."""

    def __init__(self, prefix: str, snapshot: list[Entry]) -> None:
        self._prefix = prefix
        self._snapshot = snapshot
        self._pending: dict[str, Entry] = {}
        self._wake = asyncio.Event()
        self._ended = False

    def deliver(self, entry: Entry) -> None:
        """Keep the newest state of the key, in order of first unread change."""
        if entry.key.startswith(self._prefix):
            self._pending[entry.key] = entry
            self._wake.set()

    def end(self) -> None:
        """Let the reader finish what is pending and stop."""
        self._ended = True
        self._wake.set()

    async def read(self) -> AsyncIterator[Entry | None]:
        """The snapshot, None, and then changes until the Store closes."""
        for entry in self._snapshot:
            yield entry
        self._snapshot = []
        yield None
        while True:
            while self._pending:
                yield self._pending.pop(next(iter(self._pending)))
            if self._ended:
                return
            self._wake.clear()
            await self._wake.wait()

"""The Store of one process: a dict with the manners of the shared one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from sfu.cluster import subjects
from sfu.cluster.store import Entry, KeyExistsError, RevisionMismatchError, Watch

_SWEEP_EVERY_WRITES = 1024


class MemoryStore:
    """Implements `store.Store`; `clock` gives seconds and only has to go forward."""

    def __init__(
        self,
        *,
        leases: Mapping[str, float] = subjects.LEASES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._leases = leases
        self._clock = clock
        self._rows: dict[str, tuple[Entry, float]] = {}
        self._watches: set[_Mailbox] = set()
        self._revision = 0

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
        if key in self._rows:
            self._write(key, None)

    async def entries(self, prefix: str) -> list[Entry]:
        """See `Store.entries`."""
        keys = sorted(key for key in self._rows if key.startswith(prefix))
        return [entry for entry in map(self._live, keys) if entry is not None]

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

    def _live(self, key: str) -> Entry | None:
        row = self._rows.get(key)
        if row is None:
            return None
        entry, written_s = row
        lease_s = subjects.lease_of(key, self._leases)
        if lease_s is not None and self._clock() - written_s >= lease_s:
            del self._rows[key]
            return None
        return entry

    def _expect(self, key: str, revision: int) -> None:
        entry = self._live(key)
        if entry is None or entry.revision != revision:
            raise RevisionMismatchError(key)

    def _write(self, key: str, value: bytes | None) -> int:
        self._revision += 1
        entry = Entry(key, value, self._revision)
        if value is None:
            self._rows.pop(key, None)
        else:
            self._rows[key] = (entry, self._clock())
        for mailbox in self._watches:
            mailbox.deliver(entry)
        if self._revision % _SWEEP_EVERY_WRITES == 0:
            for stale in list(self._rows):
                self._live(stale)
        return self._revision


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

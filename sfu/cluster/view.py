"""A local, always current copy of one class of records, so that reading them costs no round trip."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Generic

import msgspec

from sfu.cluster import records, subjects
from sfu.cluster.records import RecordT
from sfu.cluster.store import Entry, Store


class RecordView(Generic[RecordT]):
    """Follows `prefix`; records that were not written for their lease are left out.

    `version` grows with every change, for those who keep an index of what is here.
    """

    def __init__(
        self,
        store: Store,
        prefix: str,
        record_type: type[RecordT],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._prefix = prefix
        self._record_type = record_type
        self._clock = clock
        self._lease_s = subjects.LEASES.get(subjects.class_of(prefix))
        self._rows: dict[str, tuple[RecordT, float]] = {}
        self.version = 0
        self._complete = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to follow; returns once everything that was there is in."""
        self._task = asyncio.create_task(self._follow(), name=f"view {self._prefix}")
        await self._complete.wait()

    async def stop(self) -> None:
        """Stop following; what was read last stays readable."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def get(self, key: str) -> RecordT | None:
        """The record under `key` while it is alive."""
        row = self._rows.get(key)
        return row[0] if row is not None and self._alive(row[1]) else None

    def all(self) -> list[RecordT]:
        """All live records, in order of key."""
        return [record for _, (record, seen_s) in sorted(self._rows.items()) if self._alive(seen_s)]

    def _alive(self, seen_s: float) -> bool:
        return self._lease_s is None or self._clock() - seen_s < self._lease_s

    async def _follow(self) -> None:
        async with self._store.watch(self._prefix) as watch:
            async for entry in watch:
                if entry is None:
                    self._complete.set()
                else:
                    self._take(entry)

    def _take(self, entry: Entry) -> None:
        self.version += 1
        if entry.value is None:
            self._rows.pop(entry.key, None)
            return
        try:
            record = records.decode(entry.value, self._record_type)
        except msgspec.MsgspecError:
            return
        self._rows[entry.key] = (record, self._clock())
        if self._lease_s is not None and len(self._rows) > 64:
            self._rows = {key: row for key, row in self._rows.items() if self._alive(row[1])}

"""Calls as records: opened when placed, followed by the Node, enriched by what clients report."""

from __future__ import annotations

import msgspec

from sfu.cluster import records, subjects
from sfu.cluster.records import CallRecord
from sfu.cluster.store import Entry, RevisionMismatchError, Store
from sfu.errors import RejectedError

KEPT_STATS = 32
_ATTEMPTS = 16


class CallBook:
    """The CallRecords of the Store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def open(self, record: CallRecord) -> None:
        """Write down a placed Call."""
        await self._store.put(subjects.call_key(record.call_id), records.encode(record))

    async def get(self, call_id: str) -> CallRecord:
        """The Call; RejectedError 404."""
        return _decode(await self._entry(call_id))

    async def add_stats(self, call_id: str, values: dict[str, float]) -> None:
        """Append one summary of the client; only the last `KEPT_STATS` are kept."""
        for _ in range(_ATTEMPTS):
            entry = await self._entry(call_id)
            record = _decode(entry)
            kept = [*record.client_stats, values][-KEPT_STATS:]
            changed = records.encode(msgspec.structs.replace(record, client_stats=kept))
            try:
                await self._store.update(entry.key, changed, entry.revision)
            except RevisionMismatchError:
                continue
            return
        raise RejectedError(503, "Call is busy", "the Call's record changes too fast", 1.0)

    async def _entry(self, call_id: str) -> Entry:
        entry = await self._store.get(subjects.call_key(call_id))
        if entry is None:
            raise RejectedError(404, "No such Call", f"there is no Call {call_id!r}")
        return entry


def _decode(entry: Entry) -> CallRecord:
    return records.decode(entry.value or b"", CallRecord)

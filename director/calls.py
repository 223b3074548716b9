"""Calls as records: opened when placed, followed by the Node, enriched by what clients report."""

from __future__ import annotations

from sfu.cluster import records, subjects
from sfu.cluster.records import CallRecord, ClientStatsRecord
from sfu.cluster.store import Entry, KeyExistsError, RevisionMismatchError, Store
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
        entry = await self._store.get(subjects.call_key(call_id))
        if entry is None:
            raise RejectedError(404, "No such Call", f"there is no Call {call_id!r}")
        return records.decode(entry.value or b"", CallRecord)

    async def stats(self, call_id: str) -> list[dict[str, float]]:
        """What the client sent in, oldest first."""
        entry = await self._store.get(subjects.stats_key(call_id))
        return _decode_stats(entry).summaries if entry is not None else []

    async def add_stats(self, call_id: str, values: dict[str, float]) -> None:
        """Append one summary of the client; only the last `KEPT_STATS` are kept."""
        key = subjects.stats_key(call_id)
        for _ in range(_ATTEMPTS):
            entry = await self._store.get(key)
            earlier = _decode_stats(entry).summaries if entry is not None else []
            record = ClientStatsRecord(call_id=call_id, summaries=[*earlier, values][-KEPT_STATS:])
            try:
                if entry is None:
                    await self._store.create(key, records.encode(record))
                else:
                    await self._store.update(key, records.encode(record), entry.revision)
            except (KeyExistsError, RevisionMismatchError):
                continue
            return
        raise RejectedError(503, "Call is busy", "the Call's record changes too fast", 1.0)


def _decode_stats(entry: Entry) -> ClientStatsRecord:
    return records.decode(entry.value or b"", ClientStatsRecord)

"""The Store: the state that Directors and Nodes share, as keys with revisions.

The contract, which every implementation passes (`tests/unit/cluster/store_contract.py`):

- Every write gets a revision greater than all before it, over all keys.
- A watch first yields what is there, then None once, then every later state. Writes to one key that come
  faster than they are read may be merged into the latest; a deletion is an Entry without a value.
- A key whose class has a lease (`subjects.LEASES`) is gone when it was not written for that long. Nobody is
  told: who watches leased records ages them (`view.RecordView` does).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from sfu.errors import HeadwaterError


class KeyExistsError(HeadwaterError):
    """`create` found a live value under the key."""


class RevisionMismatchError(HeadwaterError):
    """Somebody else wrote the key since the revision that `update` or `delete` was given."""


class StoreUnavailableError(HeadwaterError):
    """The Store cannot be reached now; nothing is known about the outcome."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One state of one key; `value` is None when this write deleted it."""

    key: str
    value: bytes | None
    revision: int


Watch = AsyncIterator[Entry | None]


class Store(Protocol):
    """Keys, values, revisions. All methods may raise StoreUnavailableError."""

    async def get(self, key: str) -> Entry | None:
        """The live Entry under `key`."""

    async def put(self, key: str, value: bytes) -> int:
        """Write whatever was there before; returns the revision."""

    async def create(self, key: str, value: bytes) -> int:
        """Write only if nothing is there; returns the revision or raises KeyExistsError."""

    async def update(self, key: str, value: bytes, revision: int) -> int:
        """Write only over `revision`; returns the new revision or raises RevisionMismatchError."""

    async def delete(self, key: str, *, revision: int | None = None) -> None:
        """Remove the key (only `revision` of it, when given, else RevisionMismatchError). Absent is fine."""

    async def entries(self, prefix: str) -> list[Entry]:
        """All live Entries whose keys begin with `prefix`, in order of key."""

    async def keys(self, prefix: str) -> list[str]:
        """Their keys."""

    def watch(self, prefix: str) -> AbstractAsyncContextManager[Watch]:
        """Follow all keys that begin with `prefix`, for as long as the context is open."""

    async def close(self) -> None:
        """End all watches and let go of resources."""

"""What every Store promises, as tests. An implementation's test module subclasses StoreContract and says how
to make one: `make_store(clock)` is a context manager, `clock` a VirtualClock that the leases go by.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest

from sfu.cluster.store import Entry, KeyExistsError, RevisionMismatchError, Store, Watch

LEASED = "nodes.a"
KEPT = "rooms.a"


class VirtualClock:
    """Seconds that only pass when told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class StoreContract:
    """Subclass with `make_store` and `leases`, whose class `nodes.` has a lease of `lease_s`."""

    lease_s: float

    def make_store(self, clock: VirtualClock) -> AbstractAsyncContextManager[Store]:
        raise NotImplementedError

    @pytest.fixture
    def clock(self) -> VirtualClock:
        return VirtualClock()

    @pytest.fixture
    async def store(self, clock: VirtualClock) -> AsyncIterator[Store]:
        async with self.make_store(clock) as store:
            yield store

    async def test_what_was_put_is_got_under_its_revision(self, store: Store) -> None:
        assert await store.get(KEPT) is None
        first = await store.put(KEPT, b"1")
        second = await store.put(KEPT, b"2")
        assert second > first
        assert await store.get(KEPT) == Entry(KEPT, b"2", second)

    async def test_revisions_grow_over_all_keys(self, store: Store) -> None:
        revisions = [await store.put(f"rooms.{index % 3}", b"") for index in range(9)]
        assert revisions == sorted(set(revisions))

    async def test_only_one_creator_wins(self, store: Store) -> None:
        outcomes = await asyncio.gather(
            *(store.create(KEPT, str(index).encode()) for index in range(8)), return_exceptions=True
        )
        losers = [outcome for outcome in outcomes if isinstance(outcome, KeyExistsError)]
        assert len(losers) == 7
        entry = await store.get(KEPT)
        assert entry is not None
        assert entry.revision in outcomes

    async def test_a_deleted_key_can_be_created_again(self, store: Store) -> None:
        await store.create(KEPT, b"1")
        await store.delete(KEPT)
        assert await store.get(KEPT) is None
        await store.create(KEPT, b"2")

    async def test_an_update_over_another_revision_is_refused(self, store: Store) -> None:
        seen = await store.put(KEPT, b"1")
        await store.put(KEPT, b"2")
        with pytest.raises(RevisionMismatchError):
            await store.update(KEPT, b"3", seen)
        with pytest.raises(RevisionMismatchError):
            await store.update("rooms.absent", b"3", seen)

    async def test_concurrent_counters_lose_nothing(self, store: Store) -> None:
        await store.put(KEPT, b"0")

        async def count() -> None:
            while True:
                entry = await store.get(KEPT)
                assert entry is not None
                assert entry.value is not None
                try:
                    await store.update(KEPT, str(int(entry.value) + 1).encode(), entry.revision)
                except RevisionMismatchError:
                    continue
                return

        await asyncio.gather(*(count() for _ in range(20)))
        entry = await store.get(KEPT)
        assert entry is not None
        assert entry.value == b"20"

    async def test_delete_heeds_a_revision_and_forgives_absence(self, store: Store) -> None:
        seen = await store.put(KEPT, b"1")
        latest = await store.put(KEPT, b"2")
        with pytest.raises(RevisionMismatchError):
            await store.delete(KEPT, revision=seen)
        await store.delete(KEPT, revision=latest)
        await store.delete(KEPT)

    async def test_prefixes_select_and_keys_are_sorted(self, store: Store) -> None:
        for key in ("rooms.b", "rooms.a", "calls.a"):
            await store.put(key, key.encode())
        assert await store.keys("rooms.") == ["rooms.a", "rooms.b"]
        assert [entry.value for entry in await store.entries("rooms.")] == [b"rooms.a", b"rooms.b"]
        assert await store.keys("nothing.") == []

    async def test_a_watch_tells_what_is_there_then_a_mark_then_changes(self, store: Store) -> None:
        await store.put("rooms.a", b"1")
        await store.put("calls.a", b"1")
        async with store.watch("rooms.") as watch:
            first, mark = await take(watch), await take(watch)
            assert first is not None
            assert (first.key, first.value) == ("rooms.a", b"1")
            assert mark is None
            await store.put("calls.b", b"2")
            await store.put("rooms.b", b"2")
            changed = await take(watch)
            assert changed is not None
            assert (changed.key, changed.value) == ("rooms.b", b"2")
            await store.delete("rooms.a")
            gone = await take(watch)
            assert gone is not None
            assert (gone.key, gone.value) == ("rooms.a", None)
            assert gone.revision > changed.revision

    async def test_a_slow_watcher_ends_up_with_the_latest_state(self, store: Store) -> None:
        async with store.watch("rooms.") as watch:
            assert await take(watch) is None
            for index in range(100):
                await store.put("rooms.a", str(index).encode())
            await store.put("rooms.end", b"")
            state: dict[str, bytes | None] = {}
            while "rooms.end" not in state:
                entry = await take(watch)
                assert entry is not None
                state[entry.key] = entry.value
            assert state["rooms.a"] == b"99"

    async def test_a_leased_key_dies_silently_unless_it_is_written_again(
        self, store: Store, clock: VirtualClock
    ) -> None:
        await store.put(LEASED, b"1")
        await store.put(KEPT, b"1")
        async with store.watch("nodes.") as watch:
            assert await take(watch) is not None
            assert await take(watch) is None
            clock.now_s += self.lease_s * 0.9
            await store.put(LEASED, b"2")
            assert await take(watch) is not None
            clock.now_s += self.lease_s * 0.9
            assert await store.get(LEASED) is not None
            clock.now_s += self.lease_s * 0.2
            assert await store.get(LEASED) is None
            assert await store.keys("") == [KEPT]
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(watch), 0.02)
        await store.create(LEASED, b"3")


async def take(watch: Watch) -> Entry | None:
    """The next item, or a failed test after a while."""
    return await asyncio.wait_for(anext(watch), 2.0)

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sfu.cluster.memory import MemoryStore
from sfu.cluster.store import Store
from tests.unit.cluster.store_contract import StoreContract, VirtualClock, take


class TestMemoryStore(StoreContract):
    lease_s = 6.0

    @asynccontextmanager
    async def make_store(self, clock: VirtualClock) -> AsyncIterator[Store]:
        store = MemoryStore(leases={"nodes.": self.lease_s}, clock=clock)
        yield store
        await store.close()

    async def test_closing_ends_watches(self, store: Store) -> None:
        async with store.watch("rooms.") as watch:
            assert await take(watch) is None
            await store.close()
            assert [entry async for entry in watch] == []

    async def test_dead_leases_do_not_pile_up(self, clock: VirtualClock) -> None:
        store = MemoryStore(leases={"nodes.": 1.0}, clock=clock)
        for index in range(5000):
            clock.now_s += 0.01
            await store.put(f"nodes.{index}", b"x" * 10)
        assert len(store) <= 101

    async def test_history_is_bounded_and_the_oldest_goes_first(self, clock: VirtualClock) -> None:
        store = MemoryStore(leases={}, capacities={"calls.": 10}, clock=clock)
        for index in range(100):
            await store.put(f"calls.{index:03}", b"")
            await store.put(f"rooms.{index:03}", b"")
            await store.put("calls.000", b"")
        assert await store.keys("calls.") == ["calls.000", *(f"calls.{index:03}" for index in range(91, 100))]
        assert len(await store.keys("rooms.")) == 100

    async def test_a_watch_that_is_left_costs_nothing_more(self, store: Store) -> None:
        assert isinstance(store, MemoryStore)
        for _ in range(3):
            async with store.watch(""):
                await asyncio.sleep(0)
        assert store._watches == set()

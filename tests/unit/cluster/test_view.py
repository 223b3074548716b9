import asyncio
from collections.abc import Callable

from sfu.cluster import records, subjects
from sfu.cluster.memory import MemoryStore
from sfu.cluster.records import NodeRecord, RoomRecord
from sfu.cluster.view import RecordView
from tests.unit.cluster.store_contract import VirtualClock


async def reached(condition: Callable[[], bool]) -> None:
    """Let other tasks run until the condition holds."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("never happened")


def node(name: str) -> bytes:
    return records.encode(NodeRecord(id=name, url=f"http://{name}"))


async def test_a_view_starts_complete_and_follows_changes() -> None:
    store = MemoryStore()
    await store.put(subjects.node_key("a"), node("a"))
    view = RecordView(store, subjects.NODES, NodeRecord)
    await view.start()
    assert [record.id for record in view.all()] == ["a"]
    await store.put(subjects.node_key("b"), node("b"))
    await store.delete(subjects.node_key("a"))
    await reached(lambda: [record.id for record in view.all()] == ["b"])
    assert view.get(subjects.node_key("a")) is None
    await view.stop()


async def test_a_view_ages_leased_records_itself() -> None:
    clock = VirtualClock()
    store = MemoryStore(clock=clock)
    view = RecordView(store, subjects.NODES, NodeRecord, clock=clock)
    await view.start()
    await store.put(subjects.node_key("a"), node("a"))
    await reached(lambda: bool(view.all()))
    clock.now_s += subjects.NODE_LEASE_S * 0.99
    assert view.get(subjects.node_key("a")) is not None
    clock.now_s += subjects.NODE_LEASE_S * 0.01
    assert view.all() == []
    await view.stop()


async def test_what_cannot_be_read_is_left_out() -> None:
    store = MemoryStore()
    await store.put(subjects.room_key("bad"), b"\xc1")
    await store.put(subjects.room_key("worse"), records.encode(NodeRecord(id="n", url="")))
    await store.put(
        subjects.room_key("good"), records.encode(RoomRecord(name="good", sid="RM_1", created_at_s=1.0))
    )
    view = RecordView(store, subjects.ROOMS, RoomRecord)
    await view.start()
    assert [record.name for record in view.all()] == ["good"]
    await view.stop()

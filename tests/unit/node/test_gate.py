import asyncio

import pytest

from sfu.cluster import records, subjects
from sfu.cluster.grants import Grant
from sfu.cluster.memory import MemoryStore
from sfu.cluster.records import BlockRecord
from sfu.config import Config
from sfu.errors import RejectedError
from sfu.node.gate import Gate

ADA = Grant(identity="ada", key="key", token_id="token")


async def test_a_block_counts_from_the_moment_the_store_has_it_until_it_runs_out() -> None:
    store = MemoryStore()
    gate = Gate(Config(), store)
    await gate.start()
    gate.check(ADA, "lab", address="192.0.2.1", now_s=0.0)
    block = BlockRecord(kind="address", value="192.0.2.0/24", until_s=100.0)
    await store.put(subjects.block_key("address", block.value), records.encode(block))
    await asyncio.sleep(0)
    with pytest.raises(RejectedError, match="403"):
        gate.check(ADA, "lab", address="192.0.2.1", now_s=1.0)
    gate.check(ADA, "lab", address="192.0.2.1", now_s=100.0)
    await gate.stop()


async def test_joins_are_counted() -> None:
    gate = Gate(Config(join_burst_identity=2, join_rate_identity=1), MemoryStore())
    await gate.start()
    for _ in range(2):
        gate.check(ADA, "lab", address="192.0.2.1", now_s=0.0)
    with pytest.raises(RejectedError, match="429"):
        gate.check(ADA, "lab", address="192.0.2.1", now_s=0.0)
    gate.check(ADA, "other", address="192.0.2.1", now_s=0.0)
    gate.check(ADA, "lab", address="192.0.2.1", now_s=1.0)
    await gate.stop()

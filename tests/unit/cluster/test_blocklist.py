import asyncio
from ipaddress import IPv4Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.cluster import subjects
from sfu.cluster.blocklist import BlockIndex, Blocklist, parse_network
from sfu.cluster.memory import MemoryStore
from sfu.cluster.records import BlockRecord, encode
from sfu.errors import RejectedError


def blocked(
    *blocks: BlockRecord, identity: str = "ada", address: str = "203.0.113.7", token: str = "t"
) -> bool:
    found = BlockIndex(blocks).find(identity=identity, address=address, token_id=token, now_s=100.0)
    assert found is None or found in blocks
    return found is not None


def test_each_kind_blocks_what_it_names_and_nothing_else() -> None:
    assert blocked(BlockRecord(kind="identity", value="ada"))
    assert not blocked(BlockRecord(kind="identity", value="ad"))
    assert blocked(BlockRecord(kind="token", value="t"))
    assert not blocked(BlockRecord(kind="token", value="ada"))


@pytest.mark.parametrize(
    ("value", "address", "hit"),
    [
        ("203.0.113.0/24", "203.0.113.7", True),
        ("203.0.113.7/32", "203.0.113.7", True),
        ("203.0.113.8/32", "203.0.113.7", False),
        ("2001:db8::/32", "2001:db8::1", True),
        ("2001:db8::/32", "203.0.113.7", False),
        ("0.0.0.0/0", "not an address", False),
        ("0.0.0.0/0", "203.0.113.7", True),
        ("not a network", "203.0.113.7", False),
        ("fe80::/64", "fe80::1%eth0", True),
    ],
)
def test_addresses_are_blocked_by_network(value: str, address: str, hit: bool) -> None:
    assert blocked(BlockRecord(kind="address", value=value), address=address) == hit


def test_a_block_runs_out() -> None:
    assert blocked(BlockRecord(kind="identity", value="ada", until_s=100.1))
    assert not blocked(BlockRecord(kind="identity", value="ada", until_s=100.0))


def test_what_is_no_network_is_refused() -> None:
    assert str(parse_network("203.0.113.7/24")) == "203.0.113.0/24"
    with pytest.raises(RejectedError, match="400"):
        parse_network("example.org")


@given(st.ip_addresses(v=4), st.lists(st.tuples(st.ip_addresses(v=4), st.integers(0, 32)), max_size=20))
def test_the_index_agrees_with_a_search(address: IPv4Address, nets: list[tuple[IPv4Address, int]]) -> None:
    networks = [ip_network((int(base), bits), strict=False) for base, bits in nets]
    blocks = [BlockRecord(kind="address", value=str(network)) for network in networks]
    assert blocked(*blocks, address=str(address)) == any(address in network for network in networks)


async def test_the_list_follows_the_store() -> None:
    store = MemoryStore()
    blocklist = Blocklist(store)
    await blocklist.start()
    await store.put(subjects.block_key("identity", "ada"), encode(BlockRecord(kind="identity", value="ada")))
    await asyncio.sleep(0)
    with pytest.raises(RejectedError, match="403"):
        blocklist.check(identity="ada", address="", token_id="", now_s=0.0)
    await store.delete(subjects.block_key("identity", "ada"))
    await asyncio.sleep(0)
    blocklist.check(identity="ada", address="", token_id="", now_s=0.0)
    await blocklist.stop()

import pytest

from sfu.cluster.blocklist import check_not_blocked, parse_network
from sfu.cluster.records import BlockRecord
from sfu.errors import RejectedError


def blocked(
    *blocks: BlockRecord, identity: str = "ada", address: str = "203.0.113.7", token: str = "t"
) -> bool:
    try:
        check_not_blocked(blocks, identity=identity, address=address, token_id=token, now_s=100.0)
    except RejectedError as error:
        return error.code == 403
    return False


def test_each_kind_blocks_what_it_names_and_nothing_else() -> None:
    assert blocked(BlockRecord(kind="identity", value="ada"))
    assert not blocked(BlockRecord(kind="identity", value="ad"))
    assert blocked(BlockRecord(kind="token", value="t"))
    assert not blocked(BlockRecord(kind="token", value="ada"))
    assert not blocked(BlockRecord(kind="identity", value=""), identity="")


@pytest.mark.parametrize(
    ("value", "address", "hit"),
    [
        ("203.0.113.0/24", "203.0.113.7", True),
        ("203.0.113.7/32", "203.0.113.7", True),
        ("203.0.113.8/32", "203.0.113.7", False),
        ("2001:db8::/32", "2001:db8::1", True),
        ("2001:db8::/32", "203.0.113.7", False),
        ("0.0.0.0/0", "not an address", False),
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

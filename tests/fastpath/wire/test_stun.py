"""STUN: the sample messages of RFC 5769, another implementation both ways, and what must not be believed."""

import struct
import zlib
from ipaddress import ip_address
from typing import Any

import pytest
from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from tests.fastpath.probes import wire_probe as probe

MALFORMED = probe.MALFORMED["stun"]
COOKIE = 0x2112A442
TRANSACTION = st.binary(min_size=12, max_size=12)
PASSWORDS = st.binary(min_size=1, max_size=100)
PORTS = st.integers(0, 0xFFFF)
NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64)

# RFC 5769 sections 2.1 and 2.2
SAMPLE_PASSWORD = b"VOkJxbRl1RmTxUk/WvJxBt"
SAMPLE_REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74"
    "002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020"
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf"
)
SAMPLE_RESPONSE = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220"
    "002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
)


def attribute(kind: int, value: bytes = b"") -> bytes:
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def message(*attributes: bytes, kind: int = 1) -> bytes:
    body = b"".join(attributes)
    return struct.pack("!HHL", kind, len(body), COOKIE) + bytes(12) + body


def ours(**changes: Any) -> bytes:
    fields = {"priority": 1, "tie_breaker": 2, "controlling": True, "use_candidate": True} | changes
    return probe.stun_write_request(bytes(range(12)), b"them:us", b"password", **fields)


def test_sample_request_of_rfc_5769() -> None:
    read = probe.stun_parse(SAMPLE_REQUEST, SAMPLE_PASSWORD)
    assert (read["type"], read["username"], read["priority"]) == (1, b"evtj:h6vY", 0x6E0001FF)
    assert (read["tie_breaker"], read["ice_controlled"]) == (0x932FF9B151263B36, True)
    assert (read["fingerprint_ok"], read["integrity_ok"], read["unknown"]) == (True, True, [])


def test_sample_response_of_rfc_5769() -> None:
    read = probe.stun_parse(SAMPLE_RESPONSE, SAMPLE_PASSWORD)
    assert (read["type"], read["has_mapped_address"]) == (0x0101, True)
    assert (read["fingerprint_ok"], read["integrity_ok"]) == (True, True)


@given(
    transaction=TRANSACTION,
    password=PASSWORDS,
    name=NAMES,
    priority=st.integers(1, 0xFFFFFFFF),
    tie_breaker=st.integers(0, (1 << 64) - 1),
    controlling=st.booleans(),
    use_candidate=st.booleans(),
)
def test_requests_both_ways(transaction: bytes, password: bytes, name: str, **fields: Any) -> None:
    theirs = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, transaction, {"USERNAME": name})
    theirs.attributes["PRIORITY"] = fields["priority"]
    role = "ICE-CONTROLLING" if fields["controlling"] else "ICE-CONTROLLED"
    theirs.attributes[role] = fields["tie_breaker"]
    if fields["use_candidate"]:
        theirs.attributes["USE-CANDIDATE"] = None
    theirs.add_message_integrity(password)
    assert probe.stun_write_request(transaction, name.encode(), password, **fields) == bytes(theirs)
    read = probe.stun_parse(bytes(theirs), password)
    assert (read["transaction"], read["username"]) == (transaction, name.encode())
    assert (read["priority"], read["tie_breaker"]) == (fields["priority"], fields["tie_breaker"])
    assert (read["ice_controlling"], read["ice_controlled"]) == (
        fields["controlling"],
        not fields["controlling"],
    )
    assert read["use_candidate"] == fields["use_candidate"]
    assert (read["fingerprint_ok"], read["integrity_ok"]) == (True, True)


@given(TRANSACTION, st.ip_addresses(), PORTS, PASSWORDS)
def test_aioice_learns_its_address(transaction: bytes, address: Any, port: int, password: bytes) -> None:
    read = stun.parse_message(probe.stun_write_response(transaction, address.packed, port, password))
    mapped, mapped_port = read.attributes["XOR-MAPPED-ADDRESS"]
    assert (ip_address(mapped), mapped_port) == (address, port)
    assert (read.message_class, read.transaction_id) == (stun.Class.RESPONSE, transaction)
    assert read.check_message_integrity(password)


@pytest.mark.parametrize("code", [400, 401, 420, 487])
@given(
    transaction=TRANSACTION,
    unknown=st.lists(st.integers(0, 0x7FFF), max_size=4),
    password=st.binary(max_size=30),
)
def test_errors_are_signed_unless_nobody_is_known(
    code: int, transaction: bytes, unknown: list[int], password: bytes
) -> None:
    answer = probe.stun_write_error(transaction, code, unknown, password)
    theirs, read = stun.parse_message(answer), probe.stun_parse(answer, password)
    assert (theirs.error_code, read["error_code"], read["type"]) == (code, code, 0x0111)
    assert (
        read["integrity_ok"] == theirs.check_message_integrity(password) == (code != 401 and password != b"")
    )
    assert (attribute(0x0A, struct.pack(f"!{len(unknown)}H", *unknown)) in answer) or not unknown


@given(st.binary(max_size=2000))
def test_fingerprint_is_zlibs_crc(data: bytes) -> None:
    assert probe.crc32(data) == zlib.crc32(data)


@given(st.data())
def test_any_changed_bit_is_noticed(data: st.DataObject) -> None:
    good = ours()
    bit = data.draw(st.integers(0, 8 * len(good) - 1))
    bad = bytearray(good)
    bad[bit // 8] ^= 1 << bit % 8
    read = probe.stun_parse(bytes(bad), b"password")
    assert read == MALFORMED or not (read["fingerprint_ok"] and read["integrity_ok"])


@given(st.integers(0, 200))
def test_no_proper_part_of_a_message_is_one(cut: int) -> None:
    good = ours()
    assert probe.stun_parse(good[: min(cut, len(good) - 1)]) == MALFORMED
    assert probe.stun_parse(good + b"\0\0\0\0") == MALFORMED


@given(st.integers(0, 120))
def test_a_small_buffer_gets_nothing(capacity: int) -> None:
    written = ours(capacity=capacity)
    assert written == (ours() if capacity >= len(ours()) else b"")


def test_what_follows_integrity_is_not_believed() -> None:
    good = ours(use_candidate=False)
    forged = good[:-8] + attribute(0x0025) + attribute(0x7001)
    forged = forged[:2] + struct.pack("!H", len(forged) - 20) + forged[4:]
    read = probe.stun_parse(forged, b"password")
    assert (read["integrity_ok"], read["use_candidate"], read["unknown"]) == (True, False, [])


def test_nothing_follows_the_fingerprint() -> None:
    assert probe.stun_parse(message(attribute(0x8028, bytes(4)), attribute(0x0025))) == MALFORMED


def test_the_first_of_two_counts() -> None:
    twice = message(attribute(6, b"first"), attribute(6, b"second"), attribute(0x24, b"\0\0\0\1"))
    read = probe.stun_parse(twice)
    assert (read["username"], read["priority"]) == (b"first", 1)


def test_two_roles_are_malformed() -> None:
    assert probe.stun_parse(message(attribute(0x8029, bytes(8)), attribute(0x802A, bytes(8)))) == MALFORMED


def test_unknown_attributes_are_listed_if_they_must_be_understood() -> None:
    kinds = [0x0002, 0x7FFF, 0x8000, 0xC057, 0x0003, 0x001C, 0x0004]
    read = probe.stun_parse(message(*(attribute(kind, b"abc") for kind in kinds)))
    assert read["unknown"] == [0x0002, 0x7FFF, 0x0003, 0x001C]


@pytest.mark.parametrize(
    ("kind", "length"),
    [(0x24, 3), (0x25, 4), (0x8029, 4), (0x802A, 16), (8, 16), (0x8028, 8), (0x20, 9), (9, 2)],
)
def test_wrong_lengths_are_malformed(kind: int, length: int) -> None:
    assert probe.stun_parse(message(attribute(kind, bytes(length)))) == MALFORMED

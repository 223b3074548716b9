"""Header extensions: both forms against another implementation, and RFC 8285 where that one is lax."""

import re
import struct
from pathlib import Path

import pytest
from aiortc.rtp import pack_header_extensions, unpack_header_extensions
from hypothesis import given
from hypothesis import strategies as st

import sfu._fastpath
from sfu._fastpath.extensions import EXTENSION_NUMBERS, EXTENSION_URIS, extension_number
from tests.fastpath.probes import wire_probe as probe

ONE_BYTE, TWO_BYTE = 0xBEDE, 0x1000
FIXED = bytes.fromhex("90600001 00000002 00000003")
SHORT = st.tuples(st.integers(1, 14), st.binary(min_size=1, max_size=16))
LONG = st.tuples(st.integers(1, 255), st.binary(max_size=255))


def packet(profile: int, elements: bytes) -> bytes:
    padded = elements + bytes(-len(elements) % 4)
    return FIXED + struct.pack("!HH", profile, len(padded) // 4) + padded


@given(st.lists(SHORT, max_size=14) | st.lists(LONG, max_size=8))
def test_we_read_what_aiortc_writes(elements: list[tuple[int, bytes]]) -> None:
    profile, value = pack_header_extensions(elements)
    assert probe.ext_elements(packet(profile, value)) == elements


@given(st.lists(SHORT, max_size=14), st.booleans())
def test_aiortc_reads_what_we_write(elements: list[tuple[int, bytes]], two_byte: bool) -> None:
    block, taken = probe.ext_write(elements, 1000, two_byte)
    assert all(taken)
    if not elements:
        assert block == b""
        return
    profile, words = struct.unpack("!HH", block[:4])
    assert (profile, len(block)) == (TWO_BYTE if two_byte else ONE_BYTE, 4 + 4 * words)
    assert unpack_header_extensions(profile, block[4:]) == elements
    assert probe.ext_elements(FIXED + block) == elements


@given(st.lists(LONG, max_size=8), st.integers(0, 300), st.booleans())
def test_what_does_not_fit_is_left_out_whole(
    elements: list[tuple[int, bytes]], capacity: int, two_byte: bool
) -> None:
    block, taken = probe.ext_write(elements, capacity, two_byte)
    kept = [element for element, ok in zip(elements, taken, strict=True) if ok]
    assert len(block) <= capacity
    assert (probe.ext_elements(FIXED + block) if block else []) == kept
    for number, data in kept:
        assert two_byte or (number <= 14 and 1 <= len(data) <= 16)


@pytest.mark.parametrize("block", [b"\x10\xaa\xf0\xbb\x20\xcc", b"\x10\xaa\x03\xbb\x20\xcc"])
def test_one_byte_form_ends_at_id_15_and_at_id_0_with_a_length(block: bytes) -> None:
    assert probe.ext_elements(packet(ONE_BYTE, block)) == [(1, b"\xaa")]


def test_padding_may_stand_between_elements() -> None:
    assert probe.ext_elements(packet(ONE_BYTE, b"\0\0\x10\xaa\0\x20\xbb")) == [(1, b"\xaa"), (2, b"\xbb")]
    assert probe.ext_elements(packet(TWO_BYTE, b"\0\x01\x01\xaa\0\x10\x00")) == [(1, b"\xaa"), (16, b"")]


@pytest.mark.parametrize("appbits", range(16))
def test_appbits_do_not_matter(appbits: int) -> None:
    assert probe.ext_elements(packet(TWO_BYTE | appbits, b"\x01\x01\xaa")) == [(1, b"\xaa")]


@given(
    st.integers(0, 0xFFFF).filter(lambda x: x != ONE_BYTE and x & 0xFFF0 != TWO_BYTE), st.binary(max_size=64)
)
def test_other_profiles_have_no_elements(profile: int, value: bytes) -> None:
    assert probe.ext_elements(packet(profile, value)) == []


@pytest.mark.parametrize("profile", [ONE_BYTE, TWO_BYTE])
@given(value=st.binary(max_size=80))
def test_elements_are_pieces_of_the_block_in_order(profile: int, value: bytes) -> None:
    at = 16
    whole = packet(profile, value)
    for number, data in probe.ext_elements(whole):
        head = bytes([number << 4 | len(data) - 1]) if profile == ONE_BYTE else bytes([number, len(data)])
        at = whole.index(head + data, at) + len(head + data)


def test_numbers_follow_the_enum() -> None:
    text = (Path(sfu._fastpath.__file__).parent / "wire" / "extensions.pxd").read_text()
    body = text.split("cdef enum ExtType:")[1].split("\ncdef")[0]
    members = [name.lower() for name in re.findall(r"^    EXT_([A-Z_]+)", body, re.MULTILINE)]
    assert members.pop() == "type_count"
    assert {name: number for number, name in enumerate(members)} == EXTENSION_NUMBERS
    assert sorted(EXTENSION_URIS.values()) == sorted(members[1:])


def test_numbers_by_uri() -> None:
    assert extension_number("urn:ietf:params:rtp-hdrext:sdes:mid") == 1
    assert extension_number("urn:ietf:params:rtp-hdrext:unheard-of") == 0

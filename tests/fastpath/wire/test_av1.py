"""AV1 aggregation headers and dependency descriptors (RTP Payload Format For AV1, sections 4.4 and A.8)."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fastpath.probes import wire_probe as probe

MALFORMED = probe.MALFORMED["rtp"]
SEQUENCE_HEADER = 1
ELEMENTS = st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=6)


def leb128(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def payload(elements: list[bytes], *, z: bool, y: bool, n: bool, counted: bool) -> bytes:
    """`counted`: say W and leave out the last size, which three elements at most can do."""
    count = len(elements) if counted else 0
    sized = [leb128(len(element)) + element for element in elements]
    if counted:
        sized[-1] = elements[-1]
    return bytes([z << 7 | y << 6 | count << 4 | n << 3]) + b"".join(sized)


@given(ELEMENTS, st.booleans(), st.booleans(), st.booleans())
def test_elements_are_found(elements: list[bytes], z: bool, y: bool, counted: bool) -> None:
    counted = counted and len(elements) <= 3
    read = probe.av1_parse(payload(elements, z=z, y=y, n=False, counted=counted))
    started = elements[1:] if z else elements
    assert read["element_count"] == len(elements)
    assert (read["continues"], read["continued"], read["keyframe"]) == (z, y, False)
    assert read["has_sequence_header"] == any(e[0] >> 3 & 15 == SEQUENCE_HEADER for e in started)


def test_a_new_sequence_is_a_keyframe() -> None:
    obu = bytes([SEQUENCE_HEADER << 3])
    read = probe.av1_parse(payload([obu], z=False, y=False, n=True, counted=True))
    assert (read["keyframe"], read["has_sequence_header"]) == (True, True)
    assert probe.av1_parse(payload([obu], z=True, y=False, n=True, counted=True)) == MALFORMED


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x10",  # nothing behind the header
        b"\x20\x05ab",  # an element longer than the packet
        b"\x30\x01a\x01b",  # three announced, two there
        b"\x00" + b"\xff" * 9,  # a size without an end
    ],
)
def test_malformed(data: bytes) -> None:
    assert probe.av1_parse(data) == MALFORMED


@given(
    st.booleans(), st.booleans(), st.integers(0, 63), st.integers(0, 0xFFFF), st.none() | st.integers(0, 255)
)
def test_dependency_descriptors(
    start: bool, end: bool, template: int, number: int, extended: int | None
) -> None:
    data = struct.pack("!BH", start << 7 | end << 6 | template, number)
    data += b"" if extended is None else bytes([extended])
    assert probe.dependency_parse(data) == {
        "start_of_frame": start,
        "end_of_frame": end,
        "template_id": template,
        "frame_number": number,
        "has_structure": bool((extended or 0) & 0x80),
        "has_active_targets": bool((extended or 0) & 0x40),
    }
    assert probe.dependency_parse(data[:2]) == MALFORMED

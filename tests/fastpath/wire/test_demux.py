"""Demultiplexing: every first byte belongs to one protocol, as the figure in RFC 7983 section 7 has it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fastpath.probes import wire_probe as probe

RANGES = {range(4): "stun", range(20, 64): "dtls", range(64, 80): "turn_channel", range(128, 192): "rtp"}


@pytest.mark.parametrize("first", range(256))
def test_first_byte_decides(first: int) -> None:
    expected = next((name for span, name in RANGES.items() if first in span), "other")
    assert probe.classify(bytes([first, 0])) == expected


@given(first=st.integers(128, 191), second=st.integers(0, 255), rest=st.binary(max_size=40))
def test_rtcp_is_what_no_payload_type_may_look_like(first: int, second: int, rest: bytes) -> None:
    expected = "rtcp" if 64 <= second & 0x7F <= 95 and second & 0x80 else "rtp"
    assert probe.classify(bytes([first, second]) + rest) == expected


def test_too_short_for_a_verdict() -> None:
    assert probe.classify(b"") == "other"
    assert probe.classify(b"\x80") == "other"

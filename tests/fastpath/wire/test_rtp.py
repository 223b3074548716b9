"""RTP headers: what is written is what another implementation reads, and nothing truncated passes."""

import struct
from typing import Any

import pytest
from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from tests.fastpath.probes import wire_probe as probe

MALFORMED = probe.MALFORMED["rtp"]
U16, U32 = st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
PROFILES = st.sampled_from([0xBEDE, 0x1000, 0x100F]) | U16


@st.composite
def packets(draw: st.DrawFn) -> tuple[bytes, dict[str, Any]]:
    """A packet put together by hand, and what it says."""
    csrcs = draw(st.lists(U32, max_size=15))
    extension = draw(st.none() | st.tuples(PROFILES, st.integers(0, 8)))
    fields = {
        "marker": draw(st.booleans()),
        "pt": draw(st.integers(0, 127)),
        "seq": draw(U16),
        "rtp_ts": draw(U32),
        "ssrc": draw(U32),
        "csrc_count": len(csrcs),
        "padding": draw(st.booleans()),
    }
    first = 0x80 | fields["padding"] << 5 | (extension is not None) << 4 | len(csrcs)
    head = struct.pack("!BBH", first, fields["marker"] << 7 | fields["pt"], fields["seq"])
    head += struct.pack(f"!{2 + len(csrcs)}L", fields["rtp_ts"], fields["ssrc"], *csrcs)
    fields |= {"ext_profile": 0, "ext_bytes": 0, "ext_offset": 0}
    if extension is not None:
        profile, words = extension
        fields |= {"ext_profile": profile, "ext_bytes": 4 * words, "ext_offset": len(head) + 4}
        head += struct.pack("!HH", profile, words) + draw(st.binary(min_size=4 * words, max_size=4 * words))
    fields["header_bytes"] = len(head)
    return head + draw(st.binary(max_size=60)), fields


@given(packets())
def test_every_field_is_read(made: tuple[bytes, dict[str, Any]]) -> None:
    packet, fields = made
    assert probe.rtp_parse(packet) == fields


@given(packets(), st.data())
def test_a_cut_header_is_malformed(made: tuple[bytes, dict[str, Any]], data: st.DataObject) -> None:
    packet, fields = made
    cut = data.draw(st.integers(0, fields["header_bytes"] - 1))
    assert probe.rtp_parse(packet[:cut]) == MALFORMED


@pytest.mark.parametrize("version", [0, 1, 3])
def test_other_versions_are_malformed(version: int) -> None:
    assert probe.rtp_parse(bytes([version << 6]) + bytes(40)) == MALFORMED


@given(
    marker=st.booleans(), pt=st.integers(0, 127), seq=U16, rtp_ts=U32, ssrc=U32, payload=st.binary(min_size=1)
)
def test_aiortc_reads_what_we_write(**f: Any) -> None:
    payload = f.pop("payload")
    head = probe.rtp_write_header(has_ext=False, padding=False, **f)
    theirs = RtpPacket.parse(head + payload)
    assert (theirs.marker, theirs.payload_type, theirs.sequence_number) == (f["marker"], f["pt"], f["seq"])
    assert (theirs.timestamp, theirs.ssrc, theirs.payload) == (f["rtp_ts"], f["ssrc"], payload)


@given(has_ext=st.booleans(), padding=st.booleans())
def test_written_flags_are_read_back(has_ext: bool, padding: bool) -> None:
    fixed = {"pt": 96, "marker": True, "seq": 1, "rtp_ts": 2, "ssrc": 3}
    head = probe.rtp_write_header(has_ext=has_ext, padding=padding, **fixed)
    read = probe.rtp_parse(head + b"\xbe\xde\0\0")
    assert (read["padding"], read["header_bytes"]) == (padding, 16 if has_ext else 12)


@given(st.binary(max_size=300))
def test_padding_is_what_the_last_byte_says_if_it_can_be(payload: bytes) -> None:
    count = payload[-1] if payload else 0
    assert probe.rtp_padding(payload) == (count if 1 <= count <= len(payload) else -MALFORMED)

"""H.264 payloads: a keyframe's start is found in whichever structure of RFC 6184 it hides."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fastpath.probes import wire_probe as probe

MALFORMED = probe.MALFORMED["rtp"]
SLICE, IDR, SPS, PPS, STAP_A, STAP_B, MTAP16, MTAP24, FU_A, FU_B = 1, 5, 7, 8, 24, 25, 26, 27, 28, 29
FIRST_SLICE, LATER_SLICE = b"\x88", b"\x40"  # first_mb_in_slice 0 and 1
NALS = st.lists(st.tuples(st.integers(1, 23), st.binary(max_size=12)), min_size=1, max_size=6)
AGGREGATES = {STAP_A: (0, 0), STAP_B: (2, 0), MTAP16: (2, 3), MTAP24: (2, 4)}


def nal(kind: int, body: bytes = FIRST_SLICE) -> bytes:
    return bytes([0x60 | kind]) + body


def aggregate(kind: int, nals: list[bytes]) -> bytes:
    decoding_order, prefix = AGGREGATES[kind]
    units = b"".join(struct.pack("!H", len(unit)) + bytes(prefix) + unit for unit in nals)
    return bytes([kind]) + bytes(decoding_order) + units


def fragment(kind: int, inner: int, start: bool, body: bytes = FIRST_SLICE) -> bytes:
    return bytes([kind, start << 7 | inner]) + (bytes(2) if kind == FU_B else b"") + body


@given(NALS, st.sampled_from(sorted(AGGREGATES)))
def test_an_aggregate_is_the_sum_of_its_parts(parts: list[tuple[int, bytes]], kind: int) -> None:
    nals = [nal(*part) for part in parts]
    single = [probe.h264_parse(unit) for unit in nals]
    whole = probe.h264_parse(aggregate(kind, nals))
    assert whole["nal_type"] == kind
    for name in ["keyframe", "has_sps", "has_pps", "start_of_frame"]:
        assert whole[name] == any(part[name] for part in single)


@pytest.mark.parametrize("kind", range(1, 24))
def test_single_units(kind: int) -> None:
    read = probe.h264_parse(nal(kind))
    assert (read["keyframe"], read["has_sps"], read["has_pps"]) == (kind == IDR, kind == SPS, kind == PPS)
    assert read["start_of_frame"] == (kind in {1, 2, 5, 6, 7, 8, 9})


@pytest.mark.parametrize("kind", [FU_A, FU_B])
def test_only_the_first_fragment_starts_a_keyframe(kind: int) -> None:
    first, later = probe.h264_parse(fragment(kind, IDR, True)), probe.h264_parse(fragment(kind, IDR, False))
    assert (first["keyframe"], first["start_of_frame"], first["nal_type"]) == (True, True, IDR)
    assert (later["keyframe"], later["start_of_frame"], later["nal_type"]) == (False, False, IDR)


def test_a_later_slice_does_not_start_a_frame() -> None:
    assert probe.h264_parse(nal(SLICE, FIRST_SLICE))["start_of_frame"]
    assert not probe.h264_parse(nal(SLICE, LATER_SLICE))["start_of_frame"]


@given(NALS, st.sampled_from(sorted(AGGREGATES)), st.data())
def test_a_cut_aggregate_is_malformed(parts: list[tuple[int, bytes]], kind: int, data: st.DataObject) -> None:
    nals = [nal(*part) for part in parts]
    whole = aggregate(kind, nals)
    boundaries = {len(aggregate(kind, nals[:count])) for count in range(1, len(nals) + 1)}
    cut = data.draw(st.integers(0, len(whole) - 1).filter(lambda at: at not in boundaries))
    assert probe.h264_parse(whole[:cut]) == MALFORMED


@pytest.mark.parametrize(
    "payload", [b"", b"\0", b"\x1e\0", b"\x1f\0", b"\x1c\x85", b"\x1d\x85\0\0", b"\x18\0\0"]
)
def test_malformed(payload: bytes) -> None:
    assert probe.h264_parse(payload) == MALFORMED

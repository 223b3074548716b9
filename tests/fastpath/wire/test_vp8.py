"""VP8 payload descriptors: another implementation's bytes, and ids rewritten in place."""

from typing import Any

from aiortc.codecs.vpx import VpxPayloadDescriptor
from hypothesis import given
from hypothesis import strategies as st

from tests.fastpath.probes import wire_probe as probe

MALFORMED = probe.MALFORMED["rtp"]
U15, U8 = st.integers(0, 0x7FFF), st.integers(0, 0xFF)
DESCRIPTORS = st.builds(
    VpxPayloadDescriptor,
    partition_start=st.integers(0, 1),
    partition_id=st.integers(0, 7),
    picture_id=st.none() | U15,
    tl0picidx=st.none() | U8,
    tid=st.none() | st.tuples(st.integers(0, 3), st.integers(0, 1)),
    keyidx=st.none() | st.integers(0, 31),
)


@given(DESCRIPTORS, st.binary(min_size=1, max_size=20))
def test_we_read_what_aiortc_writes(d: VpxPayloadDescriptor, frame: bytes) -> None:
    read = probe.vp8_parse(bytes(d) + frame)
    assert read["descriptor_bytes"] == len(bytes(d))
    assert read["start_of_partition"] == (d.partition_start == 1 and d.partition_id == 0)
    assert read["keyframe"] == (read["start_of_partition"] and frame[0] & 1 == 0)
    assert (read["picture_id"] if read["has_picture_id"] else None) == d.picture_id
    assert read["picture_id_15bit"] == (d.picture_id is not None)
    assert (read["tl0_pic_idx"] if read["has_tl0"] else None) == d.tl0picidx
    assert ((read["tid"], int(read["layer_sync"])) if read["has_tid"] else None) == d.tid


@given(DESCRIPTORS, U15, U8)
def test_rewriting_touches_the_ids_only(d: VpxPayloadDescriptor, picture_id: int, tl0: int) -> None:
    written = probe.vp8_write_ids(bytes(d) + b"frame", picture_id, tl0)
    if d.picture_id is not None:
        d.picture_id = picture_id
    if d.tl0picidx is not None:
        d.tl0picidx = tl0
    assert written == bytes(d) + b"frame"


@given(st.integers(0, 127), U15)
def test_a_seven_bit_picture_id_stays_one(before: int, after: int) -> None:
    payload = bytes([0x90, 0x80, before, 0])
    read: dict[str, Any] = probe.vp8_parse(payload)
    assert (read["picture_id"], read["picture_id_15bit"], read["descriptor_bytes"]) == (before, False, 3)
    assert probe.vp8_write_ids(payload, after, 0) == bytes([0x90, 0x80, after & 0x7F, 0])


@given(DESCRIPTORS, st.data())
def test_a_descriptor_with_nothing_behind_it_is_malformed(
    d: VpxPayloadDescriptor, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(bytes(d))))
    assert probe.vp8_parse(bytes(d)[:cut]) == MALFORMED

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.cluster import records, subjects
from sfu.cluster.records import CallRecord, NodeRecord, ParticipantRecord, RoomRecord, TrackEntry

ROOM = RoomRecord(name="r", sid="RM_1", created_at_s=1.5, max_participants=4, node="n")
PARTICIPANT = ParticipantRecord(
    room="r",
    identity="ada",
    sid="PA_1",
    call_id="CA_1",
    node="n",
    tracks=[TrackEntry(sid="TR_1", kind="video", rids=["q", "h", "f"])],
)


@pytest.mark.parametrize("record", [ROOM, PARTICIPANT, NodeRecord(id="n", url="http://n")])
def test_records_come_back_as_they_went(record: records.Record) -> None:
    assert records.decode(records.encode(record), type(record)) == record


def test_fields_of_newer_versions_are_ignored_and_missing_ones_filled_in() -> None:
    raw: dict[str, Any] = {"v": 9, "name": "r", "sid": "RM_1", "created_at_s": 1, "mood": {"nested": [1, 2]}}
    record = records.decode(msgspec.msgpack.encode(raw), RoomRecord)
    assert (record.v, record.name, record.empty_timeout_s) == (9, "r", 300)


def test_wrong_types_are_an_error_of_msgspec() -> None:
    with pytest.raises(msgspec.ValidationError):
        records.decode(msgspec.msgpack.encode({"call_id": 1}), CallRecord)


@given(st.text(min_size=1), st.text(min_size=1))
def test_keys_of_different_names_differ_and_keep_to_the_alphabet(one: str, other: str) -> None:
    for name in (one, other):
        try:
            name.encode()
        except UnicodeEncodeError:
            return
    assert (subjects.key_part(one) == subjects.key_part(other)) == (one == other)
    key = subjects.participant_key(one, other)
    assert set(key) <= set("-/_=.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
    assert key.count(".") == 2


def test_a_lease_goes_by_the_class_of_the_key() -> None:
    assert subjects.class_of(subjects.node_key("a.b")) in subjects.LEASES
    assert subjects.class_of(subjects.room_key("nodes.")) == subjects.ROOMS
    assert subjects.class_of("nothing") == ""

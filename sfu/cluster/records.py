"""What processes tell each other through the Store: msgpack records.

`v` is the schema version. A reader ignores fields it does not know and fills in defaults for those it
misses, so Nodes and Directors of neighbouring versions can share a Store; a field never changes its meaning.
Times are Unix seconds (`_s`).
"""

from __future__ import annotations

from typing import Final, Literal, TypeVar

import msgspec

SCHEMA_VERSION: Final = 1


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The base of all records."""

    v: int = SCHEMA_VERSION


class NodeRecord(Record, frozen=True, kw_only=True):
    """One Node as it describes itself in every heartbeat.

    `url` is the base of its signalling URLs. `load` is the busiest Worker's share of one core, 0..1;
    `subscriptions_limit` says how many Subscriptions it thinks it can carry, 0 when it does not know.
    """

    id: str
    url: str
    region: str = ""
    draining: bool = False
    drain_deadline_at_s: float = 0.0
    started_at_s: float = 0.0
    heartbeat_at_s: float = 0.0
    workers: int = 1
    load: float = 0.0
    participants: int = 0
    subscriptions: int = 0
    subscriptions_limit: int = 0


class RoomRecord(Record, frozen=True, kw_only=True):
    """One Room: its limits and the Node it has been placed on (`node` is empty until then)."""

    name: str
    sid: str
    created_at_s: float
    empty_timeout_s: int = 300
    max_participants: int = 0
    max_duration_s: int = 0
    region: str = ""
    node: str = ""


class TrackEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One published Track of a ParticipantRecord; `rids` go from lowest to highest quality."""

    sid: str
    kind: Literal["audio", "video"]
    source: str = ""
    codec: str = ""
    muted: bool = False
    rids: list[str] = []


ParticipantState = Literal["joining", "active", "disconnected"]


class ParticipantRecord(Record, frozen=True, kw_only=True):
    """One Participant, written by its Node when it joins and whenever something below changes."""

    room: str
    identity: str
    sid: str
    call_id: str
    node: str
    name: str = ""
    metadata: str = ""
    state: ParticipantState = "active"
    joined_at_s: float = 0.0
    hidden: bool = False
    can_publish: bool = True
    can_subscribe: bool = True
    can_publish_data: bool = True
    can_publish_sources: list[str] = []
    tracks: list[TrackEntry] = []


CallState = Literal["placed", "active", "ended"]


class CallRecord(Record, frozen=True, kw_only=True):
    """One Call from being placed by a Director (or joining at a Node) to its end."""

    call_id: str
    room: str
    identity: str
    node: str
    state: CallState = "placed"
    placed_at_s: float = 0.0
    joined_at_s: float = 0.0
    ended_at_s: float = 0.0
    end_reason: str = ""


class ClientStatsRecord(Record, frozen=True, kw_only=True):
    """The latest summaries of a Call that the client itself sent in, oldest first."""

    call_id: str
    summaries: list[dict[str, float]] = []


BlockKind = Literal["identity", "address", "token"]


class BlockRecord(Record, frozen=True, kw_only=True):
    """A refused identity, address (or network prefix) or token id; `until_s` 0 is for ever."""

    kind: BlockKind
    value: str
    until_s: float = 0.0
    reason: str = ""


RecordT = TypeVar("RecordT", bound=Record)

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODERS: Final[dict[type[Record], msgspec.msgpack.Decoder[Record]]] = {}


def encode(record: Record) -> bytes:
    """The record as msgpack."""
    return _ENCODER.encode(record)


def decode(data: bytes, record_type: type[RecordT]) -> RecordT:
    """The record in `data`; raises msgspec.ValidationError when a field has the wrong type."""
    decoder = _DECODERS.get(record_type)
    if decoder is None:
        decoder = _DECODERS[record_type] = msgspec.msgpack.Decoder(record_type)
    return decoder.decode(data)  # type: ignore[return-value]

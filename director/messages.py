"""The JSON of the Director's API: what calls take and what they answer.

Field names carry units; times are Unix seconds. Requests refuse fields they do not know, so that a misspelt
limit is an error and not a surprise.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

NAME_PATTERN: Final = r"^[^./\x00-\x1f\x7f][^/\x00-\x1f\x7f]*$(?!\n)"
"""The look-ahead: Python's `$` also stands before a last line feed, JSON Schema's does not."""

Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=256,
        pattern=NAME_PATTERN,
        description="No slash, no control characters, no leading dot.",
    ),
]
DisplayName = Annotated[str, Meta(max_length=256)]
Metadata = Annotated[str, Meta(max_length=16_384)]
Region = Annotated[str, Meta(max_length=64)]
Sources = Annotated[list[Annotated[str, Meta(min_length=1, max_length=64)]], Meta(max_length=16)]
Limit = Annotated[int, Meta(ge=0, le=1_000_000_000, description="0 takes the Director's default.")]
BlockKindName = Literal["identity", "address", "token"]
Metric = Annotated[str, Meta(min_length=1, max_length=64)]


class Body(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of all requests."""


class CreateRoom(Body, frozen=True, kw_only=True):
    """A Room to be created, or the same Room as it is when it exists."""

    name: Name
    empty_timeout_s: Limit = 0
    max_participants: Limit = 0
    max_duration_s: Limit = 0
    region: Region = ""


class JoinGrants(Body, frozen=True, kw_only=True):
    """What the Participant may do in the Room."""

    can_publish: bool = True
    can_subscribe: bool = True
    can_publish_data: bool = True
    can_publish_sources: Sources = []
    hidden: bool = False


class JoinRoom(Body, frozen=True, kw_only=True):
    """Who is to join; `region` is where the Participant is, when that is known."""

    identity: Name
    name: DisplayName = ""
    metadata: Metadata = ""
    grants: JoinGrants = JoinGrants()
    region: Region = ""
    ttl_s: Annotated[int, Meta(ge=0, le=86_400, description="Life of the token; 0 takes the default.")] = 0


class GrantsPatch(Body, frozen=True, kw_only=True):
    """Permissions to change; what is absent stays."""

    can_publish: bool | None = None
    can_subscribe: bool | None = None
    can_publish_data: bool | None = None
    can_publish_sources: Sources | None = None
    hidden: bool | None = None


class PatchParticipant(Body, frozen=True, kw_only=True):
    """Mute or unmute (all Tracks, those of a `kind`, or one by `track_sid`), or change grants, or both."""

    muted: bool | None = None
    kind: Literal["audio", "video"] | None = None
    track_sid: Annotated[str, Meta(max_length=64)] = ""
    grants: GrantsPatch | None = None


class Drain(Body, frozen=True, kw_only=True):
    """Calls that are left after `deadline_s` are ended."""

    deadline_s: Annotated[float, Meta(ge=0, le=86_400)] = 600.0


class Block(Body, frozen=True, kw_only=True):
    """Why, and for how long (0: for ever)."""

    ttl_s: Annotated[float, Meta(ge=0, le=315_360_000)] = 0.0
    reason: Annotated[str, Meta(max_length=256)] = ""


class CallStats(Body, frozen=True, kw_only=True):
    """One summary of how the Call is for the client: numbers by name, such as `rtt_ms`, `loss`, `freezes`."""

    values: Annotated[dict[Metric, float], Meta(max_length=64)]


class RoomAnswer(Struct, frozen=True, kw_only=True):
    """A Room; `node` is null until somebody was placed."""

    name: str
    sid: str
    created_at_s: float
    empty_timeout_s: int
    max_participants: int
    max_duration_s: int
    region: str
    node: str | None
    num_participants: int
    num_publishers: int


class RoomList(Struct, frozen=True, kw_only=True):
    """All Rooms, by name."""

    rooms: list[RoomAnswer]


class NodeName(Struct, frozen=True, kw_only=True):
    """The Node that was chosen."""

    id: str
    region: str


class SignalingUrls(Struct, frozen=True, kw_only=True):
    """Where the client posts its offer: to publish, to watch, to talk."""

    whip: str
    whep: str
    talk: str


class IceServer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An RTCIceServer (W3C WebRTC section 4.2.4)."""

    urls: list[str]
    username: str = ""
    credential: str = ""


class JoinAnswer(Struct, frozen=True, kw_only=True):
    """Everything the client needs; `token` is good until `expires_at` (Unix seconds)."""

    room: str
    identity: str
    call_id: str
    node: NodeName
    token: str
    expires_at: int
    urls: SignalingUrls
    ice_servers: list[IceServer]


class TrackAnswer(Struct, frozen=True, kw_only=True):
    """One published Track; `rids` go from lowest to highest quality."""

    sid: str
    kind: str
    source: str
    codec: str
    muted: bool
    rids: list[str]


class ParticipantAnswer(Struct, frozen=True, kw_only=True):
    """Who is in the Room."""

    identity: str
    sid: str
    call_id: str
    room: str
    node: str
    name: str
    metadata: str
    state: str
    joined_at_s: float
    grants: JoinGrants
    tracks: list[TrackAnswer]


class ParticipantList(Struct, frozen=True, kw_only=True):
    """Participants in order of joining."""

    participants: list[ParticipantAnswer]


class TreeNode(Struct, frozen=True, kw_only=True):
    """One Node of the cascade."""

    id: str
    region: str
    role: Literal["origin", "edge"]
    num_participants: int
    tracks: list[TrackAnswer]


class TreeRelay(Struct, frozen=True, kw_only=True):
    """Media that flows between two Nodes: Track SIDs with the RIDs that cross."""

    origin: str
    edge: str
    tracks: dict[str, list[str]]


class Tree(Struct, frozen=True, kw_only=True):
    """How the Room is spread over Nodes."""

    room: str
    nodes: list[TreeNode]
    relays: list[TreeRelay]


class NodeAnswer(Struct, frozen=True, kw_only=True):
    """A live Node; `load` is the busiest Worker's share of one core."""

    id: str
    url: str
    region: str
    draining: bool
    started_at_s: float
    heartbeat_at_s: float
    workers: int
    load: float
    num_participants: int
    num_subscriptions: int


class NodeList(Struct, frozen=True, kw_only=True):
    """All live Nodes, by id."""

    nodes: list[NodeAnswer]


class BlockAnswer(Struct, frozen=True, kw_only=True):
    """One entry of the blocklist; `until_s` 0 is for ever."""

    kind: str
    value: str
    until_s: float
    reason: str


class BlockList(Struct, frozen=True, kw_only=True):
    """The blocklist."""

    blocks: list[BlockAnswer]


class CallAnswer(Struct, frozen=True, kw_only=True):
    """The record of one Call; times that have not come are null."""

    call_id: str
    room: str
    identity: str
    node: str
    state: str
    placed_at_s: float | None
    joined_at_s: float | None
    ended_at_s: float | None
    end_reason: str
    client_stats: list[dict[str, float]]


class Health(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`status` is "ok", or "unavailable" with `reasons`."""

    status: str
    reasons: list[str] = []

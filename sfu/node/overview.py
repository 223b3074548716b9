"""What one Node is doing right now, as the JSON of `GET /demo/overview`.

The Structs below are the schema: every field is always present, `None` where a value is not known (yet).
Rates are averages over the last second or two; ratios are 0..1. A small example:

    {"at_ms": 1732161600000,
     "node": {"id": "node-1", "region": "", "draining": false, "uptime_s": 12.5, "cpu": 0.21,
              "memory_bytes": 91234304},
     "workers": [{"index": 0, "port": 7882, "cpu": 0.12, "transports": 3, "crypto": "ipsec-mb",
                  "packets_in_per_s": 231.0, "packets_out_per_s": 462.0, "bits_in_bps": 1540000.0,
                  "bits_out_bps": 3090000.0, "drops": {"stun_malformed": 1}}],
     "rooms": [{"name": "demo", "sid": "RM_x", "publishers": [...], "viewers": [...]}]}

A talk client is in both lists of its Room: it publishes and it watches.
"""

from msgspec import Struct


class NodeView(Struct, frozen=True):
    """The process. `cpu` is in cores (0.5 = half a core), user and system."""

    id: str
    region: str
    draining: bool
    uptime_s: float
    cpu: float
    memory_bytes: int


class WorkerView(Struct, frozen=True):
    """One native thread. `cpu` is in cores; `drops` counts since the start, only reasons that happened."""

    index: int
    port: int
    cpu: float
    transports: int
    crypto: str
    packets_in_per_s: float
    packets_out_per_s: float
    bits_in_bps: float
    bits_out_bps: float
    drops: dict[str, int]


class EncodingView(Struct, frozen=True):
    """One RTP stream as received. `rid` is None without simulcast; lowest quality comes first."""

    rid: str | None
    live: bool
    bits_bps: float
    packets_per_s: float
    loss: float
    jitter_ms: float


class TrackView(Struct, frozen=True):
    """One published source. `kind` is "audio" or "video"; `codec` the name of the first negotiated codec."""

    sid: str
    kind: str
    codec: str
    muted: bool
    encodings: list[EncodingView]


class PublisherView(Struct, frozen=True):
    """A Participant that publishes. `state` is "new", "connecting", "connected" or "closed"."""

    identity: str
    sid: str
    call_id: str
    worker: int
    state: str
    joined_at_ms: int
    tracks: list[TrackView]


class SubscriptionView(Struct, frozen=True):
    """One Track on its way to one viewer.

    `track` and `publisher` are None while the m-line waits for a Track. `layer_rid` and `temporal_id` are
    what is being sent now; `loss` and `rtt_ms` come from the viewer's receiver reports.
    """

    kind: str
    track: str | None
    publisher: str | None
    layer_rid: str | None
    temporal_id: int | None
    active: bool
    bits_bps: float
    packets_per_s: float
    loss: float
    rtt_ms: float | None


class ViewerView(Struct, frozen=True):
    """A Participant that watches; `state` as in `PublisherView`."""

    identity: str
    sid: str
    call_id: str
    worker: int
    state: str
    joined_at_ms: int
    subscriptions: list[SubscriptionView]


class RoomView(Struct, frozen=True):
    """One Room as this Node sees it."""

    name: str
    sid: str
    publishers: list[PublisherView]
    viewers: list[ViewerView]


class Overview(Struct, frozen=True):
    """The whole answer; `at_ms` is Unix time."""

    at_ms: int
    node: NodeView
    workers: list[WorkerView]
    rooms: list[RoomView]

"""Plain values that cross between Python and a Worker: what a Command carries, what a poll brings back.

Handles are 32-bit `generation | index` numbers, unique per Worker and never reused while something may still
hold them; 0 is no handle.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Final

NO_HANDLE: Final = 0

CODEC_KINDS: Final = (
    "other",
    "opus",
    "red",
    "pcmu",
    "pcma",
    "g722",
    "telephone-event",
    "vp8",
    "vp9",
    "h264",
    "av1",
)
"""Codec names the packet core tells apart; a codec's number is its index here (enum CodecKind in tables.pxd)."""


class Feedback(IntFlag):
    """RTCP feedback that a far end negotiated for a Track (RFC 4585, RFC 5104, transport-cc, REMB)."""

    NACK = 1
    PLI = 2
    FIR = 4
    TRANSPORT_CC = 8
    REMB = 16


class CommandError(Exception):
    """A Worker refused a Command (unknown or stale handle, table full)."""


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """How one Worker is set up. `node_hint` (4 ICE characters) starts every ufrag of this Node.

    A Worker that is busy for at least `hold_above_percent` of the time holds packets back for up to `hold_us`, so
    that those of one video frame leave as one GSO run.
    """

    index: int
    bind_address: str = "0.0.0.0"
    bind_address_v6: str = ""
    port: int = 0
    node_hint: str = "node"
    crypto: str = "auto"
    max_transports: int = 8192
    max_tracks: int = 1024
    max_subscriptions: int = 16384
    hold_us: int = 2000
    hold_above_percent: int = 60
    consent_us: int = 30_000_000
    max_publish_bps: int = 8_000_000
    nice: int = -10
    "Priority of the Worker's thread where the process may raise it (CAP_SYS_NICE): media before everything else."


@dataclass(frozen=True, slots=True)
class PayloadType:
    """One negotiated payload type of a published Track; `rtx` is -1 without RTX (RFC 4588)."""

    payload_type: int
    codec_kind: str
    rtx: int = -1


@dataclass(frozen=True, slots=True)
class EncodingSpec:
    """One RTP stream of a Track: by RID (RFC 8851), by SSRC known from SDP, or (both empty) by mid or payload type."""

    rid: str = ""
    ssrc: int = 0
    rtx_ssrc: int = 0


@dataclass(frozen=True, slots=True)
class TrackSpec:
    """A Track as a Worker receives it. `extension_ids` maps ExtType numbers to negotiated ids.

    `encodings` go from lowest to highest quality. A mirror of another Worker's Track has the same spec.
    """

    kind: str
    clock_rate: int
    payload_types: tuple[PayloadType, ...]
    encodings: tuple[EncodingSpec, ...] = (EncodingSpec(),)
    mid: str = ""
    extension_ids: dict[int, int] = field(default_factory=dict)
    feedback: Feedback = Feedback(0)


@dataclass(frozen=True, slots=True)
class SubscriptionSpec:
    """One Track towards one Transport; fixed for the life of the Subscription, whatever Track is bound to it."""

    kind: str
    clock_rate: int
    ssrc: int
    cname: str
    rtx_ssrc: int = 0
    mid: str = ""
    extension_ids: dict[int, int] = field(default_factory=dict)
    feedback: Feedback = Feedback(0)


@dataclass(frozen=True, slots=True)
class PayloadTypeMap:
    """Publisher's payload type -> subscriber's payload type and RTX payload type (-1: no RTX)."""

    incoming: int
    outgoing: int
    outgoing_rtx: int = -1


class TransportState(IntFlag):
    """What a Notice about a Transport says (latest wins, bits accumulate)."""

    CONNECTED = 1
    "A nominated candidate pair exists (RFC 8445)."
    EXPIRED = 2
    "Consent was not renewed within `consent_us` (RFC 7675)."
    MEDIA_IN = 4
    "The first authenticated RTP packet came in."
    ADDRESS_CHANGED = 8
    "A later nomination moved the Transport to a new remote address."


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to the Command with this token: a handle or 0 in `value`, or an error text."""

    token: int
    value: int
    error: str = ""
    rows: Snapshot | None = None


@dataclass(frozen=True, slots=True)
class TransportNotice:
    """State of a Transport as of now."""

    transport: int
    state: TransportState


@dataclass(frozen=True, slots=True)
class TrackNotice:
    """Bit i of `live` is set while Encoding i of the Track receives packets."""

    track: int
    live: int


@dataclass(frozen=True, slots=True)
class Punt:
    """A datagram that Python must see: DTLS of a Transport (`transport` != 0)."""

    transport: int
    datagram: bytes


@dataclass(frozen=True, slots=True)
class TransportRow:
    """Counters of one Transport since it was opened; `rtt_us` is 0 while unknown."""

    transport: int
    remote_address: str
    remote_port: int
    packets_in: int
    bytes_in: int
    packets_out: int
    bytes_out: int
    rtt_us: int
    heard_us_ago: int


@dataclass(frozen=True, slots=True)
class EncodingRow:
    """Counters of one received Encoding; `lost` is RFC 3550 cumulative loss after repair by NACK."""

    track: int
    encoding: int
    ssrc: int
    live: bool
    packets: int
    bytes: int
    keyframes: int
    lost: int
    recovered: int
    nacks_sent: int
    plis_sent: int
    jitter_us: int
    audio_level: int
    "RFC 6464: 0 is loudest, 127 silence (smoothed)."


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """Counters of one Subscription; `fraction_lost` is the viewer's latest report / 256; `encoding` -1: none yet."""

    subscription: int
    encoding: int
    temporal: int
    packets: int
    bytes: int
    nacks: int
    retransmitted: int
    plis: int
    fraction_lost: int
    jitter_us: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One consistent reading of a Worker."""

    counters: dict[str, int]
    drops: dict[str, int]
    forwarding_delay_us: tuple[tuple[int, int], ...]
    "Histogram of receive-to-send delay: (upper bound in us, packets), last bound is 0 for +Inf."
    transports: tuple[TransportRow, ...] = ()
    encodings: tuple[EncodingRow, ...] = ()
    subscriptions: tuple[SubscriptionRow, ...] = ()


class SnapshotScope(IntEnum):
    """How much a snapshot copies."""

    COUNTERS = 0
    ROWS = 1

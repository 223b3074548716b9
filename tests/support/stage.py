"""One publisher and its viewers on a CoreProbe in virtual time: what stories about the packet core are told with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise

from sfu._fastpath.extensions import EXTENSION_NUMBERS
from sfu._fastpath.values import (
    EncodingSpec,
    Feedback,
    PayloadType,
    PayloadTypeMap,
    Snapshot,
    SubscriptionSpec,
    TrackSpec,
)
from tests.fastpath.probes.core_probe import CoreProbe
from tests.support.far_end import GCM_128, FarEnd, Rtp, make_rtp
from tests.support.models.simulcast import vp8_payload

MID, RID, REPAIRED_RID, AUDIO_LEVEL, ABS_SEND_TIME, TRANSPORT_CC = (
    EXTENSION_NUMBERS[name]
    for name in ("mid", "rid", "repaired_rid", "audio_level", "abs_send_time", "transport_cc")
)
FRAME_US = 33_333
FRAME_TICKS = 3000
DESCRIPTOR_BYTES = 6
VP8, VP8_RTX, OPUS = 96, 97, 111
VIDEO = TrackSpec(
    kind="video",
    clock_rate=90_000,
    payload_types=(PayloadType(VP8, "vp8", VP8_RTX),),
    mid="v",
    extension_ids={MID: 1, ABS_SEND_TIME: 2, TRANSPORT_CC: 3},
    feedback=Feedback.NACK | Feedback.PLI,
)
AUDIO = TrackSpec(
    kind="audio",
    clock_rate=48_000,
    payload_types=(PayloadType(OPUS, "opus"),),
    mid="a",
    extension_ids={MID: 1, ABS_SEND_TIME: 2, TRANSPORT_CC: 3, AUDIO_LEVEL: 4},
)


@dataclass(slots=True)
class Source:
    """One RTP stream of a publisher; remembers the payload of every packet it made, by seq."""

    ssrc: int
    payload_type: int
    mid: bytes = b"v"
    seq: int = 0
    rtp_ts: int = 0
    picture_id: int = 0
    extensions: dict[int, bytes] = field(default_factory=dict)
    payloads: dict[int, bytes] = field(default_factory=dict)

    def packet(
        self, payload: bytes, *, marker: bool = False, extensions: dict[int, bytes] | None = None
    ) -> bytes:
        made = make_rtp(
            payload_type=self.payload_type,
            seq=self.seq,
            rtp_ts=self.rtp_ts,
            ssrc=self.ssrc,
            payload=payload,
            marker=marker,
            extensions={1: self.mid} | self.extensions | (extensions or {}),
        )
        self.payloads[self.seq] = payload
        self.seq = (self.seq + 1) & 0xFFFF
        return made

    def frame(self, sizes: Iterable[int] = (100,), *, key: bool = False) -> list[bytes]:
        """The next VP8 picture: one packet for each payload size, the last with the marker."""
        sizes = list(sizes)
        made = []
        for k, size in enumerate(sizes):
            head = vp8_payload(self.picture_id, self.picture_id, 0, sync=False, start=k == 0, key=key)
            body = (head + self.seq.to_bytes(4, "big") * (size // 4 + 1))[:size]
            made.append(self.packet(body, marker=k == len(sizes) - 1))
        self.picture_id += 1
        self.rtp_ts += FRAME_TICKS
        return made

    def sound(self, size: int = 80) -> bytes:
        """The next 20 ms of Opus."""
        made = self.packet((self.seq.to_bytes(4, "big") * (size // 4 + 1))[:size])
        self.rtp_ts += 960
        return made


def body(payload: bytes) -> bytes:
    """A payload of `Source.frame` without its VP8 descriptor."""
    return payload[DESCRIPTOR_BYTES:]


def consecutive(seqs: list[int]) -> bool:
    """No gap, no repetition, in order."""
    return all(later == (earlier + 1) & 0xFFFF for earlier, later in pairwise(seqs))


@dataclass(slots=True)
class Viewer:
    """A far end with one Subscription, and all that came to it."""

    far_end: FarEnd
    subscription: int
    ssrc: int
    media: list[Rtp] = field(default_factory=list)
    control: list[bytes] = field(default_factory=list)

    @property
    def seqs(self) -> list[int]:
        return [packet.seq for packet in self.media]

    @property
    def payloads(self) -> list[bytes]:
        return [packet.payload for packet in self.media]

    @property
    def bodies(self) -> list[bytes]:
        """Payloads without VP8 descriptors, whose ids a core may have to rewrite."""
        return [body(packet.payload) for packet in self.media]

    def row(self, core: CoreProbe) -> object:
        (row,) = (row for row in core.snapshot().subscriptions if row.subscription == self.subscription)
        return row


class Stage:
    """A core with one publisher; `deliver` hands what was sent to whom it was sent to."""

    def __init__(
        self, spec: TrackSpec = VIDEO, *, core: CoreProbe | None = None, profile: int = GCM_128
    ) -> None:
        self.core = core or CoreProbe()
        self.spec = spec
        self.publisher = FarEnd(self.core, profile)
        self.track: int = self.core.command("add_track", self.publisher.handle, spec)
        self.viewers: list[Viewer] = []
        self.control: list[bytes] = []

    def watch(
        self,
        *,
        profile: int = GCM_128,
        payload_types: Iterable[PayloadTypeMap] | None = None,
        far_end: FarEnd | None = None,
        **fields: object,
    ) -> Viewer:
        """One more viewer; `fields` change its SubscriptionSpec."""
        ssrc = 7000 + len(self.viewers)
        far_end = far_end or FarEnd(self.core, profile)
        spec = SubscriptionSpec(
            self.spec.kind, self.spec.clock_rate, ssrc, "cname", mid="0", extension_ids={MID: 9}
        )
        subscription = self.core.command("subscribe", far_end.handle, replace(spec, **fields))
        viewer = Viewer(far_end, subscription, ssrc)
        self.bind(viewer, self.track, payload_types)
        self.viewers.append(viewer)
        return viewer

    def bind(self, viewer: Viewer, track: int, payload_types: Iterable[PayloadTypeMap] | None = None) -> None:
        if payload_types is None:
            payload_types = [
                PayloadTypeMap(entry.payload_type, 120, 121) for entry in self.spec.payload_types
            ]
        self.core.command("bind", viewer.subscription, track, list(payload_types))

    def play(self, *packets: bytes) -> None:
        """The publisher's packets as one received batch, delivered."""
        self.publisher.send(*packets)
        self.deliver()

    def advance(self, us: int) -> None:
        self.core.advance(us)
        self.deliver()

    def deliver(self) -> None:
        sent = self.core.sent()
        self.control += self.publisher.read(sent)[1]
        for viewer in self.viewers:
            media, control = viewer.far_end.read(sent)
            viewer.media += media
            viewer.control += control

    def take_control(self) -> list[bytes]:
        """The compounds that came to the publisher since the last call."""
        taken, self.control = self.control, []
        return taken

    def snapshot(self) -> Snapshot:
        return self.core.snapshot()

    def drops(self) -> dict[str, int]:
        """Reasons that were counted, with their counts."""
        return {reason: count for reason, count in self.snapshot().drops.items() if count}


def simulcast(spec: TrackSpec = VIDEO, rids: Iterable[str] = ("l", "m", "h")) -> TrackSpec:
    """The same Track with one Encoding per rid; the rid extension has id 5."""
    encodings = tuple(EncodingSpec(rid) for rid in rids)
    return replace(spec, encodings=encodings, extension_ids={**spec.extension_ids, RID: 5, REPAIRED_RID: 6})

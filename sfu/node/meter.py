"""The Node measured: rates for the overview, load for the heartbeat."""

import resource
import time
from pathlib import Path
from typing import Final

from sfu._fastpath.values import EncodingRow, Snapshot, SnapshotScope, SubscriptionRow
from sfu.cluster.records import NodeRecord
from sfu.media.counters import MICROSECONDS, Rate, Reading
from sfu.media.link import WorkerLink
from sfu.node.calls import Call
from sfu.node.overview import (
    EncodingView,
    NodeView,
    Overview,
    PublisherView,
    RoomView,
    SubscriptionView,
    TrackView,
    ViewerView,
    WorkerView,
)
from sfu.node.parts import Parts
from sfu.node.rooms import OpenRoom
from sfu.room.subscription import Subscription
from sfu.room.track import Track

MIN_INTERVAL_US: Final = MICROSECONDS
PAGE_BYTES: Final = resource.getpagesize()
ALL_TEMPORAL: Final = 7
"""The packet core's word for a Subscription that has no limit yet."""


class Meter:
    """Keeps the last two readings of all Workers, a second or more apart, for rates."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._started_at_us = parts.now_us()
        self._earlier: dict[int, Reading] = {}
        self._latest: dict[int, Reading] = {}
        self._cpu = ProcessCpu(parts.now_us())
        self._cpu_cores = 0.0
        self._reading = False

    async def read(self) -> None:
        """Takes a reading of all Workers."""
        snapshots = await self._parts.plane.snapshot(SnapshotScope.ROWS)
        now_us = self._parts.now_us()
        fresh = {link.index: Reading(now_us, snapshot) for link, snapshot in snapshots}
        self._earlier, self._latest = self._latest or fresh, fresh
        self._cpu_cores = self._cpu.cores(now_us)
        self._parts.transport_rows = {
            (link.index, row.transport): row for link, snapshot in snapshots for row in snapshot.transports
        }

    async def read_if_old(self) -> None:
        """Takes a reading unless the latest is less than a second old."""
        age_us = self._parts.now_us() - max((r.at_us for r in self._latest.values()), default=0)
        if age_us >= MIN_INTERVAL_US and not self._reading:
            self._reading = True
            try:
                await self.read()
            finally:
                self._reading = False

    def silent_s(self) -> float:
        """Seconds since all Workers answered last."""
        return (
            self._parts.now_us() - min((r.at_us for r in self._latest.values()), default=0)
        ) / MICROSECONDS

    def snapshots(self) -> list[tuple[int, Snapshot]]:
        """The latest snapshot of each Worker, by index."""
        return [(index, reading.snapshot) for index, reading in self._latest.items()]

    def overview(self) -> Overview:
        """What runs, with rates over the last second."""
        streams = Streams(self._parts, self._earlier, self._latest)
        return Overview(
            at_ms=self._parts.now_us() // 1000,
            node=self._node_view(),
            workers=[
                self._worker_view(link) for link in self._parts.plane.links if link.index in self._latest
            ],
            rooms=[streams.room(room) for room in self._parts.rooms],
        )

    def node_record(self) -> NodeRecord:
        """The Node as its heartbeat describes it."""
        parts = self._parts
        return NodeRecord(
            id=parts.node_id,
            url=parts.config.base_url,
            region=parts.config.region,
            draining=parts.draining,
            started_at_s=self._started_at_us / 1e6,
            heartbeat_at_s=parts.now_us() / 1e6,
            workers=len(parts.plane.links),
            load=min(1.0, max(map(self._cores_of, self._latest), default=0.0)),
            participants=len(parts.calls),
            subscriptions=sum(len(call.subscriptions) for call in parts.calls),
        )

    def _cores_of(self, index: int) -> float:
        latest = self._latest[index]
        rates = latest.counters_per_s(self._earlier.get(index, latest))
        return rates.get("busy_us", 0.0) / MICROSECONDS

    def _node_view(self) -> NodeView:
        parts = self._parts
        return NodeView(
            id=parts.node_id,
            region=parts.config.region,
            draining=parts.draining,
            uptime_s=(parts.now_us() - self._started_at_us) / MICROSECONDS,
            cpu=round(self._cpu_cores, 3),
            memory_bytes=resident_bytes(),
        )

    def _worker_view(self, link: WorkerLink) -> WorkerView:
        latest = self._latest[link.index]
        rates = latest.counters_per_s(self._earlier.get(link.index, latest))
        return WorkerView(
            index=link.index,
            port=link.worker.port,
            cpu=round(self._cores_of(link.index), 3),
            transports=link.transports,
            crypto=link.worker.crypto,
            packets_in_per_s=rates.get("datagrams_in", 0.0),
            packets_out_per_s=rates.get("datagrams_out", 0.0),
            bits_in_bps=8 * rates.get("bytes_in", 0.0),
            bits_out_bps=8 * rates.get("bytes_out", 0.0),
            drops={reason: count for reason, count in latest.snapshot.drops.items() if count},
        )


class ProcessCpu:
    """CPU of the whole process, user and system, between two calls."""

    def __init__(self, now_us: int) -> None:
        self._at_us = now_us
        self._spent_s = time.process_time()

    def cores(self, now_us: int) -> float:
        """Cores used on average since the last call."""
        spent_s = time.process_time()
        cores = (spent_s - self._spent_s) * MICROSECONDS / max(1, now_us - self._at_us)
        self._at_us, self._spent_s = now_us, spent_s
        return cores


class Streams:
    """Rows and rates of all streams of one moment, looked up by handle, as views."""

    def __init__(self, parts: Parts, earlier: dict[int, Reading], latest: dict[int, Reading]) -> None:
        self._parts = parts
        self._encodings: dict[tuple[int, int, int], tuple[EncodingRow, Rate]] = {}
        self._subscriptions: dict[tuple[int, int], tuple[SubscriptionRow, Rate]] = {}
        for index, reading in latest.items():
            before = earlier.get(index, reading)
            for (track, encoding), found in reading.encoding_rates(before).items():
                self._encodings[index, track, encoding] = found
            for handle, sent in reading.subscription_rates(before).items():
                self._subscriptions[index, handle] = sent

    def room(self, room: OpenRoom) -> RoomView:
        """One Room with all who are in it."""
        members = list(room.room.participants.values())
        calls = [call for call in map(self._parts.calls.of, members) if call]
        return RoomView(
            name=room.name,
            sid=room.room.sid,
            publishers=[self._publisher(call) for call in calls if call.participant.tracks],
            viewers=[self._viewer(call) for call in calls if call.participant.subscriptions],
        )

    def _publisher(self, call: Call) -> PublisherView:
        who = call.participant
        return PublisherView(
            identity=who.identity,
            sid=who.sid,
            call_id=who.call_id,
            worker=call.transport.link.index,
            state=call.transport.phase.value,
            joined_at_ms=who.joined_at_us // 1000,
            tracks=[self._track(call, track) for track in who.tracks],
        )

    def _track(self, call: Call, track: Track) -> TrackView:
        return TrackView(
            sid=track.sid,
            kind=track.kind,
            codec=track.codec,
            muted=track.muted,
            encodings=[
                self._encoding(call, track, place, rid) for place, rid in enumerate(track.rids or (None,))
            ],
        )

    def _encoding(self, call: Call, track: Track, place: int, rid: str | None) -> EncodingView:
        published = call.tracks.get(track.sid)
        found = published and self._encodings.get((published.link.index, published.handle, place))
        if not found:
            return EncodingView(rid=rid, live=False, bits_bps=0, packets_per_s=0, loss=0, jitter_ms=0)
        row, rate = found
        return EncodingView(
            rid=rid,
            live=row.live,
            bits_bps=rate.bits_bps,
            packets_per_s=rate.packets_per_s,
            loss=rate.loss,
            jitter_ms=row.jitter_us / 1000,
        )

    def _viewer(self, call: Call) -> ViewerView:
        who = call.participant
        return ViewerView(
            identity=who.identity,
            sid=who.sid,
            call_id=who.call_id,
            worker=call.transport.link.index,
            state=call.transport.phase.value,
            joined_at_ms=who.joined_at_us // 1000,
            subscriptions=[self._subscription(call, subscription) for subscription in who.subscriptions],
        )

    def _subscription(self, call: Call, subscription: Subscription) -> SubscriptionView:
        sent = call.subscriptions.get(subscription.sid)
        row, rate = (
            self._subscriptions.get((sent.link.index, sent.handle), (None, Rate()))
            if sent
            else (None, Rate())
        )
        transport = self._parts.transport_rows.get((call.transport.link.index, call.transport.handle))
        track = subscription.track
        rids = track.rids if track else ()
        return SubscriptionView(
            kind=subscription.kind,
            track=track.sid if track else None,
            publisher=track.owner if track else None,
            layer_rid=rids[row.encoding] if row and 0 <= row.encoding < len(rids) else None,
            temporal_id=row.temporal if row and 0 <= row.temporal < ALL_TEMPORAL else None,
            active=rate.packets_per_s > 0,
            bits_bps=rate.bits_bps,
            packets_per_s=rate.packets_per_s,
            loss=rate.loss,
            rtt_ms=transport.rtt_us / 1000 if transport and transport.rtt_us else None,
        )


def resident_bytes() -> int:
    """Memory of this process that is in RAM; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES
    except OSError:
        return 0

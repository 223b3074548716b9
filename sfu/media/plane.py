"""The MediaPlane: all Workers of a Node, behind Transports, Tracks and Subscriptions that know no Worker."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from sfu._fastpath.values import (
    NO_HANDLE,
    CommandError,
    PayloadTypeMap,
    Punt,
    Snapshot,
    SnapshotScope,
    TrackNotice,
    TrackSpec,
    TransportNotice,
    WorkerConfig,
)
from sfu._fastpath.worker import Worker
from sfu.media.link import Arrival, WorkerLink
from sfu.media.specs import subscription_spec, track_spec
from sfu.media.transport import IceCredentials, Transport
from sfu.rtc.codecs import payload_type_map
from sfu.rtc.ice import Randomness, make_pwd, make_ufrag
from sfu.rtc.parameters import Codec, MediaSection

MAX_MAPS: Final = 256
LOCALITY_TRANSPORTS: Final = 32
"""A Room stays on one Worker until that Worker has so many Transports more than the least loaded."""


@dataclass(slots=True, eq=False)
class PublishedTrack:
    """A Track in the Worker of its publisher, with its images in other Workers (by Worker index)."""

    link: WorkerLink
    handle: int
    section: MediaSection
    spec: TrackSpec
    muted: bool = False
    live: int = 0
    """Bit i is set while Encoding i receives packets."""
    images: dict[int, "Image"] = field(default_factory=dict)
    maps: dict[int, tuple[tuple[Codec, ...], list[PayloadTypeMap]]] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def payload_types_for(self, subscriber: MediaSection) -> list[PayloadTypeMap]:
        """Which payload types to rewrite to which; found once for all viewers who share one tuple of codecs."""
        codecs = subscriber.codecs
        known = self.maps.get(id(codecs))
        if known is None or known[0] is not codecs:
            found = [PayloadTypeMap(*mapped) for mapped in payload_type_map(self.section, subscriber)]
            if len(self.maps) >= MAX_MAPS:
                self.maps.clear()
            known = self.maps[id(codecs)] = codecs, found
        return known[1]


@dataclass(slots=True, eq=False)
class Image:
    """A mirror of a Track in another Worker, kept while Subscriptions there are bound to it."""

    link: WorkerLink
    handle: int
    users: int = 0


@dataclass(slots=True, eq=False)
class PlaneSubscription:
    """A Subscription in the Worker of its viewer."""

    link: WorkerLink
    handle: int
    section: MediaSection
    track: PublishedTrack | None = None


class MediaPlane:
    """Owns the Workers. Methods raise CommandError when a Worker refuses (table full, object gone)."""

    def __init__(
        self,
        configs: Sequence[WorkerConfig],
        *,
        randomness: Randomness,
        changed: Callable[[Transport], None],
        live_changed: Callable[[PublishedTrack], None],
    ) -> None:
        self.configs = configs
        self.links = [WorkerLink(Worker(config), self._arrive) for config in configs]
        self._randomness = randomness
        self._changed = changed
        self._live_changed = live_changed
        self._tracks: dict[tuple[int, int], PublishedTrack] = {}
        self._transports: dict[tuple[int, int], Transport] = {}

    def start(self) -> None:
        """Binds the sockets and starts the threads. OSError: a port is taken."""
        if len(self.links) > 1:
            Worker.connect([link.worker for link in self.links])
        for link in self.links:
            link.start()

    def stop(self) -> None:
        """Stops all threads; idempotent."""
        for link in self.links:
            link.stop()

    async def open_transport(self, *, near: Transport | None = None) -> Transport:
        """A Transport with fresh credentials, in the Worker of `near` unless that is too full."""
        link = self._choose_link(near)
        link.transports += 1
        try:
            handle = (await link.call(Worker.open_transport)).value
        except CommandError:
            link.transports -= 1
            raise
        transport = Transport(link, handle, self._credentials(link, handle), self._changed)
        self._transports[link.index, handle] = transport
        return transport

    def fresh_credentials(self, transport: Transport) -> IceCredentials:
        """Credentials for an ICE restart of this Transport."""
        return self._credentials(transport.link, transport.handle)

    def close_transport(self, transport: Transport) -> None:
        """Frees the Transport with its Tracks and Subscriptions (unbind those first); idempotent."""
        if self._transports.pop((transport.link.index, transport.handle), None):
            transport.link.transports -= 1
            transport.close()

    async def publish(self, transport: Transport, section: MediaSection) -> PublishedTrack:
        """Takes in what the far end sends on `section`."""
        spec = track_spec(section)
        reply = await transport.link.call(Worker.add_track, transport.handle, spec)
        track = PublishedTrack(transport.link, reply.value, section, spec)
        self._tracks[track.link.index, track.handle] = track
        return track

    def unpublish(self, track: PublishedTrack) -> None:
        """Ends a Track and all its images."""
        for image in track.images.values():
            self._end_image(track, image)
        track.images.clear()
        self._tracks.pop((track.link.index, track.handle), None)
        track.link.post(Worker.remove_track, track.handle)

    async def subscribe(self, transport: Transport, section: MediaSection, cname: str) -> PlaneSubscription:
        """Opens the outgoing stream of `section`; nothing flows before `bind`."""
        spec = subscription_spec(section, cname)
        reply = await transport.link.call(Worker.subscribe, transport.handle, spec)
        return PlaneSubscription(transport.link, reply.value, section)

    async def bind(self, subscription: PlaneSubscription, track: PublishedTrack | None) -> None:
        """Feeds the Subscription from `track`, wherever that is, or from nothing."""
        before, subscription.track = subscription.track, track
        handle, maps = NO_HANDLE, list[PayloadTypeMap]()
        if track is not None:
            handle = await self._handle_near(track, subscription.link)
            maps = track.payload_types_for(subscription.section)
        try:
            await subscription.link.call(Worker.bind, subscription.handle, handle, maps)
        finally:
            if before is not None:
                self._release(before, subscription.link)

    def unsubscribe(self, subscription: PlaneSubscription) -> None:
        """Ends the outgoing stream for good; idempotent."""
        track, subscription.track = subscription.track, None
        subscription.link.post(Worker.unsubscribe, subscription.handle)
        if track is not None:
            self._release(track, subscription.link)

    async def select(
        self, subscription: PlaneSubscription, *, encoding: int = -1, temporal: int = -1
    ) -> None:
        """Wishes for an Encoding (index, lowest is 0; -1: highest live) and temporal layers up to one."""
        await subscription.link.call(Worker.select, subscription.handle, encoding=encoding, temporal=temporal)

    async def pause(self, subscription: PlaneSubscription, *, paused: bool) -> None:
        """Stops or resumes the outgoing stream."""
        await subscription.link.call(Worker.pause, subscription.handle, paused=paused)

    async def mute(self, track: PublishedTrack, *, muted: bool) -> None:
        """Stops or resumes forwarding of a Track to everybody, in every Worker that has it."""
        track.muted = muted
        await track.link.call(Worker.mute, track.handle, muted=muted)
        for image in list(track.images.values()):
            await image.link.call(Worker.mute, image.handle, muted=muted)

    async def snapshot(self, scope: SnapshotScope) -> list[tuple[WorkerLink, Snapshot]]:
        """One reading of every Worker."""
        replies = await asyncio.gather(*(link.call(Worker.snapshot, scope) for link in self.links))
        return [(link, r.rows) for link, r in zip(self.links, replies, strict=True) if r.rows is not None]

    def _choose_link(self, near: Transport | None) -> WorkerLink:
        least = min(self.links, key=lambda link: link.transports)
        if near is not None and near.link.transports < least.transports + LOCALITY_TRANSPORTS:
            return near.link
        return least

    def _credentials(self, link: WorkerLink, handle: int) -> IceCredentials:
        hint = self.configs[link.index].node_hint
        return IceCredentials(
            make_ufrag(hint, link.index, handle, self._randomness), make_pwd(self._randomness)
        )

    def _arrive(self, link: WorkerLink, arrival: Arrival) -> None:
        match arrival:
            case Punt():
                if transport := self._transports.get((link.index, arrival.transport)):
                    transport.receive_dtls(arrival.datagram)
            case TransportNotice():
                if transport := self._transports.get((link.index, arrival.transport)):
                    transport.notice(arrival.state)
            case TrackNotice():
                if track := self._tracks.get((link.index, arrival.track)):
                    track.live = arrival.live
                    self._live_changed(track)

    async def _handle_near(self, track: PublishedTrack, link: WorkerLink) -> int:
        """The Track's handle in that Worker: its own, or that of its image there, made on first use."""
        if link is track.link:
            return track.handle
        async with track.lock:
            image = track.images.get(link.index)
            if image is None:
                reply = await link.call(
                    Worker.mirror_track, track.spec, source_worker=track.link.index, source_track=track.handle
                )
                image = track.images[link.index] = Image(link, reply.value)
                if track.muted:
                    link.post(Worker.mute, image.handle, muted=True)
                await track.link.call(
                    Worker.export_track, track.handle, to_worker=link.index, mirror=image.handle
                )
            image.users += 1
            return image.handle

    def _release(self, track: PublishedTrack, link: WorkerLink) -> None:
        image = track.images.get(link.index)
        if link is track.link or image is None:
            return
        image.users -= 1
        if image.users == 0:
            del track.images[link.index]
            self._end_image(track, image)

    def _end_image(self, track: PublishedTrack, image: Image) -> None:
        track.link.post(Worker.export_track, track.handle, to_worker=image.link.index, mirror=NO_HANDLE)
        image.link.post(Worker.remove_track, image.handle)

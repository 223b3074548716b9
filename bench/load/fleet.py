"""A fleet of clients: joins through a Door, DTLS in Python, everything after that in the native engine."""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Literal, Self

from bench.load.doors import Admission, Door
from bench.load.engine import LoadEngine
from bench.load.offers import (
    AUDIO_MID,
    AUDIO_PT,
    RTX_PT,
    SIMULCAST_RIDS,
    VIDEO_MID,
    VIDEO_PT,
    LocalDescription,
    OfferedTrack,
    RemoteDescription,
    read_description,
    write_offer,
)
from sfu.rtc.dtls import (
    AEAD_AES_128_GCM,
    AEAD_AES_256_GCM,
    AES128_CM_SHA1_80,
    DtlsAssociation,
    DtlsIdentity,
    DtlsState,
    SrtpProfile,
)

PROFILES: Final = {"gcm128": AEAD_AES_128_GCM, "cm": AES128_CM_SHA1_80, "gcm256": AEAD_AES_256_GCM}
PROFILE_CHOICES: Final = (*PROFILES, "any")
"""`any` offers all, as browsers do; then the server's preference counts."""

CONNECT_TIMEOUT_S: Final = 15.0
RETRANSMIT_S: Final = 0.1
ENCODING_SHARES: Final = (0.08, 0.27, 0.65)
"""How three Encodings share a publisher's video bit rate."""


class JoinError(Exception):
    """A client did not get as far as SRTP keys."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What each publisher sends. `pace_us` lies between the packets of a burst (sending takes a browser that
    long); a frame is one burst unless it is several times the mean.
    """

    video_bps: int = 1_500_000
    fps: float = 30.0
    packet_bytes: int = 1200
    audio: bool = True
    simulcast: bool = False
    pace_us: int = 50
    transport_cc: bool = True


@dataclass(eq=False, slots=True)
class Client:
    """One joined publisher or subscriber; `requested_us` is when its HTTP request went out."""

    identity: str
    room: str
    transport: int
    requested_us: int
    admission: Admission | None = None
    association: DtlsAssociation | None = None
    profile: str = ""
    secured: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Fleet:
    """All clients of one load. Used as an async context; leaves nothing running."""

    def __init__(self, door: Door, engine: LoadEngine, *, profile: str = "gcm128", tag: str = "") -> None:
        self.engine = engine
        self.publishers: list[Client] = []
        self.subscribers: list[Client] = []
        self.errors: list[str] = []
        self._door = door
        self._tag = tag or secrets.token_hex(3)
        self._identity = DtlsIdentity(now=datetime.now(UTC), profiles=_offered_profiles(profile))
        self._clients: dict[int, Client] = {}
        self._thread = threading.Thread(target=engine.run, name="load-engine", daemon=True)
        self._timer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._thread.start()
        asyncio.get_running_loop().add_reader(self.engine.fileno(), self._hear)
        self._timer = asyncio.create_task(self._retransmit())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.get_running_loop().remove_reader(self.engine.fileno())
        if self._timer is not None:
            self._timer.cancel()
        self.engine.stop()
        await asyncio.to_thread(self._thread.join)

    async def publish(self, room: str, traffic: Traffic) -> Client:
        """Joins one publisher and returns once its media may flow. JoinError, DoorError."""
        transport = self.engine.add_source(packet_bytes=traffic.packet_bytes)
        client = self._new_client(f"publisher-{self._tag}-{len(self._clients)}", room, transport)
        local, tracks = self._local(), _offered_tracks(traffic)
        try:
            offer = write_offer(local, tracks, transport_cc=traffic.transport_cc)
            client.admission = await self._door.publish(room, client.identity, offer)
            remote = read_description(client.admission.description)
            _add_streams(self.engine, transport, remote, tracks, traffic)
            await self._connect(client, local, remote)
        except BaseException:
            self._forget(client)
            raise
        self.publishers.append(client)
        return client

    async def watch(self, room: str, *, audio: bool = True) -> Client:
        """Joins one subscriber and returns once it can receive. JoinError, DoorError."""
        transport = self.engine.add_sink()
        client = self._new_client(f"viewer-{self._tag}-{transport}-{secrets.token_hex(2)}", room, transport)
        local = self._local()
        kinds = ["audio", "video"] if audio else ["video"]
        try:
            client.requested_us = time.monotonic_ns() // 1000
            client.admission = await self._door.watch(room, client.identity, local, kinds)
            remote = read_description(client.admission.description)
            self.engine.set_payload_types(transport, **payload_types(remote))
            await self._connect(client, local, remote)
        except BaseException:
            self._forget(client)
            raise
        self.subscribers.append(client)
        return client

    async def watch_many(self, rooms: list[str], *, join_rate: float, audio: bool = True) -> None:
        """Joins one subscriber for each name in `rooms`, evenly spaced; failures end up in `errors`."""
        started = time.monotonic()
        tasks = []
        for number, room in enumerate(rooms):
            await asyncio.sleep(max(0.0, started + number / join_rate - time.monotonic()))
            tasks.append(asyncio.create_task(self.watch(room, audio=audio)))
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                self.errors.append(f"{type(outcome).__name__}: {outcome}")

    async def leave(self, client: Client) -> None:
        """Says goodbye over HTTP and forgets the client."""
        self._forget(client)
        for group in (self.publishers, self.subscribers):
            if client in group:
                group.remove(client)
        if client.admission is not None:
            await self._door.leave(client.admission, client.identity, client.room)

    async def leave_all(self) -> None:
        """Everyone leaves; a far end that is already gone is no error."""
        for client in [*self.subscribers, *self.publishers]:
            with suppress(OSError, asyncio.TimeoutError):
                await self.leave(client)

    def join_latencies_us(self, clients: list[Client] | None = None) -> list[int]:
        """HTTP request to first authentic media packet, of each subscriber that has got one; sorted."""
        chosen = self.subscribers if clients is None else clients
        firsts = [(self.engine.times_us(client.transport)[1], client.requested_us) for client in chosen]
        return sorted(first - requested for first, requested in firsts if first)

    def _new_client(self, identity: str, room: str, transport: int) -> Client:
        client = Client(identity, room, transport, time.monotonic_ns() // 1000)
        self._clients[transport] = client
        return client

    def _forget(self, client: Client) -> None:
        if self._clients.pop(client.transport, None) is client:
            self.engine.remove(client.transport)
        client.association = None

    def _local(self) -> LocalDescription:
        return LocalDescription(
            secrets.token_hex(4), secrets.token_hex(12), self._identity.fingerprint_sha256
        )

    async def _connect(self, client: Client, local: LocalDescription, remote: RemoteDescription) -> None:
        if not remote.candidates:
            raise JoinError("the answer has no UDP candidate over IPv4")
        role: Literal["server", "client"] = "server" if remote.setup == "active" else "client"
        client.association = DtlsAssociation(self._identity, remote.fingerprints, role=role)
        address = next((c for c in remote.candidates if c[0].startswith("127.")), remote.candidates[0])
        self.engine.set_remote(client.transport, *address)
        self.engine.start_ice(
            client.transport,
            local_ufrag=local.ufrag,
            local_pwd=local.pwd,
            remote_ufrag=remote.ufrag,
            remote_pwd=remote.pwd,
        )
        try:
            await asyncio.wait_for(client.secured, CONNECT_TIMEOUT_S)
        except TimeoutError:
            step = "DTLS" if self.engine.times_us(client.transport)[0] else "ICE"
            raise JoinError(f"{step} with {address[0]}:{address[1]} timed out") from None

    def _hear(self) -> None:
        with suppress(BlockingIOError):
            os.read(self.engine.fileno(), 8)
        for transport, datagram in self.engine.poll():
            client = self._clients.get(transport)
            if client is None or client.association is None:
                continue
            answer = client.association.receive(datagram) if datagram else client.association.start()
            self._advance(client, answer)

    def _advance(self, client: Client, outgoing: list[bytes]) -> None:
        association = client.association
        if association is None:
            return
        for datagram in outgoing:
            self.engine.send(client.transport, datagram)
        if client.secured.done():
            return
        if association.state is DtlsState.FAILED:
            client.secured.set_exception(JoinError(association.reason))
        elif association.keys is not None:
            keys = association.keys
            self.engine.set_keys(client.transport, profile=keys.profile, rx=keys.rx, tx=keys.tx)
            client.association = None
            client.profile = next(name for name, one in PROFILES.items() if one.number == keys.profile)
            client.secured.set_result(None)

    async def _retransmit(self) -> None:
        while True:
            await asyncio.sleep(RETRANSMIT_S)
            for client in list(self._clients.values()):
                if client.association is not None and client.association.timeout_s() == 0:
                    self._advance(client, client.association.handle_timeout())


def payload_types(remote: RemoteDescription) -> dict[str, int]:
    """The payload types that a subscriber will receive; -1: not agreed."""
    audio, video = remote.section("audio"), remote.section("video")
    video_pt = video.codecs.get("vp8", -1) if video else -1
    return {
        "video_pt": video_pt,
        "rtx_pt": video.rtx.get(video_pt, -1) if video else -1,
        "audio_pt": audio.codecs.get("opus", -1) if audio else -1,
    }


def add_plain_streams(engine: LoadEngine, transport: int, traffic: Traffic, *, rtx: bool = True) -> None:
    """One video Encoding and audio, our own payload types, no header extensions: for paths without SDP."""
    encodings = _encodings(traffic, [(_ssrc(), _ssrc())])
    add_encodings(engine, transport, encodings, traffic, RTX_PT if rtx else -1)
    if traffic.audio:
        engine.add_audio(transport, mid=AUDIO_MID, pt=AUDIO_PT, ssrc=_ssrc())


def add_encodings(
    engine: LoadEngine,
    transport: int,
    encodings: list[tuple[str, tuple[int, int], float]],
    traffic: Traffic,
    rtx_pt: int,
) -> None:
    """Adds (rid, (ssrc, RTX ssrc), share of the bit rate) each."""
    for rid, (ssrc, rtx_ssrc), share in encodings:
        engine.add_video(
            transport,
            mid=VIDEO_MID,
            rid=rid,
            pt=VIDEO_PT,
            rtx_pt=rtx_pt,
            ssrc=ssrc,
            rtx_ssrc=rtx_ssrc,
            bps=int(traffic.video_bps * share),
            fps=traffic.fps,
            pace_us=traffic.pace_us,
        )


def _offered_profiles(name: str) -> list[SrtpProfile]:
    return list(PROFILES.values()) if name == "any" else [PROFILES[name]]


def _ssrc() -> int:
    return secrets.randbelow(2**32 - 2) + 1


def _offered_tracks(traffic: Traffic) -> list[OfferedTrack]:
    rids = SIMULCAST_RIDS if traffic.simulcast else ()
    tracks = [OfferedTrack("video", tuple((_ssrc(), _ssrc()) for _ in rids or ("",)), rids)]
    if traffic.audio:
        tracks.insert(0, OfferedTrack("audio", ((_ssrc(), 0),)))
    return tracks


def _encodings(traffic: Traffic, ssrcs: list[tuple[int, int]]) -> list[tuple[str, tuple[int, int], float]]:
    if not traffic.simulcast:
        return [("", ssrcs[0], 1.0)]
    return list(zip(SIMULCAST_RIDS, ssrcs, ENCODING_SHARES, strict=True))


def _add_streams(
    engine: LoadEngine,
    transport: int,
    remote: RemoteDescription,
    tracks: list[OfferedTrack],
    traffic: Traffic,
) -> None:
    audio, video = remote.section("audio"), remote.section("video")
    engine.set_extensions(
        transport, audio=audio.extensions if audio else {}, video=video.extensions if video else {}
    )
    for track in tracks:
        if track.kind == "audio" and audio is not None:
            engine.add_audio(transport, mid=audio.mid, pt=AUDIO_PT, ssrc=track.ssrcs[0][0])
        elif track.kind == "video" and video is not None:
            rtx_pt = video.rtx.get(VIDEO_PT, -1)
            add_encodings(engine, transport, _encodings(traffic, list(track.ssrcs)), traffic, rtx_pt)

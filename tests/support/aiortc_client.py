"""aiortc as a WHIP or WHEP client inside the test's process; can keep what it receives after decryption."""

from __future__ import annotations

import asyncio
import math
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from unittest.mock import patch
from urllib.parse import urljoin

import av
from aiohttp import ClientSession
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, VideoStreamTrack

Tap = Callable[[bool, bytes], None]
"""Called with (is RTCP, plain packet) for everything received."""
Inner = Callable[..., Awaitable[None]]


class Tone(AudioStreamTrack):
    """A 440 Hz tone, mono, in frames of 20 ms."""

    _at = 0

    async def recv(self) -> av.AudioFrame:
        frame = await super().recv()
        turns = (440 * (self._at + i) / frame.sample_rate for i in range(frame.samples))
        samples = array("h", (int(8000 * math.sin(2 * math.pi * turn)) for turn in turns))
        frame.planes[0].update(samples.tobytes())
        self._at += frame.samples
        return frame


class MovingBar(VideoStreamTrack):
    """A white bar that moves over grey, 320x240."""

    async def recv(self) -> av.VideoFrame:
        pts, time_base = await self.next_timestamp()
        frame = av.VideoFrame(320, 240, "yuv420p")
        for plane, grey in zip(frame.planes, (90, 128, 128), strict=True):
            plane.update(bytes([grey]) * plane.buffer_size)
        at = int(pts * time_base * 100) % 300
        stride = frame.planes[0].line_size
        row = bytes([90]) * at + bytes([235]) * 20 + bytes([90]) * (stride - at - 20)
        frame.planes[0].update(row * 240)
        frame.pts, frame.time_base = pts, time_base
        return frame


@dataclass
class AiortcClient:
    """What was received so far."""

    peer: RTCPeerConnection
    location: str = ""
    frames: int = 0
    width: int = 0
    audio_energy: float = 0.0
    readers: list[asyncio.Task[None]] = field(default_factory=list)

    def watch(self, track: MediaStreamTrack) -> None:
        """Reads the track until it ends."""
        self.readers.append(asyncio.ensure_future(self._read(track)))

    async def _read(self, track: MediaStreamTrack) -> None:
        with suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                if isinstance(frame, av.VideoFrame):
                    self.frames += 1
                    self.width = frame.width
                else:
                    self.audio_energy += energy(frame)


@asynccontextmanager
async def aiortc_client(
    endpoint: str, token: str, *, publish: bool, tap: Tap | None = None
) -> AsyncIterator[AiortcClient]:
    """Joins, and leaves at the end."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    client = AiortcClient(peer)
    peer.on("track", client.watch)
    for kind, source in (("audio", Tone), ("video", MovingBar)):
        if publish:
            peer.addTransceiver(source(), direction="sendonly")
        else:
            peer.addTransceiver(kind, direction="recvonly")
    async with ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
        try:
            await _join(client, http, endpoint, tap)
            yield client
        finally:
            if client.location:
                await (await http.delete(client.location)).release()
            await peer.close()
            await asyncio.gather(*client.readers)


async def _join(client: AiortcClient, http: ClientSession, endpoint: str, tap: Tap | None) -> None:
    peer = client.peer
    with patch("aioice.ice.get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"]):
        await peer.setLocalDescription(await peer.createOffer())
    offer, headers = peer.localDescription.sdp, {"Content-Type": "application/sdp"}
    async with http.post(endpoint, data=offer.encode(), headers=headers) as response:
        answer = await response.text()
        assert response.status == 201, f"{response.status} {answer}"
        client.location = urljoin(endpoint, response.headers["Location"])
    if tap is not None:
        for transceiver in peer.getTransceivers():
            _listen_in(transceiver.receiver.transport, tap)
    await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))


def _listen_in(transport: object, tap: Tap) -> None:
    """Calls the tap with every packet that the DTLS transport has decrypted."""
    for name, is_rtcp in (("_handle_rtp_data", False), ("_handle_rtcp_data", True)):
        inner = getattr(transport, name)

        async def tapped(
            data: bytes, *, inner: Inner = inner, is_rtcp: bool = is_rtcp, **rest: object
        ) -> None:
            tap(is_rtcp, data)
            await inner(data, **rest)

        if not getattr(inner, "tapped", False):
            tapped.tapped = True  # type: ignore[attr-defined]
            setattr(transport, name, tapped)


def energy(frame: av.AudioFrame) -> float:
    """Mean square of signed 16-bit samples, full scale 1."""
    samples = array("h", bytes(frame.planes[0]))
    return sum(sample * sample for sample in samples) / len(samples) / 32768.0**2

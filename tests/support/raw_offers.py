"""Offers written by hand, line by line, and RTP to go with them."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tests.support.far_end import Rtp, make_rtp
from tests.support.models.simulcast import vp8_payload
from tests.support.raw_client import TICK_S, RawClient

MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"
OPUS, PCMU, VP8, VP8_RTX = 111, 0, 96, 97
LINES = {
    OPUS: ("m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=rtpmap:111 opus/48000/2", "a=fmtp:111 useinbandfec=1"),
    PCMU: ("m=audio 9 UDP/TLS/RTP/SAVPF 0",),
    VP8: (
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97",
        "a=rtpmap:96 VP8/90000",
        "a=rtcp-fb:96 nack",
        "a=rtcp-fb:96 nack pli",
        "a=rtpmap:97 rtx/90000",
        "a=fmtp:97 apt=96",
    ),
}
"""Payload type -> the m-line that offers it and what belongs to the codec."""

TICKS = {OPUS: 960, PCMU: 160, VP8: 3000}


@dataclass(frozen=True, slots=True)
class Line:
    """One m-line: `mid` None leaves it out, `extension_id` 0 offers no header extension."""

    payload_type: int
    mid: str | None = "0"
    extension_id: int = 4
    more: tuple[str, ...] = ()


def offer(
    client: RawClient, lines: Sequence[Line], *, direction: str = "sendonly", session: Sequence[str] = ()
) -> str:
    """The offer of `client` for these m-lines, in one BUNDLE group."""
    mids = [line.mid for line in lines if line.mid is not None]
    text = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0"]
    text += [f"a=group:BUNDLE {' '.join(mids)}"] if mids else []
    text += session
    for line in lines:
        head, *codec = LINES[line.payload_type]
        text += [head, "c=IN IP4 0.0.0.0", f"a=ice-ufrag:{client.ufrag}", f"a=ice-pwd:{client.pwd}"]
        text += [f"a=fingerprint:{client.means.fingerprint}"]
        text += [f"a=setup:{client.means.setup}"] if client.means.setup else []
        text += [f"a=mid:{line.mid}"] if line.mid is not None else []
        text += [f"a=extmap:{line.extension_id} {MID_URI}"] if line.extension_id else []
        text += [f"a={direction}", "a=rtcp-mux", *codec, *line.more]
    return "".join(f"{each}\r\n" for each in text)


@dataclass(slots=True)
class Source:
    """An RTP stream of one m-line; every tenth VP8 frame is a keyframe."""

    line: Line
    ssrc: int
    seq: int = 100
    rtp_ts: int = 5000
    made: list[bytes] = field(default_factory=list)

    def packet(self) -> bytes:
        """The next packet, with the mid if it may be said."""
        number = len(self.made)
        payload = struct.pack("!I", number) + bytes(40)
        if self.line.payload_type == VP8:
            head = vp8_payload(number, number, 0, sync=False, start=True, key=number % 10 == 0)
            payload = head + payload
        self.made.append(payload)
        self.seq, self.rtp_ts = self.seq + 1, self.rtp_ts + TICKS[self.line.payload_type]
        extensions = self._extensions()
        fields = {"payload_type": self.line.payload_type, "ssrc": self.ssrc, "marker": True}
        wide = self.line.extension_id > 14
        packet = make_rtp(
            seq=self.seq,
            rtp_ts=self.rtp_ts,
            payload=payload,
            extensions={} if wide else extensions,
            **fields,
        )
        return _with_two_byte(packet, extensions) if wide else packet

    def _extensions(self) -> dict[int, bytes]:
        mid = (self.line.mid or "").encode()
        return {self.line.extension_id: mid} if self.line.extension_id and 0 < len(mid) <= 16 else {}


async def play(sources: Sequence[Source], publisher: RawClient, viewer: RawClient, packets: int = 20) -> None:
    """Sends so many packets of each source and waits until as many have come to the viewer."""
    wanted = len(viewer.media) + packets * len(sources)
    for _ in range(packets):
        publisher.send(*(source.packet() for source in sources))
        await asyncio.sleep(TICK_S)
    await viewer.until(lambda: len(viewer.media) >= wanted)


def streams(viewer: RawClient) -> dict[int, list[Rtp]]:
    """What came to a viewer, by SSRC."""
    found: dict[int, list[Rtp]] = {}
    for packet in viewer.media:
        found.setdefault(packet.ssrc, []).append(packet)
    return found


def gapless(packets: Sequence[Rtp]) -> bool:
    """Sequence numbers go on by one, timestamps never back."""
    return all(
        later.seq == (earlier.seq + 1) & 0xFFFF and (later.rtp_ts - earlier.rtp_ts) & 0xFFFFFFFF < 2**31
        for earlier, later in pairwise(packets)
    )


def _with_two_byte(packet: bytes, extensions: dict[int, bytes]) -> bytes:
    """RFC 8285 section 4.3."""
    block = b"".join(bytes([number, len(value)]) + value for number, value in extensions.items())
    block += bytes(-len(block) % 4)
    head = bytes([packet[0] | 0x10]) + packet[1:12]
    return head + struct.pack("!HH", 0x1000, len(block) // 4) + block + packet[12:]

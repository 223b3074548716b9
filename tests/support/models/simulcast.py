"""A simulcast VP8 L1T3 publisher and a strict receiver that knows which frame needs which.

Every payload carries the truth about itself behind its VP8 descriptor, so that the receiver can judge what it got
without trusting any number that was rewritten on the way.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field

from tests.support.far_end import Rtp, make_rtp

TRUTH = struct.Struct("!BIBBBB")
"""encoding, frame number, temporal id, keyframe, packet in frame, packets of frame"""
PATTERN = (0, 2, 1, 2)
FRAME_TICKS = 3000


def vp8_payload(picture_id: int, tl0: int, tid: int, *, sync: bool, start: bool, key: bool) -> bytes:
    """Descriptor with 15-bit picture id, TL0PICIDX and tid (RFC 7741 section 4.2), first payload header byte."""
    head = bytes([0x80 | (0x10 if start else 0), 0x80 | 0x40 | 0x20])
    ids = struct.pack("!HBB", 0x8000 | picture_id & 0x7FFF, tl0 & 255, tid << 6 | (0x20 if sync else 0))
    return head + ids + bytes([0 if key else 1])


@dataclass(slots=True)
class SimulcastEncoding:
    """One Encoding: makes the packets of frame after frame."""

    number: int
    ssrc: int
    rng: random.Random
    seq: int = 0
    ts_base: int = 0
    frame: int = 0
    since_key: int = 0
    picture_id: int = 0
    tl0: int = 0
    key_wanted: bool = True

    def __post_init__(self) -> None:
        self.seq = self.rng.randrange(65536)
        self.ts_base = self.rng.randrange(2**32)
        self.picture_id = self.rng.randrange(2**15)
        self.tl0 = self.rng.randrange(256)

    def rtp_ts(self, tick: int) -> int:
        return (self.ts_base + tick * FRAME_TICKS) & 0xFFFFFFFF

    def packets(self, tick: int, extensions: dict[int, bytes]) -> list[bytes]:
        """The frame of this tick; a keyframe if one was asked for."""
        key = self.key_wanted
        self.key_wanted = False
        self.since_key = 0 if key else self.since_key + 1
        tid = PATTERN[self.since_key % 4]
        sync = tid == 1 or (tid == 2 and self.since_key % 4 == 1)
        self.frame += 1
        self.picture_id += 1
        self.tl0 += tid == 0
        total = self.rng.randint(1, 3) + 3 * key
        made = []
        for k in range(total):
            truth = TRUTH.pack(self.number, self.frame, tid, key, k, total)
            head = vp8_payload(self.picture_id, self.tl0, tid, sync=sync, start=k == 0, key=key)
            body = head + truth + bytes(self.rng.randint(20, 60))
            made.append(
                make_rtp(
                    payload_type=96,
                    seq=self.seq,
                    rtp_ts=self.rtp_ts(tick),
                    ssrc=self.ssrc,
                    payload=body,
                    marker=k == total - 1,
                    extensions=extensions,
                )
            )
            self.seq += 1
        return made


@dataclass(slots=True)
class StrictReceiver:
    """Fails at the first packet a strict decoder would stumble over. Feed it in sending order."""

    last_seq: int | None = None
    last_ts: int | None = None
    last_picture: int | None = None
    last_tl0: int = 0
    open_frame: tuple[int, int] | None = None
    next_packet: int = 0
    decoded: dict[int, tuple[int, int]] = field(default_factory=dict)
    "temporal id -> (encoding, frame) of the newest decoded frame of that layer"
    frames: int = 0
    keyframes: int = 0
    encodings_seen: set[int] = field(default_factory=set)
    layers_seen: set[int] = field(default_factory=set)

    def take(self, packet: Rtp) -> None:
        assert self.last_seq is None or packet.seq == (self.last_seq + 1) & 0xFFFF, "a gap or repeat in seq"
        self.last_seq = packet.seq
        picture, tl0, tid = self._ids(packet.payload)
        encoding, frame, true_tid, key, k, total = TRUTH.unpack_from(packet.payload, 7)
        assert tid == true_tid
        if k == 0:
            self._begin(packet, (encoding, frame), picture, tl0, tid)
            self._check_references(encoding, frame, tid, bool(key))
        assert self.open_frame == (encoding, frame), "a packet of another frame inside a frame"
        assert k == self.next_packet, "a frame's packets are not all there, in order"
        assert packet.rtp_ts == self.last_ts
        assert picture == self.last_picture
        self.next_packet = k + 1
        assert packet.marker == (k == total - 1)
        if packet.marker:
            self._complete(encoding, frame, tid, bool(key))

    @staticmethod
    def _ids(payload: bytes) -> tuple[int, int, int]:
        picture, tl0, tid_byte = struct.unpack_from("!HBB", payload, 2)
        return picture & 0x7FFF, tl0, tid_byte >> 6

    def _begin(self, packet: Rtp, frame: tuple[int, int], picture: int, tl0: int, tid: int) -> None:
        assert self.open_frame is None, "the frame before was cut off"
        if self.last_ts is not None and self.last_picture is not None:
            assert 0 < (packet.rtp_ts - self.last_ts) & 0xFFFFFFFF < 2**31, "rtp_ts did not move forward"
            assert picture == (self.last_picture + 1) & 0x7FFF, "a gap or repeat in the picture ids"
            assert tl0 == (self.last_tl0 + (tid == 0)) & 255, "TL0PICIDX does not count base layer frames"
        self.last_ts, self.last_picture, self.last_tl0 = packet.rtp_ts, picture, tl0
        self.open_frame, self.next_packet = frame, 0

    def _check_references(self, encoding: int, frame: int, tid: int, key: bool) -> None:
        """L1T3: a frame needs the newest frame of each layer its place in the pattern refers to."""
        if key:
            return
        base = self.decoded.get(0)
        assert base is not None, "a delta frame before any keyframe"
        assert base[0] == encoding, "a delta frame of an Encoding without its keyframe"
        if tid == 0:
            assert base[1] == frame - 4, "a base layer frame whose reference was left out"
        elif tid == 1:
            assert base[1] == frame - 2
        elif base[1] != frame - 1:
            middle = self.decoded.get(1)
            assert base[1] == frame - 3
            assert middle == (encoding, frame - 1), "an upper layer frame whose reference was left out"

    def _complete(self, encoding: int, frame: int, tid: int, key: bool) -> None:
        if key:
            self.decoded.clear()
            self.keyframes += 1
        self.decoded[tid] = (encoding, frame)
        self.open_frame = None
        self.frames += 1
        self.encodings_seen.add(encoding)
        self.layers_seen.add(tid)

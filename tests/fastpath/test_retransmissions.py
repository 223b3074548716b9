"""Retransmissions from a publisher (RFC 4588): the original packet comes back, and broken ones never get on."""

import struct

import pytest

from sfu._fastpath.values import (
    EncodingSpec,
    Feedback,
    PayloadType,
    PayloadTypeMap,
    SubscriptionSpec,
    TrackSpec,
)
from tests.fastpath.probes.core_probe import CoreProbe
from tests.support.far_end import FarEnd, Rtp, make_rtp

MEDIA_SSRC, RTX_SSRC = 1000, 2000
VIDEO = TrackSpec(
    kind="video",
    clock_rate=90_000,
    payload_types=(PayloadType(96, "vp8", 97),),
    encodings=(EncodingSpec("", ssrc=MEDIA_SSRC, rtx_ssrc=RTX_SSRC),),
    mid="v",
    feedback=Feedback.NACK | Feedback.PLI,
)
KEYFRAME = b"\x10\x00\x9d\x01\x2a"
DELTA = b"\x00\x01"


class Line:
    """A publisher whose packet 2 was lost, and a viewer."""

    def __init__(self) -> None:
        self.core = CoreProbe()
        self.publisher, self.viewer = FarEnd(self.core), FarEnd(self.core)
        track = self.core.command("add_track", self.publisher.handle, VIDEO)
        spec = SubscriptionSpec("video", 90_000, 7000, "cname", mid="0")
        subscription = self.core.command("subscribe", self.viewer.handle, spec)
        self.core.command("bind", subscription, track, [PayloadTypeMap(96, 120)])
        self.publisher.send(self.packet(1, KEYFRAME))
        self.publisher.send(self.packet(3, DELTA))
        self.core.advance(10_000)
        assert len(self.arrived()) == 2

    @staticmethod
    def packet(seq: int, payload: bytes) -> bytes:
        fields = {"payload_type": 96, "rtp_ts": 3000, "ssrc": MEDIA_SSRC, "marker": True}
        return make_rtp(seq=seq, payload=payload, **fields)

    def resend(self, payload: bytes, *, padding: bytes = b"") -> None:
        """Packet 2 over RTX, with these bytes as its RTP padding."""
        fields = {"payload_type": 97, "seq": 50, "rtp_ts": 3000, "ssrc": RTX_SSRC, "marker": True}
        rtx = bytearray(make_rtp(payload=struct.pack("!H", 2) + payload + padding, **fields))
        rtx[0] |= 0x20 if padding else 0
        self.publisher.send(bytes(rtx))
        self.core.advance(10_000)

    def arrived(self) -> list[Rtp]:
        return self.viewer.read(self.core.sent())[0]


@pytest.mark.parametrize("padding", [b"", b"\1", b"\0\0\0\4"])
def test_the_lost_packet_comes_back_in_its_place(padding: bytes) -> None:
    line = Line()
    line.resend(DELTA + b"lost", padding=padding)
    (packet,) = line.arrived()
    assert (packet.payload, packet.marker) == (DELTA + b"lost", True)


@pytest.mark.parametrize("padding", [b"\0", b"\xff"])
def test_a_padding_count_that_cannot_be_gets_nothing_on(padding: bytes) -> None:
    line = Line()
    line.resend(DELTA + b"lost", padding=padding)
    assert line.arrived() == []
    assert line.core.snapshot().drops["rtx_malformed"] == 1


def test_a_lost_packet_that_was_padding_stays_padding() -> None:
    line = Line()
    line.resend(b"", padding=b"\3\3\3")
    assert all(packet.payload == b"" and packet.padding for packet in line.arrived())


def test_probing_with_padding_alone_is_no_retransmission() -> None:
    line = Line()
    probe = bytearray(make_rtp(payload_type=97, seq=50, rtp_ts=3000, ssrc=RTX_SSRC, payload=b"\0\0\3"))
    probe[0] |= 0x20
    line.publisher.send(bytes(probe))
    line.core.advance(10_000)
    assert line.arrived() == []
    assert line.core.snapshot().drops["rtp_padding_only"] == 1

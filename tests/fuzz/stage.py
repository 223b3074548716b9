"""A packet core with a publisher and a viewer, for fuzzing it as a whole: scripts of datagrams in virtual time."""

import struct
from collections.abc import Iterator
from dataclasses import replace

from pylibsrtp import Error as SrtpError

from sfu._fastpath.drops import datagram_drops
from sfu._fastpath.values import (
    EncodingSpec,
    Feedback,
    PayloadType,
    PayloadTypeMap,
    SubscriptionSpec,
    TrackSpec,
)
from tests.fastpath.probes.core_probe import CoreProbe
from tests.support.far_end import FarEnd, Rtp, make_rtp, nack, parse_rtp

MEDIA_SSRC, RTX_SSRC, OUT_SSRC = 1000, 2000, 7000
STRANGER = ("192.0.2.1", 9)
VIDEO = TrackSpec(
    kind="video",
    clock_rate=90_000,
    payload_types=(
        PayloadType(96, "vp8", 97),
        PayloadType(98, "vp9"),
        PayloadType(100, "h264"),
        PayloadType(102, "av1"),
    ),
    encodings=(EncodingSpec("", ssrc=MEDIA_SSRC, rtx_ssrc=RTX_SSRC),),
    mid="v",
    extension_ids={1: 1, 2: 2, 4: 4, 6: 6, 7: 7, 8: 8},
    feedback=Feedback.NACK | Feedback.PLI | Feedback.TRANSPORT_CC,
)
SIMULCAST = replace(VIDEO, encodings=(*VIDEO.encodings, EncodingSpec("", ssrc=3000)))
PAYLOAD_TYPES = (96, 97, 98, 100, 102, 13)
SSRCS = (MEDIA_SSRC, RTX_SSRC, 3000)
COUNTED = ("rtp_in", "rtcp_in", "stun_in", "dtls_in")
FIRST_SEQ = 1000


def records(script: bytes) -> Iterator[tuple[int, bytes]]:
    """(operation, argument) of each record: a byte each for operation and length, then the argument."""
    at = 0
    while at + 2 <= len(script):
        yield script[at], script[at + 2 : at + 2 + script[at + 1]]
        at += 2 + script[at + 1]


class Stage:
    """One publisher, one viewer that watches it, and one packet delivered.

    SSRC 3000 is a new source of the only Encoding of VIDEO, and the upper Encoding of SIMULCAST.
    """

    def __init__(self, spec: TrackSpec = VIDEO) -> None:
        self.core = CoreProbe(transports=4, tracks=2, subscriptions=4)
        self.publisher = FarEnd(self.core, address=("10.0.0.1", 1001))
        self.viewer = FarEnd(self.core, address=("10.0.0.1", 1002))
        track = self.core.command("add_track", self.publisher.handle, spec)
        watching = SubscriptionSpec("video", 90_000, OUT_SSRC, "cname", mid="0", extension_ids={1: 4, 8: 20})
        self.subscription = self.core.command("subscribe", self.viewer.handle, watching)
        pairs = [PayloadTypeMap(number, number + 20) for number in (96, 98, 100, 102)]
        self.core.command("bind", self.subscription, track, pairs)
        self.seq = FIRST_SEQ
        self.on_wire: dict[int, bytes] = {}
        self.last = self.next_packet()

    def next_packet(self) -> Rtp:
        """The publisher's next keyframe as the viewer gets it."""
        fields = {"payload_type": 96, "rtp_ts": 3000 * self.seq, "ssrc": MEDIA_SSRC, "marker": True}
        self.publisher.send(make_rtp(seq=self.seq, payload=b"\x10\x00\x9d\x01\x2a", **fields))
        self.seq += 1
        self.core.advance(10_000)
        (packet,) = self.deliver()
        return packet

    def accounts(self) -> int:
        """Datagrams that were counted, in or as a Drop."""
        reading = self.core.snapshot()
        return sum(reading.counters[name] for name in COUNTED) + sum(
            reading.drops[name] for name in datagram_drops
        )

    def rtp(self, argument: bytes) -> None:
        """A packet by the publisher: bytes for seq, payload type, flags; the rest is extension block and payload."""
        if len(argument) < 3:
            return
        flags = argument[2]
        first = 0x80 | (flags & 0x30)
        second = PAYLOAD_TYPES[argument[1] % len(PAYLOAD_TYPES)] | (flags & 0x80)
        seq = FIRST_SEQ + argument[0]
        head = struct.pack("!BBHII", first, second, seq, 3000 * seq, SSRCS[(flags & 0x0F) % len(SSRCS)])
        try:
            self.publisher.send(head + argument[3:])
        except SrtpError:
            return

    def rtcp(self, far_end: FarEnd, compound: bytes) -> None:
        try:
            far_end.send_rtcp(compound)
        except SrtpError:
            return

    def run(self, script: bytes) -> None:
        """What somebody with a token may do: any RTP and RTCP, protected with their own keys, and time."""
        for operation, argument in records(script):
            match operation % 6:
                case 0:
                    self.rtp(argument)
                case 1:
                    self.rtcp(self.publisher, argument)
                case 2:
                    self.rtcp(self.viewer, argument)
                case 3:
                    self.core.advance(1000 * (1 + len(argument)))
                case 5 if len(argument) >= 2:
                    self.core.command("select", self.subscription, argument[0] % 3 - 1, argument[1] % 4 - 1)
                case 4 if len(argument) >= 3:
                    seq = (self.last.seq + argument[0]) & 0xFFFF
                    self.rtcp(self.viewer, nack(1, OUT_SSRC, seq, int.from_bytes(argument[1:3], "big")))
            self.deliver()

    def deliver(self) -> list[Rtp]:
        """New packets at the viewer; one seen before must be the same, bit for bit (RFC 3711 section 9.1)."""
        fresh = []
        for datagram, address, _ in self.core.sent():
            if address != self.viewer.address or datagram[0] >> 6 != 2 or 192 <= datagram[1] <= 223:
                continue
            ssrc, seq = struct.unpack("!I", datagram[8:12])[0], struct.unpack("!H", datagram[2:4])[0]
            assert ssrc == OUT_SSRC
            if seq not in self.on_wire:
                fresh.append(parse_rtp(self.viewer.incoming.unprotect(datagram)))
            assert self.on_wire.setdefault(seq, datagram) == datagram, "one SRTP index, two packets"
        return fresh

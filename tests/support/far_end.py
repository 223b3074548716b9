"""A client of a CoreProbe in virtual time: STUN by aioice, SRTP by pylibsrtp, RTP and RTCP as plain bytes."""

from __future__ import annotations

import os
import struct
from dataclasses import InitVar, dataclass, field
from itertools import count

from aioice import stun
from pylibsrtp import Error as SrtpError
from pylibsrtp import Policy, Session

from sfu.rtc.ice import make_ufrag
from tests.fastpath.probes.core_probe import CoreProbe

GCM_128, CM_SHA1, GCM_256 = 0x0007, 0x0001, 0x0008
KEY_BYTES = {GCM_128: 28, CM_SHA1: 30, GCM_256: 44}
PYLIBSRTP_PROFILE = {
    GCM_128: Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    CM_SHA1: Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    GCM_256: Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}
_ports = count(20_000)


@dataclass(slots=True)
class Rtp:
    """One decrypted RTP packet; `payload` is without padding."""

    payload_type: int
    marker: bool
    seq: int
    rtp_ts: int
    ssrc: int
    extensions: dict[int, bytes]
    payload: bytes
    padding: int
    run: int
    wire_bytes: int


def parse_rtp(data: bytes, run: int = 0, wire_bytes: int = 0) -> Rtp:
    """RFC 3550 and one-byte RFC 8285, written apart from the code under test."""
    first, second, seq, rtp_ts, ssrc = struct.unpack("!BBHII", data[:12])
    at = 12 + 4 * (first & 15)
    extensions: dict[int, bytes] = {}
    if first & 0x10:
        profile, words = struct.unpack("!HH", data[at : at + 4])
        block = data[at + 4 : at + 4 + 4 * words]
        at += 4 + 4 * words
        i = 0
        while i < len(block):
            if block[i] == 0:
                i += 1
                continue
            if profile == 0xBEDE:
                number, size, i = block[i] >> 4, (block[i] & 15) + 1, i + 1
            else:
                number, size, i = block[i], block[i + 1], i + 2
            extensions[number] = block[i : i + size]
            i += size
    payload = data[at:]
    padding = payload[-1] if first & 0x20 else 0
    assert padding <= len(payload)
    return Rtp(
        second & 127,
        bool(second & 128),
        seq,
        rtp_ts,
        ssrc,
        extensions,
        payload[: len(payload) - padding],
        padding,
        run,
        wire_bytes,
    )


def make_rtp(
    *,
    payload_type: int,
    seq: int,
    rtp_ts: int,
    ssrc: int,
    payload: bytes,
    marker: bool = False,
    extensions: dict[int, bytes] | None = None,
) -> bytes:
    """An RTP packet with one-byte header extensions."""
    block = b"".join(
        bytes([number << 4 | len(value) - 1]) + value for number, value in (extensions or {}).items()
    )
    block += bytes(-len(block) % 4)
    head = struct.pack(
        "!BBHII",
        0x90 if block else 0x80,
        payload_type | (128 if marker else 0),
        seq & 0xFFFF,
        rtp_ts & 0xFFFFFFFF,
        ssrc,
    )
    return head + (struct.pack("!HH", 0xBEDE, len(block) // 4) + block if block else b"") + payload


@dataclass(slots=True)
class FarEnd:
    """One Transport of `core` and the client at its other end, connected and keyed when made (or by `connect`)."""

    core: CoreProbe
    profile: int = GCM_128
    worker: int = 0
    address: tuple[str, int] = field(default_factory=lambda: ("10.0.0.1", next(_ports)))
    handle: int = 0
    ufrag: str = ""
    pwd: str = "p" * 24
    outgoing: Session | None = None
    incoming: Session | None = None
    unreadable: int = 0
    connected: InitVar[bool] = True

    def __post_init__(self, connected: bool) -> None:
        self.handle = self.core.command("open_transport")
        self.ufrag = make_ufrag("node", self.worker, self.handle, os.urandom)
        self.core.command("set_ice", self.handle, self.ufrag, self.pwd)
        if connected:
            self.connect()

    def connect(self) -> None:
        """DTLS and ICE succeed."""
        ours, theirs = os.urandom(KEY_BYTES[self.profile]), os.urandom(KEY_BYTES[self.profile])
        self.core.command("set_srtp", self.handle, self.profile, theirs, ours)
        self.outgoing = self._session(theirs, Policy.SSRC_ANY_OUTBOUND)
        self.incoming = self._session(ours, Policy.SSRC_ANY_INBOUND)
        self.check()
        self.core.sent()

    def _session(self, key: bytes, direction: int) -> Session:
        policy = Policy(key=key, ssrc_type=direction, srtp_profile=PYLIBSRTP_PROFILE[self.profile])
        policy.window_size = 2048
        policy.allow_repeat_tx = True
        return Session(policy)

    def binding_request(self, *, nominate: bool = True) -> bytes:
        request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{self.ufrag}:peer"
        request.attributes["PRIORITY"] = 1
        request.attributes["ICE-CONTROLLING"] = 7
        if nominate:
            request.attributes["USE-CANDIDATE"] = None
        request.add_message_integrity(self.pwd.encode())
        return bytes(request)

    def check(self) -> None:
        """An ICE check that nominates; also renews consent."""
        self.core.ingest([(self.binding_request(), self.address)])

    def protect(self, rtp: bytes) -> tuple[bytes, tuple[str, int]]:
        assert self.outgoing is not None
        return self.outgoing.protect(rtp), self.address

    def send(self, *packets: bytes) -> None:
        """RTP packets as one received batch."""
        self.core.ingest([self.protect(packet) for packet in packets])

    def send_rtcp(self, compound: bytes) -> None:
        assert self.outgoing is not None
        self.core.ingest([(self.outgoing.protect_rtcp(compound), self.address)])

    def read(self, sent: list[tuple[bytes, tuple[str, int], int]]) -> tuple[list[Rtp], list[bytes]]:
        """What of `sent` came here: RTP packets and RTCP compounds, in order."""
        media: list[Rtp] = []
        control: list[bytes] = []
        for data, address, run in sent:
            if address != self.address or data[0] >> 6 != 2:
                continue
            assert self.incoming is not None
            try:
                if 192 <= data[1] <= 223:
                    control.append(self.incoming.unprotect_rtcp(data))
                else:
                    media.append(parse_rtp(self.incoming.unprotect(data), run, len(data)))
            except SrtpError:
                self.unreadable += 1
        return media, control


def rtcp_packets(compound: bytes) -> list[tuple[int, int, bytes]]:
    """(packet type, count or FMT, body) of each packet of a compound."""
    found = []
    while compound:
        first, kind, words = struct.unpack("!BBH", compound[:4])
        found.append((kind, first & 31, compound[4 : 4 + 4 * words]))
        compound = compound[4 + 4 * words :]
    return found


def pli(sender: int, media: int) -> bytes:
    """An empty RR and a PLI (RFC 4585 section 6.3.1)."""
    return struct.pack("!BBHI", 0x80, 201, 1, sender) + struct.pack("!BBHII", 0x81, 206, 2, sender, media)


def nack(sender: int, media: int, seq: int, following: int = 0) -> bytes:
    """An empty RR and a generic NACK of `seq` and the bit mask of the 16 after it."""
    return struct.pack("!BBHI", 0x80, 201, 1, sender) + struct.pack(
        "!BBHIIHH", 0x81, 205, 3, sender, media, seq, following
    )


def sender_report(ssrc: int, ntp: int, rtp_ts: int) -> bytes:
    return struct.pack("!BBHIQIII", 0x80, 200, 6, ssrc, ntp, rtp_ts & 0xFFFFFFFF, 1, 1)

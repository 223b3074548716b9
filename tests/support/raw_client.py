"""A WebRTC client made by hand, to do what is legal and what no stack does: STUN by aioice, DTLS by OpenSSL."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from aioice import stun
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from pylibsrtp import Error as SrtpError
from pylibsrtp import Policy, Session

from sfu.rtc.dtls import PROFILES
from tests.support.far_end import CM_SHA1, GCM_128, PYLIBSRTP_PROFILE, Rtp, parse_rtp
from tests.support.nodes import RunningNode

GCM_FIRST = b"SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80"
PROFILE_NUMBERS = {profile.name: profile for profile in PROFILES}
RECORD_HEADER_BYTES = 13
TICK_S = 0.005
CHECK_TIMEOUT_S = 5.0
HANDSHAKE_TIMEOUT_S = 15.0
_numbers = itertools.count(1)

assert {GCM_128, CM_SHA1} <= {profile.number for profile in PROFILES}
Loses = Callable[[bytes], bool]


@cache
def certificate(kind: str) -> tuple[Any, x509.Certificate]:
    """A self-signed certificate: "ec" (P-256), "p384" or "rsa"."""
    if kind == "rsa":
        key: Any = rsa.generate_private_key(65537, 2048)
    else:
        key = ec.generate_private_key(ec.SECP384R1() if kind == "p384" else ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "client")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - timedelta(days=1))
    return key, builder.not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())


@dataclass(frozen=True, slots=True)
class Means:
    """How a client does DTLS, and what its SDP says about it."""

    certificate: str = "ec"
    hash_name: str = "sha-256"
    lower_case: bool = False
    profiles: bytes = GCM_FIRST
    setup: str | None = "actpass"

    @property
    def fingerprint(self) -> str:
        der = certificate(self.certificate)[1].public_bytes(Encoding.DER)
        digest = hashlib.new(self.hash_name.lower().replace("-", ""), der).digest().hex(":")
        return f"{self.hash_name} {digest if self.lower_case else digest.upper()}"


@dataclass(slots=True, eq=False)
class RawClient(asyncio.DatagramProtocol):
    """One Transport and what came over it. `answer` is the SDP that it goes by."""

    node: RunningNode
    means: Means = field(default_factory=Means)
    ufrag: str = field(default_factory=lambda: f"user{next(_numbers):04}")
    pwd: str = "p" * 24
    answer: str = ""
    location: str = ""
    media: list[Rtp] = field(default_factory=list)
    stun: list[bytes] = field(default_factory=list)
    dtls: list[bytes] = field(default_factory=list)
    profile: str = ""
    copies: int = 1
    _socket: Any = None
    _outgoing: Session | None = None
    _incoming: Session | None = None

    async def join(self, path: str, identity: str, offer: str, **grant: Any) -> tuple[int, str]:
        """POSTs the offer and takes the answer; (status, body)."""
        status, headers, body = await self.node.offer(path, identity, offer, **grant)
        if status == 201:
            self.answer, self.location = body, headers["Location"]
        return status, body

    async def move(self) -> None:
        """From now on sends and listens on a new port."""
        found = re.search(r"a=candidate:1 1 udp \d+ (\S+) (\d+) typ host", self.answer)
        assert found, self.answer
        if self._socket:
            self._socket.close()
        make = asyncio.get_running_loop().create_datagram_endpoint
        local = "::1" if ":" in found[1] else "127.0.0.1"
        self._socket, _ = await make(lambda: self, (local, 0), (found[1], int(found[2])))

    async def connect(self) -> None:
        """ICE and DTLS as everybody does them."""
        await self.move()
        await self.check()
        await self.handshake()

    async def check(self, *, nominate: bool = True) -> None:
        """A connectivity check until it is answered."""
        request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{self.said('ice-ufrag')}:{self.ufrag}"
        request.attributes["PRIORITY"] = 1853824767
        request.attributes["ICE-CONTROLLING"] = 7
        if nominate:
            request.attributes["USE-CANDIDATE"] = None
        request.add_message_integrity(self.said("ice-pwd").encode())

        def answered() -> bool:
            return any(data[8:20] == request.transaction_id for data in self.stun)

        await self.until(answered, CHECK_TIMEOUT_S, every=lambda: self.send_raw(bytes(request)))

    async def handshake(self, loses: Loses = lambda _: False, *, cut: int = 0) -> None:
        """A DTLS handshake as the client; `loses` takes datagrams away, `cut` makes small fragments."""
        flights = Flights(self, cut)
        flights.step()

        def turn() -> bool:
            arrived, self.dtls = self.dtls, []
            for datagram in arrived:
                if not loses(datagram):
                    flights.take(datagram)
            flights.step()
            return flights.done

        await self.until(turn, HANDSHAKE_TIMEOUT_S)
        self.profile = flights.connection.get_selected_srtp_profile().decode()
        self._set_keys(flights.connection)

    def _set_keys(self, connection: SSL.Connection) -> None:
        profile = PROFILE_NUMBERS[self.profile]
        key, salt = profile.key_bytes, profile.salt_bytes
        block = connection.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (key + salt))
        ours = block[:key] + block[2 * key : 2 * key + salt]
        theirs = block[key : 2 * key] + block[2 * key + salt :]
        number = PYLIBSRTP_PROFILE[profile.number]
        out = Policy(key=ours, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=number)
        self._outgoing = Session(out)
        self._incoming = Session(Policy(key=theirs, ssrc_type=Policy.SSRC_ANY_INBOUND, srtp_profile=number))

    def said(self, attribute: str) -> str:
        """The first value of an attribute in the answer."""
        found = re.search(rf"^a={attribute}:(\S+)", self.answer, re.MULTILINE)
        assert found, attribute
        return found[1]

    async def until(
        self,
        holds: Callable[[], object],
        within_s: float = 5.0,
        *,
        every: Callable[[], None] = lambda: None,
    ) -> None:
        """Lets time pass until `holds`; repeats `every` now and then."""
        deadline = time.monotonic() + within_s
        for turn in itertools.count():
            if holds():
                return
            assert time.monotonic() < deadline, f"not within {within_s:g} s"
            if turn % 20 == 0:
                every()
            await asyncio.sleep(TICK_S)

    def send(self, *packets: bytes) -> None:
        """RTP packets, protected."""
        assert self._outgoing
        for packet in packets:
            self._socket.sendto(self._outgoing.protect(packet))

    def send_raw(self, datagram: bytes) -> None:
        """One datagram, `copies` times."""
        for _ in range(self.copies):
            self._socket.sendto(datagram)

    def datagram_received(self, data: bytes, addr: object) -> None:
        if data[0] < 4:
            self.stun.append(data)
        elif data[0] < 64:
            self.dtls.append(data)
        elif self._incoming and not 192 <= data[1] <= 223:
            try:
                self.media.append(parse_rtp(self._incoming.unprotect(data)))
            except SrtpError:
                raise AssertionError("unreadable SRTP") from None

    def close(self) -> None:
        if self._socket:
            self._socket.close()


class Flights:
    """OpenSSL over a RawClient's socket, one record in one datagram."""

    def __init__(self, client: RawClient, cut: int) -> None:
        key, own = certificate(client.means.certificate)
        made = SSL.Context(SSL.DTLS_METHOD)
        made.use_certificate(own)
        made.use_privatekey(key)
        made.set_verify(SSL.VERIFY_PEER, lambda *_: True)
        made.set_options(SSL.OP_NO_QUERY_MTU)
        made.set_tlsext_use_srtp(client.means.profiles)
        self.connection = SSL.Connection(made, None)
        self.connection.set_ciphertext_mtu(1200)
        self.connection.set_connect_state()
        self.done = False
        self._client, self._cut = client, cut
        self._seq = itertools.count()

    def take(self, datagram: bytes) -> None:
        self.connection.bio_write(datagram)
        self.step()

    def step(self) -> None:
        due = self.connection.DTLSv1_get_timeout()
        if due is not None and due <= 0:
            self.connection.DTLSv1_handle_timeout()
        try:
            self.connection.do_handshake()
            self.done = True
        except SSL.WantReadError:
            pass
        for record in self._records():
            self._client.send_raw(record)

    def _records(self) -> list[bytes]:
        stream = b""
        while True:
            try:
                stream += self.connection.bio_read(65536)
            except SSL.Error:
                break
        records = []
        while stream:
            size = RECORD_HEADER_BYTES + int.from_bytes(stream[11:13])
            records += self._fragments(stream[:size])
            stream = stream[size:]
        return records

    def _fragments(self, record: bytes) -> list[bytes]:
        """RFC 6347 section 4.2.3, for handshake messages in the clear; epoch 0 is numbered anew."""
        if not self._cut or record[3:5] != b"\0\0":
            return [record]
        if record[0] != 22:
            return [record[:5] + next(self._seq).to_bytes(6) + record[11:]]
        message = record[RECORD_HEADER_BYTES:]
        head, body = message[:6], message[12:]
        made = []
        for at in range(0, len(body), self._cut):
            part = body[at : at + self._cut]
            whole = head + at.to_bytes(3) + len(part).to_bytes(3) + part
            made.append(record[:5] + next(self._seq).to_bytes(6) + len(whole).to_bytes(2) + whole)
        return made


@asynccontextmanager
async def raw_clients(node: RunningNode) -> AsyncIterator[Callable[..., RawClient]]:
    """Makes clients, closed in the end; what it is given are fields of `Means`."""
    made: list[RawClient] = []

    def make(**means: Any) -> RawClient:
        made.append(RawClient(node, replace(Means(), **means)))
        return made[-1]

    try:
        yield make
    finally:
        for client in made:
            client.close()

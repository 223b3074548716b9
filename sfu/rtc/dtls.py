"""DTLS 1.2 with the use_srtp extension (RFC 6347, RFC 5764) without IO: datagrams in, datagrams and keys out.

OpenSSL does the protocol over memory BIOs. One `DtlsIdentity` (certificate and cached OpenSSL context) serves
every association of a process: a context for each would double the CPU of a handshake. The far end's
certificate is proven by the fingerprint of its SDP (RFC 8122), not by a chain.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

MTU_BYTES: Final = 1200
RECORD_HEADER_BYTES: Final = 13
DTLS_1_2: Final = 0xFEFD
SSL_MODE_RELEASE_BUFFERS: Final = 0x10
FINGERPRINT_HASHES: Final = {"sha-256": hashlib.sha256, "sha-384": hashlib.sha384, "sha-512": hashlib.sha512}
CIPHERS: Final = b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305"


@dataclass(frozen=True, slots=True)
class SrtpProfile:
    """A DTLS-SRTP protection profile: IANA number, OpenSSL's name, sizes of master key and salt in bytes."""

    number: int
    name: str
    key_bytes: int
    salt_bytes: int


AEAD_AES_128_GCM: Final = SrtpProfile(7, "SRTP_AEAD_AES_128_GCM", 16, 12)
AES128_CM_SHA1_80: Final = SrtpProfile(1, "SRTP_AES128_CM_SHA1_80", 16, 14)
AEAD_AES_256_GCM: Final = SrtpProfile(8, "SRTP_AEAD_AES_256_GCM", 32, 12)
PROFILES: Final = (AEAD_AES_128_GCM, AES128_CM_SHA1_80, AEAD_AES_256_GCM)
"""In the order in which a server prefers them (RFC 5764 section 4.1.1: the server chooses)."""


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """Master key || master salt for each direction, and the profile's IANA number."""

    profile: int
    rx: bytes
    tx: bytes


class DtlsState(Enum):
    """Life of one association; FAILED and CLOSED are final."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    FAILED = "failed"
    CLOSED = "closed"


class DtlsIdentity:
    """A certificate (ECDSA P-256, self-signed) with its cached OpenSSL context and its SDP fingerprint."""

    def __init__(self, *, now: datetime, profiles: Iterable[SrtpProfile] = PROFILES) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _self_signed(key, now)
        self.fingerprint_sha256 = _colon_hex(hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest())
        self.context = SSL.Context(SSL.DTLS_METHOD)
        self.context.set_min_proto_version(DTLS_1_2)
        self.context.set_max_proto_version(DTLS_1_2)
        self.context.set_cipher_list(CIPHERS)
        self.context.set_options(SSL.OP_NO_QUERY_MTU | SSL.OP_NO_TICKET)
        self.context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        self.context.set_mode(SSL_MODE_RELEASE_BUFFERS)
        self.context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _accept_any_chain)
        self.context.use_certificate(certificate)
        self.context.use_privatekey(key)
        self.context.set_tlsext_use_srtp(":".join(profile.name for profile in profiles).encode())


class DtlsAssociation:
    """One DTLS association in the role that SDP's `a=setup` gave us ("server" for `passive`).

    `fingerprints` are (hash name, "AB:CD:..") pairs; one match suffices. The retransmission timer is
    OpenSSL's own (`timeout_s` says when to call `handle_timeout`). No method raises on anything that the far
    end sends: `state` becomes FAILED and `reason` says why.
    """

    def __init__(
        self,
        identity: DtlsIdentity,
        fingerprints: Iterable[tuple[str, str]],
        *,
        role: Literal["server", "client"],
    ) -> None:
        self.state = DtlsState.CONNECTING
        self.keys: SrtpKeys | None = None
        self.reason = ""
        self._fingerprints = tuple(fingerprints)
        self._role = role
        self._ssl = SSL.Connection(identity.context, None)
        self._ssl.set_ciphertext_mtu(MTU_BYTES)
        if role == "server":
            self._ssl.set_accept_state()
        else:
            self._ssl.set_connect_state()

    def start(self) -> list[bytes]:
        """The first flight of a client; a server has none."""
        return self._advance()

    def receive(self, datagram: bytes) -> list[bytes]:
        """Takes one datagram of the far end and returns those to send back."""
        if self.state in (DtlsState.FAILED, DtlsState.CLOSED):
            return []
        self._ssl.bio_write(datagram)
        return self._advance()

    def timeout_s(self) -> float | None:
        """Seconds until `handle_timeout` is due, or None while no flight is waiting for its answer."""
        if self.state is not DtlsState.CONNECTING:
            return None
        due: float | None = self._ssl.DTLSv1_get_timeout()
        return due

    def handle_timeout(self) -> list[bytes]:
        """Repeats the last flight if it is due (RFC 6347 section 4.2.4)."""
        if self.state is not DtlsState.CONNECTING:
            return []
        try:
            self._ssl.DTLSv1_handle_timeout()
        except SSL.Error as error:
            self._fail(f"DTLS gave up: {_describe(error)}")
        return self._outgoing()

    def close(self) -> list[bytes]:
        """Ends the association; returns the close_notify alert if there is a far end to tell."""
        if self.state is DtlsState.CONNECTED:
            try:
                self._ssl.shutdown()
            except SSL.Error:
                pass
        out = self._outgoing() if self.state is DtlsState.CONNECTED else []
        self.state = DtlsState.CLOSED
        return out

    def _advance(self) -> list[bytes]:
        try:
            if self.state is DtlsState.CONNECTING:
                self._ssl.do_handshake()
                self._establish()
            while self.state is DtlsState.CONNECTED:
                self._ssl.recv(MTU_BYTES)
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.state = DtlsState.CLOSED
            self.reason = "close_notify"
        except SSL.Error as error:
            self._fail(f"DTLS failed: {_describe(error)}")
        return self._outgoing()

    def _establish(self) -> None:
        certificate = self._ssl.get_peer_certificate(as_cryptography=True)
        if certificate is None or not self._proves(certificate.public_bytes(Encoding.DER)):
            self._fail("the certificate does not match the fingerprint of the SDP")
            return
        profile = _profile_named(self._ssl.get_selected_srtp_profile().decode())
        if profile is None:
            self._fail("no SRTP protection profile in common")
            return
        self.keys = self._export(profile)
        self.state = DtlsState.CONNECTED

    def _proves(self, der: bytes) -> bool:
        return any(
            algorithm.lower() in FINGERPRINT_HASHES
            and _colon_hex(FINGERPRINT_HASHES[algorithm.lower()](der).digest()) == value.upper()
            for algorithm, value in self._fingerprints
        )

    def _export(self, profile: SrtpProfile) -> SrtpKeys:
        """RFC 5764 section 4.2: client key, server key, client salt, server salt."""
        key, salt = profile.key_bytes, profile.salt_bytes
        block = self._ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (key + salt))
        client = block[:key] + block[2 * key : 2 * key + salt]
        server = block[key : 2 * key] + block[2 * key + salt :]
        if self._role == "server":
            return SrtpKeys(profile.number, rx=client, tx=server)
        return SrtpKeys(profile.number, rx=server, tx=client)

    def _fail(self, reason: str) -> None:
        self.state = DtlsState.FAILED
        self.reason = reason

    def _outgoing(self) -> list[bytes]:
        """Whatever OpenSSL wrote, cut at record boundaries into datagrams of at most `MTU_BYTES`."""
        stream = bytearray()
        while True:
            try:
                stream += self._ssl.bio_read(65536)
            except SSL.Error:
                return _pack_records(bytes(stream))


def _pack_records(stream: bytes) -> list[bytes]:
    """A memory BIO forgets datagram boundaries; records know their length (RFC 6347 section 4.1)."""
    datagrams: list[bytes] = []
    start = offset = 0
    while offset + RECORD_HEADER_BYTES <= len(stream):
        end = offset + RECORD_HEADER_BYTES + int.from_bytes(stream[offset + 11 : offset + 13], "big")
        if end - start > MTU_BYTES and offset > start:
            datagrams.append(stream[start:offset])
            start = offset
        offset = end
    if start < len(stream):
        datagrams.append(stream[start:])
    return datagrams


def _profile_named(name: str) -> SrtpProfile | None:
    return next((profile for profile in PROFILES if profile.name == name), None)


def _colon_hex(digest: bytes) -> str:
    return digest.hex(":").upper()


def _describe(error: SSL.Error) -> str:
    reasons = [entry[-1] for entry in error.args[0]] if error.args and isinstance(error.args[0], list) else []
    return ", ".join(reasons) or type(error).__name__


def _accept_any_chain(*_: object) -> bool:
    return True


def _self_signed(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "headwater")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )

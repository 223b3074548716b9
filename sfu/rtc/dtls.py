"""DTLS 1.2 with the use_srtp extension (RFC 6347, RFC 5764) without IO: datagrams in, datagrams and keys out.

OpenSSL does the handshake over memory BIOs. Afterwards all that may still come is a repeated last flight and
an alert: OpenSSL's state (75 KB) is dropped, `sealed.py` keeps what those need. One `DtlsIdentity`
(certificate and cached OpenSSL context) serves every association of a process: a context for each would
double the CPU of a handshake. The far end's certificate is proven by the fingerprint of its SDP (RFC 8122),
not by a chain.
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

from sfu.rtc.sealed import RECORD_HEADER_BYTES, SealedAssociation, Secrets

MTU_BYTES: Final = 1200
DTLS_1_2: Final = 0xFEFD
SSL_MODE_RELEASE_BUFFERS: Final = 0x10
FINGERPRINT_HASHES: Final = {"sha-256": hashlib.sha256, "sha-384": hashlib.sha384, "sha-512": hashlib.sha512}
CIPHER: Final = b"ECDHE-ECDSA-AES128-GCM-SHA256"
"""The one that every WebRTC endpoint has (RFC 8827 section 6.5)."""


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
        self.context.set_cipher_list(CIPHER)
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
        self._handshake: SSL.Connection | None = self._begin(identity)
        self._sealed: SealedAssociation | None = None

    def start(self) -> list[bytes]:
        """The first flight of a client; a server has none."""
        return self._advance(self._handshake) if self._handshake else []

    def receive(self, datagram: bytes) -> list[bytes]:
        """Takes one datagram of the far end and returns those to send back."""
        if not datagram:
            return []
        if self._handshake:
            self._handshake.bio_write(datagram)
            return self._advance(self._handshake)
        if self._sealed is None:
            return []
        out = self._sealed.receive(datagram)
        if self._sealed.closed:
            self.state, self.reason, self._sealed = DtlsState.CLOSED, "close_notify", None
        return out

    def timeout_s(self) -> float | None:
        """Seconds until `handle_timeout` is due, or None while no flight is waiting for its answer."""
        if self._handshake is None:
            return None
        due: float | None = self._handshake.DTLSv1_get_timeout()
        return due

    def handle_timeout(self) -> list[bytes]:
        """Repeats the last flight if it is due (RFC 6347 section 4.2.4)."""
        if self._handshake is None:
            return []
        try:
            self._handshake.DTLSv1_handle_timeout()
        except SSL.Error as error:
            self._fail(f"DTLS gave up: {_describe(error)}")
            return []
        return _outgoing(self._handshake)

    def close(self) -> list[bytes]:
        """Ends the association; returns the close_notify alert if there is a far end to tell."""
        out = [self._sealed.close_notify()] if self._sealed else []
        self._handshake = self._sealed = None
        self.state = DtlsState.CLOSED
        return out

    def _begin(self, identity: DtlsIdentity) -> SSL.Connection:
        connection = SSL.Connection(identity.context, None)
        connection.set_ciphertext_mtu(MTU_BYTES)
        if self._role == "server":
            connection.set_accept_state()
        else:
            connection.set_connect_state()
        return connection

    def _advance(self, handshake: SSL.Connection) -> list[bytes]:
        try:
            handshake.do_handshake()
        except SSL.WantReadError:
            return _outgoing(handshake)
        except SSL.Error as error:
            last_words = _outgoing(handshake)
            self._fail(f"DTLS failed: {_describe(error)}")
            return last_words
        last_flight = _outgoing(handshake)
        self._establish(handshake, last_flight)
        return last_flight

    def _establish(self, handshake: SSL.Connection, last_flight: list[bytes]) -> None:
        certificate = handshake.get_peer_certificate(as_cryptography=True)
        if certificate is None or not self._proves(certificate.public_bytes(Encoding.DER)):
            self._fail("the certificate does not match the fingerprint of the SDP")
            return
        profile = _profile_named(handshake.get_selected_srtp_profile().decode())
        if profile is None:
            self._fail("no SRTP protection profile in common")
            return
        self.keys = self._export(handshake, profile)
        randoms = handshake.client_random() or b"", handshake.server_random() or b""
        secrets = Secrets(handshake.master_key() or b"", *randoms)
        self._sealed = SealedAssociation(secrets, last_flight, is_server=self._role == "server")
        self._handshake = None
        self.state = DtlsState.CONNECTED

    def _proves(self, der: bytes) -> bool:
        return any(
            algorithm.lower() in FINGERPRINT_HASHES
            and _colon_hex(FINGERPRINT_HASHES[algorithm.lower()](der).digest()) == value.upper()
            for algorithm, value in self._fingerprints
        )

    def _export(self, handshake: SSL.Connection, profile: SrtpProfile) -> SrtpKeys:
        """RFC 5764 section 4.2: client key, server key, client salt, server salt."""
        key, salt = profile.key_bytes, profile.salt_bytes
        block = handshake.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (key + salt))
        client = block[:key] + block[2 * key : 2 * key + salt]
        server = block[key : 2 * key] + block[2 * key + salt :]
        if self._role == "server":
            return SrtpKeys(profile.number, rx=client, tx=server)
        return SrtpKeys(profile.number, rx=server, tx=client)

    def _fail(self, reason: str) -> None:
        self.state, self.reason, self._handshake = DtlsState.FAILED, reason, None


def _outgoing(handshake: SSL.Connection) -> list[bytes]:
    """Whatever OpenSSL wrote, cut at record boundaries into datagrams of at most `MTU_BYTES`."""
    stream = bytearray()
    while True:
        try:
            stream += handshake.bio_read(65536)
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

"""What is left to do for a DTLS 1.2 association whose handshake is over (RFC 6347, RFC 5288).

DTLS-SRTP carries no application data: all that may still come is the far end's last flight again, because
ours was lost, and an alert. Both need a few hundred bytes of state instead of OpenSSL's 75 KB.
"""

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

RECORD_HEADER_BYTES: Final = 13
CHANGE_CIPHER_SPEC: Final = 20
ALERT: Final = 21
HANDSHAKE: Final = 22
VERSION: Final = b"\xfe\xfd"
KEY_BYTES: Final = 16
SALT_BYTES: Final = 4
EXPLICIT_NONCE_BYTES: Final = 8
FATAL: Final = 2
CLOSE_NOTIFY: Final = 0
GOODBYE_SEQUENCE: Final = (1 << 48) + 1000
"""Epoch 1, and a sequence number beyond those of the handshake."""
MAX_REPEATS: Final = 16


@dataclass(frozen=True, slots=True)
class Secrets:
    """What TLS 1.2 derives its record keys from (RFC 5246 section 6.3)."""

    master: bytes
    client_random: bytes
    server_random: bytes


class SealedAssociation:
    """The far end of an association with TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256; `closed` once it said
    goodbye.
    """

    def __init__(self, secrets: Secrets, last_flight: list[bytes], *, is_server: bool) -> None:
        block = _prf(
            secrets.master,
            b"key expansion" + secrets.server_random + secrets.client_random,
            2 * (KEY_BYTES + SALT_BYTES),
        )
        client = block[:KEY_BYTES] + block[2 * KEY_BYTES : 2 * KEY_BYTES + SALT_BYTES]
        server = block[KEY_BYTES : 2 * KEY_BYTES] + block[2 * KEY_BYTES + SALT_BYTES :]
        self._rx, self._tx = (client, server) if is_server else (server, client)
        self._last_flight = last_flight
        self._repeats = 0
        self.closed = False

    def receive(self, datagram: bytes) -> list[bytes]:
        """Our last flight again if the far end repeats its own; `closed` after an authentic alert.

        Byte for byte the same flight: a far end that has it after all drops it as replayed.
        """
        repeated = False
        for kind, epoch_and_sequence, body in _records(datagram):
            repeated |= kind in (HANDSHAKE, CHANGE_CIPHER_SPEC)
            if kind == ALERT and epoch_and_sequence >> 48:
                self.closed |= self._ends(self._open(kind, epoch_and_sequence, body))
        if not repeated or self._repeats >= MAX_REPEATS:
            return []
        self._repeats += 1
        return self._last_flight

    def close_notify(self) -> bytes:
        """One datagram that says goodbye (RFC 5246 section 7.2.1)."""
        alert = bytes((1, CLOSE_NOTIFY))
        explicit = GOODBYE_SEQUENCE.to_bytes(8)
        sealed = AESGCM(self._tx[:KEY_BYTES]).encrypt(
            self._tx[KEY_BYTES:] + explicit, alert, _associated(ALERT, GOODBYE_SEQUENCE, len(alert))
        )
        body = explicit + sealed
        return bytes((ALERT,)) + VERSION + explicit + len(body).to_bytes(2) + body

    def _open(self, kind: int, epoch_and_sequence: int, body: bytes) -> bytes:
        """The plaintext of a record; nothing if it is not authentic."""
        explicit, sealed = body[:EXPLICIT_NONCE_BYTES], body[EXPLICIT_NONCE_BYTES:]
        size = len(sealed) - 16
        if size < 0:
            return b""
        try:
            return AESGCM(self._rx[:KEY_BYTES]).decrypt(
                self._rx[KEY_BYTES:] + explicit, sealed, _associated(kind, epoch_and_sequence, size)
            )
        except InvalidTag:
            return b""

    @staticmethod
    def _ends(alert: bytes) -> bool:
        return len(alert) == 2 and (alert[0] == FATAL or alert[1] == CLOSE_NOTIFY)


def _records(datagram: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(content type, epoch and sequence number as one 64-bit number, body) of each whole DTLS 1.2 record."""
    offset = 0
    while offset + RECORD_HEADER_BYTES <= len(datagram):
        header = datagram[offset : offset + RECORD_HEADER_BYTES]
        end = offset + RECORD_HEADER_BYTES + int.from_bytes(header[11:13])
        if end > len(datagram):
            return
        if header[1:3] == VERSION:
            yield header[0], int.from_bytes(header[3:11]), datagram[offset + RECORD_HEADER_BYTES : end]
        offset = end


def _associated(kind: int, epoch_and_sequence: int, size: int) -> bytes:
    """RFC 5246 section 6.2.3.3, with DTLS's sequence number."""
    return epoch_and_sequence.to_bytes(8) + bytes((kind,)) + VERSION + size.to_bytes(2)


def _prf(secret: bytes, seed: bytes, size: int) -> bytes:
    """P_SHA256 of RFC 5246 section 5; `seed` includes the label."""
    out, chain = b"", seed
    while len(out) < size:
        chain = hmac.digest(secret, chain, hashlib.sha256)
        out += hmac.digest(secret, chain + seed, hashlib.sha256)
    return out[:size]

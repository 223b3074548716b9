"""Two associations talk over a lossy wire made of lists."""

from contextlib import suppress
from datetime import UTC, datetime
from itertools import count

import pytest
from OpenSSL import SSL

from sfu.rtc import dtls
from sfu.rtc.dtls import AEAD_AES_128_GCM, AES128_CM_SHA1_80, DtlsAssociation, DtlsIdentity, DtlsState

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def node() -> DtlsIdentity:
    return DtlsIdentity(now=datetime.now(UTC))


def associate(
    node: DtlsIdentity, far: DtlsIdentity, *, claimed: str = ""
) -> tuple[DtlsAssociation, DtlsAssociation]:
    claimed = claimed or far.fingerprint_sha256
    server = DtlsAssociation(node, [("sha-256", claimed)], role="server")
    client = DtlsAssociation(far, [("sha-256", node.fingerprint_sha256)], role="client")
    return server, client


def shake_hands_with_openssl(ours: DtlsAssociation, far: DtlsIdentity) -> SSL.Connection:
    """OpenSSL itself as our client."""
    theirs = SSL.Connection(far.context, None)
    theirs.set_ciphertext_mtu(dtls.MTU_BYTES)
    theirs.set_connect_state()
    inbox: list[bytes] = []
    while ours.state is DtlsState.CONNECTING or inbox:
        try:
            theirs.do_handshake()
        except SSL.WantReadError:
            with suppress(SSL.WantReadError):
                inbox += ours.receive(theirs.bio_read(4000))
        theirs.bio_write(inbox.pop(0))
    theirs.do_handshake()
    return theirs


def shake_hands(server: DtlsAssociation, client: DtlsAssociation) -> list[bytes]:
    """Carries datagrams until both fall silent; returns all that the server sent."""
    sent: list[bytes] = []
    to_server, to_client = client.start(), []
    while to_server or to_client:
        to_client = [out for datagram in to_server for out in server.receive(datagram)]
        sent += to_client
        to_server = [out for datagram in to_client for out in client.receive(datagram)]
    return sent


def test_both_ends_hold_the_same_keys_crosswise(node: DtlsIdentity) -> None:
    server, client = associate(node, DtlsIdentity(now=datetime.now(UTC)))
    shake_hands(server, client)
    assert server.state is client.state is DtlsState.CONNECTED
    assert server.keys is not None
    assert client.keys is not None
    assert (server.keys.rx, server.keys.tx) == (client.keys.tx, client.keys.rx)
    assert server.keys.profile == AEAD_AES_128_GCM.number
    assert len(server.keys.rx) == AEAD_AES_128_GCM.key_bytes + AEAD_AES_128_GCM.salt_bytes


def test_server_order_decides_but_a_client_with_one_profile_gets_it(node: DtlsIdentity) -> None:
    only_cm = DtlsIdentity(now=datetime.now(UTC), profiles=[AES128_CM_SHA1_80])
    server, client = associate(node, only_cm)
    shake_hands(server, client)
    assert server.keys is not None
    assert server.keys.profile == AES128_CM_SHA1_80.number


def test_no_datagram_is_larger_than_the_mtu(node: DtlsIdentity) -> None:
    server, client = associate(node, DtlsIdentity(now=datetime.now(UTC)))
    assert max(map(len, shake_hands(server, client))) <= dtls.MTU_BYTES


def test_another_certificate_than_the_sdp_promised_fails(node: DtlsIdentity) -> None:
    far, other = DtlsIdentity(now=datetime.now(UTC)), DtlsIdentity(now=datetime.now(UTC))
    server, client = associate(node, far, claimed=other.fingerprint_sha256)
    shake_hands(server, client)
    assert server.state is DtlsState.FAILED
    assert server.keys is None
    assert "fingerprint" in server.reason


def test_close_notify_closes_the_other_end(node: DtlsIdentity) -> None:
    server, client = associate(node, DtlsIdentity(now=datetime.now(UTC)))
    shake_hands(server, client)
    for datagram in client.close():
        server.receive(datagram)
    assert server.state is DtlsState.CLOSED
    assert server.reason == "close_notify"


def test_both_ends_say_goodbye_in_a_way_that_openssl_would_take(node: DtlsIdentity) -> None:
    far = DtlsIdentity(now=datetime.now(UTC))
    ours = associate(node, far)[0]
    theirs = shake_hands_with_openssl(ours, far)
    for datagram in ours.close():
        theirs.bio_write(datagram)
    with pytest.raises(SSL.ZeroReturnError):
        theirs.recv(100)


def test_a_goodbye_by_openssl_is_understood(node: DtlsIdentity) -> None:
    far = DtlsIdentity(now=datetime.now(UTC))
    ours = associate(node, far)[0]
    theirs = shake_hands_with_openssl(ours, far)
    theirs.shutdown()
    goodbye = theirs.bio_read(2000)
    ours.receive(goodbye[:-1] + bytes([goodbye[-1] ^ 1]))
    assert ours.state is DtlsState.CONNECTED
    ours.receive(goodbye)
    assert ours.state is DtlsState.CLOSED


def test_a_lost_last_flight_is_sent_again_when_the_far_end_repeats_its_own(node: DtlsIdentity) -> None:
    far = DtlsIdentity(now=datetime.now(UTC))
    server, client = associate(node, far)
    hello = [out for datagram in client.start() for out in server.receive(datagram)]
    finished = [out for datagram in hello for out in client.receive(datagram)]
    lost = [out for datagram in finished for out in server.receive(datagram)]
    assert server.state is DtlsState.CONNECTED
    assert client.state is DtlsState.CONNECTING
    again = [out for datagram in finished for out in server.receive(datagram)]
    assert set(again) == set(lost)
    for datagram in again:
        client.receive(datagram)
    assert client.state is DtlsState.CONNECTED


def test_repetition_does_not_go_on_for_ever(node: DtlsIdentity) -> None:
    server, client = associate(node, DtlsIdentity(now=datetime.now(UTC)))
    hello = [out for datagram in client.start() for out in server.receive(datagram)]
    finished = [out for datagram in hello for out in client.receive(datagram)]
    answers = [bool(server.receive(finished[-1])) for _ in range(100)]
    assert not answers[-1]


def test_a_lost_flight_is_due_again(node: DtlsIdentity) -> None:
    _, client = associate(node, DtlsIdentity(now=datetime.now(UTC)))
    assert client.start()
    due = client.timeout_s()
    assert due is not None
    assert 0 < due <= 1


@pytest.mark.parametrize("step", [1, 7, 13])
def test_garbage_neither_raises_nor_breaks_the_handshake(node: DtlsIdentity, step: int) -> None:
    server, client = associate(node, DtlsIdentity(now=datetime.now(UTC)))
    hello = client.start()
    for size, _ in zip(count(1, step), range(60), strict=False):
        server.receive(b"\x16\xfe\xfd" + b"\xa5" * size)
    answers = [out for datagram in hello for out in server.receive(datagram)]
    while answers:
        replies = [out for datagram in answers for out in client.receive(datagram)]
        answers = [out for datagram in replies for out in server.receive(datagram)]
    assert server.state is DtlsState.CONNECTED

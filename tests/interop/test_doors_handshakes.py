"""ICE and DTLS as a client may legally do them: other keys, other orders, lost and cut flights."""

import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from tests.support.eventually import eventually
from tests.support.far_end import make_rtp
from tests.support.nodes import RunningNode, running_node
from tests.support.raw_client import RawClient, raw_clients
from tests.support.raw_offers import OPUS, Line, Source, gapless, offer, play

MakeClient = Callable[..., RawClient]
MICROPHONE = Line(OPUS)
CHANGE_CIPHER_SPEC = 20


@pytest.fixture
async def node() -> AsyncIterator[RunningNode]:
    async with running_node() as running:
        yield running


@pytest.fixture
async def client(node: RunningNode) -> AsyncIterator[MakeClient]:
    async with raw_clients(node) as make:
        yield make


async def joined(made: RawClient, path: str = "/whip/demo") -> RawClient:
    """With its Transport open, and nothing sent yet."""
    direction = "sendonly" if "whip" in path else "recvonly"
    status, body = await made.join(path, path[1:5], offer(made, (MICROPHONE,), direction=direction))
    assert status == 201, body
    await made.move()
    return made


async def media_flows(make: MakeClient, publisher: RawClient, **means: object) -> RawClient:
    """To a viewer that is made for this."""
    watching = await joined(make(**means), "/whep/demo")
    await watching.check()
    await watching.handshake()
    await play([Source(MICROPHONE, 1)], publisher, watching, 10)
    assert gapless(watching.media)
    return watching


@pytest.mark.parametrize(
    ("means", "profile"),
    [
        ({"certificate": "rsa"}, "SRTP_AEAD_AES_128_GCM"),
        ({"certificate": "p384"}, "SRTP_AEAD_AES_128_GCM"),
        ({"profiles": b"SRTP_AES128_CM_SHA1_80"}, "SRTP_AES128_CM_SHA1_80"),
        ({"profiles": b"SRTP_AES128_CM_SHA1_32:SRTP_AES128_CM_SHA1_80"}, "SRTP_AES128_CM_SHA1_80"),
        ({"profiles": b"SRTP_AEAD_AES_256_GCM"}, "SRTP_AEAD_AES_256_GCM"),
        ({"hash_name": "sha-384"}, "SRTP_AEAD_AES_128_GCM"),
        ({"hash_name": "SHA-512", "lower_case": True}, "SRTP_AEAD_AES_128_GCM"),
        ({"setup": "active"}, "SRTP_AEAD_AES_128_GCM"),
        ({"setup": None}, "SRTP_AEAD_AES_128_GCM"),
    ],
)
async def test_means_of_both_ends(client: MakeClient, means: dict[str, object], profile: str) -> None:
    publisher = await joined(client(**means))
    await publisher.check()
    await publisher.handshake()
    watching = await media_flows(client, publisher, **means)
    assert publisher.profile == watching.profile == profile


@pytest.mark.parametrize("setup", ["passive", "holdconn"])
async def test_a_client_that_cannot_be_the_dtls_client_is_told_so(client: MakeClient, setup: str) -> None:
    made = client(setup=setup)
    status, body = await made.join("/whip/demo", "ann", offer(made, (MICROPHONE,)))
    assert status == 400
    assert f"a=setup:{setup}" in body


@pytest.mark.parametrize(
    ("at_first", "then"),
    [
        ({"certificate": "ec"}, {"certificate": "p384"}),
        ({}, {"profiles": b"SRTP_AES128_CM_SHA1_32"}),
    ],
)
async def test_who_proves_another_certificate_or_shares_no_profile_is_gone(
    node: RunningNode, client: MakeClient, at_first: dict[str, object], then: dict[str, object]
) -> None:
    made = await joined(client(**at_first))
    await made.check()
    made.means = client(**then).means
    with contextlib.suppress(AssertionError, KeyError):
        await made.handshake()
    await eventually(node.calls, lambda calls: calls == 0, within_s=5, every_s=0.01)


async def test_dtls_may_come_before_the_nomination(client: MakeClient) -> None:
    publisher = await joined(client())
    await publisher.check(nominate=False)
    await publisher.handshake()
    await publisher.check()
    await media_flows(client, publisher)


async def test_dtls_before_any_check_gets_no_answer_and_does_no_harm(client: MakeClient) -> None:
    publisher = await joined(client())
    with pytest.raises(AssertionError):
        await publisher.until(
            lambda: publisher.dtls, 0.2, every=lambda: publisher.send_raw(bytes([22, 254, 253]))
        )
    await publisher.check()
    await publisher.handshake()


async def test_rtp_before_the_handshake_does_no_harm(client: MakeClient) -> None:
    publisher = await joined(client())
    await publisher.check()
    for seq in range(20):
        publisher.send_raw(make_rtp(payload_type=OPUS, seq=seq, rtp_ts=0, ssrc=1, payload=bytes(60)))
    await publisher.handshake()
    await media_flows(client, publisher)


@pytest.mark.parametrize("times", [1, 2])
async def test_our_last_flight_may_be_lost(client: MakeClient, times: int) -> None:
    lost: list[bytes] = []

    def loses(datagram: bytes) -> bool:
        is_last = datagram[0] == CHANGE_CIPHER_SPEC or (datagram[0] == 22 and datagram[13] == 4)
        if is_last and len(lost) < times:
            lost.append(datagram)
            return True
        return False

    publisher = await joined(client())
    await publisher.check()
    await publisher.handshake(loses)
    assert len(lost) == times
    await media_flows(client, publisher)


async def test_messages_may_come_in_small_pieces(client: MakeClient) -> None:
    publisher = await joined(client())
    await publisher.check()
    await publisher.handshake(cut=40)
    await media_flows(client, publisher)


async def test_flights_may_come_twice(client: MakeClient) -> None:
    publisher = await joined(client())
    await publisher.check()
    publisher.copies = 2
    await publisher.handshake()
    publisher.copies = 1
    await media_flows(client, publisher)

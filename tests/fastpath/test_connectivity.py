"""Who may talk to a Worker: strangers get nothing, a password gets one answer, a nomination moves the media."""

from __future__ import annotations

import random

import pytest
from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from sfu.rtc.ice import make_ufrag
from tests.fastpath.probes.core_probe import CoreProbe
from tests.support.far_end import FarEnd, make_rtp

STRANGER = ("10.9.9.9", 999)
SECOND_US = 1_000_000
CONSENT_US = 30 * SECOND_US
RING_SLOTS = 1024
FINGERPRINT_BYTES = 8  # behind MESSAGE-INTEGRITY, which does not cover it (RFC 8489 section 14.5)
DTLS_RECORD = bytes([22, 254, 253]) + bytes(60)


@pytest.fixture
def core() -> CoreProbe:
    return CoreProbe(consent_us=CONSENT_US)


@pytest.fixture
def far_end(core: CoreProbe) -> FarEnd:
    return FarEnd(core)


def drops(core: CoreProbe) -> dict[str, int]:
    return {name: count for name, count in core.snapshot().drops.items() if count}


def answers(core: CoreProbe) -> list[tuple[stun.Message, tuple[str, int]]]:
    return [(stun.parse_message(data), address) for data, address, _ in core.sent()]


@given(st.lists(st.binary(max_size=200), max_size=40))
def test_whatever_a_stranger_sends_is_one_drop_each_and_no_answer(datagrams: list[bytes]) -> None:
    core = CoreProbe()
    FarEnd(core)
    core.ingest([(data, STRANGER) for data in datagrams])
    assert sum(drops(core).values()) == len(datagrams)
    assert core.sent() == []
    assert core.punts() == []


@given(st.data())
def test_a_mutated_check_is_a_drop_and_no_answer(data: st.DataObject) -> None:
    core = CoreProbe()
    request = bytearray(FarEnd(core).binding_request())
    position = data.draw(st.integers(0, len(request) - FINGERPRINT_BYTES - 1))
    request[position] ^= data.draw(st.integers(1, 255))
    core.ingest([(bytes(request), STRANGER)])
    assert core.sent() == []
    assert sum(drops(core).values()) == 1


def test_an_answer_names_the_sender_and_is_no_longer_than_the_request(
    core: CoreProbe, far_end: FarEnd
) -> None:
    for address in (("10.0.0.5", 4321), ("2001:db8::5", 4321)):
        request = far_end.binding_request()
        core.ingest([(request, address)])
        ((data, to, _),) = core.sent()
        answer = stun.parse_message(data)
        assert answer.check_message_integrity(far_end.pwd.encode())
        assert answer.message_class == stun.Class.RESPONSE
        assert answer.transaction_id == stun.parse_message(request).transaction_id
        assert answer.attributes["XOR-MAPPED-ADDRESS"] == to == address
        assert len(data) <= len(request)


def test_a_wrong_password_gets_no_answer(core: CoreProbe, far_end: FarEnd) -> None:
    far_end.pwd = "q" * 24
    far_end.check()
    assert core.sent() == []
    assert drops(core) == {"stun_bad_integrity": 1}


def test_only_a_nomination_moves_the_media(core: CoreProbe, far_end: FarEnd) -> None:
    home, away = far_end.address, ("10.0.0.9", 9)
    core.ingest([(far_end.binding_request(nominate=False), away)])
    assert core.snapshot().transports[0].remote_port == home[1]
    core.ingest([(far_end.binding_request(), away)])
    assert core.snapshot().transports[0].remote_port == away[1]


def test_old_addresses_are_forgotten_before_the_one_in_use(core: CoreProbe, far_end: FarEnd) -> None:
    packet = make_rtp(payload_type=96, seq=1, rtp_ts=1, ssrc=5, payload=b"x")
    roam = [("10.0.0.77", port) for port in range(1000, 1020)]
    for address in roam:
        core.ingest([(far_end.binding_request(nominate=False), address)])
    before = drops(core).get("unknown_source", 0)
    core.ingest([(far_end.protect(packet)[0], address) for address in (*roam[:16], far_end.address)])
    assert drops(core)["unknown_source"] - before == 16


def test_dtls_is_for_known_addresses_and_so_much_a_second(core: CoreProbe, far_end: FarEnd) -> None:
    core.ingest([(DTLS_RECORD, STRANGER)])
    assert drops(core) == {"unknown_source": 1}
    core.ingest([(DTLS_RECORD, far_end.address)] * 100)
    first = core.punts()
    assert first
    assert {handle for handle, _ in first} == {far_end.handle}
    assert len(first) + drops(core)["punt_full"] == 100
    core.advance(2 * SECOND_US)
    core.ingest([(DTLS_RECORD, far_end.address)])
    assert len(core.punts()) == 1


def test_one_noisy_transport_leaves_room_for_the_handshakes_of_others(
    core: CoreProbe, far_end: FarEnd
) -> None:
    other = FarEnd(core)
    core.ingest([(DTLS_RECORD, far_end.address)] * 1000)
    core.ingest([(DTLS_RECORD, other.address)])
    assert other.handle in {handle for handle, _ in core.punts()}


def test_consent_keeps_a_transport_and_silence_is_told_once(core: CoreProbe, far_end: FarEnd) -> None:
    core.notices()
    for _ in range(4):
        core.advance(CONSENT_US // 2)
        far_end.check()
    assert core.notices() == []
    told = []
    for _ in range(2 * CONSENT_US // 5000):
        core.advance(5000)
        told += core.notices()
    assert [(kind, handle) for kind, handle, _ in told] == [("transport", far_end.handle)]


def test_after_an_ice_restart_the_old_credentials_last_until_the_new_are_nominated(
    core: CoreProbe, far_end: FarEnd
) -> None:
    old = far_end.binding_request(nominate=False)
    far_end.ufrag = make_ufrag("node", 0, far_end.handle, random.Random(1).randbytes)
    far_end.pwd = "r" * 24
    core.command("set_ice", far_end.handle, far_end.ufrag, far_end.pwd)
    core.ingest([(old, far_end.address)])
    assert len(answers(core)) == 1
    far_end.check()
    assert len(answers(core)) == 1
    core.ingest([(old, far_end.address)])
    assert answers(core) == []


def test_a_controlled_far_end_is_told_its_role_conflict(core: CoreProbe, far_end: FarEnd) -> None:
    request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    request.attributes["USERNAME"] = f"{far_end.ufrag}:peer"
    request.attributes["ICE-CONTROLLED"] = 7
    request.add_message_integrity(far_end.pwd.encode())
    core.ingest([(bytes(request), far_end.address)])
    ((answer, _),) = answers(core)
    assert answer.message_class == stun.Class.ERROR
    assert answer.attributes["ERROR-CODE"][0] == 487


def test_a_check_for_another_worker_is_answered_there() -> None:
    here, there = CoreProbe(index=0), CoreProbe(index=1)
    here.join(there, 0, 1)
    far_end = FarEnd(there, worker=1)
    here.ingest([(far_end.binding_request(), ("10.0.0.3", 3))])
    assert here.sent() == []
    there.advance(0)
    ((answer, address),) = answers(there)
    assert (answer.message_class, address) == (stun.Class.RESPONSE, ("10.0.0.3", 3))


def test_strays_never_take_more_than_half_of_the_ring_that_carries_media() -> None:
    here, there = CoreProbe(index=0), CoreProbe(index=1)
    here.join(there, 0, 1)
    stray = FarEnd(there, worker=1).binding_request()
    here.ingest([(stray, STRANGER)] * 2 * RING_SLOTS)
    assert drops(here) == {"stun_wrong_worker": 2 * RING_SLOTS - RING_SLOTS // 2}

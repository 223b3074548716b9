"""SRTP against libsrtp, bit for bit, on every back end; then the published vectors, tampering and replay."""

import hmac
import random
import struct
from collections.abc import Iterator
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pylibsrtp import Policy, Session

from sfu._fastpath.drops import drop_names
from tests.fastpath.probes import srtp_probe as probe

LIBSRTP_PROFILES = {
    probe.AES128_CM_SHA1_80: Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    probe.AEAD_AES_128_GCM: Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    probe.AEAD_AES_256_GCM: Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}
DROP = {name: -number for number, name in enumerate(drop_names)}
LIBSRTP_MOST_BYTES = 1356
FIXED_HEADER_BYTES = 12
SSRC = 0x8C2F31D7


def backends() -> Iterator[int]:
    """Those this machine has; OpenSSL is always there."""
    for backend in (probe.OPENSSL, probe.IPSEC_MB):
        try:
            yield probe.Engine(backend).backend
        except ValueError:
            continue


BACKENDS = list(backends())


@pytest.fixture(params=BACKENDS, ids=lambda backend: {0: "openssl", 1: "ipsec-mb"}[backend])
def engine(request: pytest.FixtureRequest) -> probe.Engine:
    return probe.Engine(request.param)


@pytest.fixture(params=LIBSRTP_PROFILES, ids=lambda profile: f"profile{profile}")
def profile(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def master_key(profile: int, seed: int = 0) -> tuple[bytes, bytes]:
    source = random.Random(f"{profile} {seed}")
    return source.randbytes(probe.key_bytes(profile)), source.randbytes(probe.salt_bytes(profile))


def keyed(engine: probe.Engine, profile: int, seed: int = 0) -> probe.Context:
    return probe.Context(engine, profile, *master_key(profile, seed))


def libsrtp(profile: int, direction: int, seed: int = 0) -> Session:
    key = b"".join(master_key(profile, seed))
    return Session(Policy(key=key, ssrc_type=direction, srtp_profile=LIBSRTP_PROFILES[profile]))


def rtp(seq: int, payload: bytes, csrcs: int = 0, extension_words: int | None = None) -> tuple[bytes, int]:
    """A packet and the length of its header."""
    first = 0x80 | csrcs | (0 if extension_words is None else 0x10)
    header = struct.pack("!BBHII", first, 96, seq & 0xFFFF, seq * 3000 & 0xFFFFFFFF, SSRC) + bytes(4 * csrcs)
    if extension_words is not None:
        header += struct.pack("!HH", 0xBEDE, extension_words) + b"\x51\x00\x07\x00" * extension_words
    return header + payload, len(header)


def packets(payload_sizes: list[int], first_seq: int = 7) -> Iterator[tuple[int, bytes, int]]:
    """(ext_seq, packet, header length), with headers of all shapes."""
    source = random.Random(len(payload_sizes))
    for seq, size in enumerate(payload_sizes, first_seq):
        packet, header = rtp(seq, source.randbytes(size), seq % 16, (None, 0, 1, 5)[seq % 4])
        yield seq, packet, header


@pytest.mark.parametrize("in_place", [False, True])
def test_protects_every_size_like_libsrtp(engine: probe.Engine, profile: int, in_place: bool) -> None:
    tx, oracle = keyed(engine, profile), libsrtp(profile, Policy.SSRC_ANY_OUTBOUND)
    for _, packet, header in packets([*range(300), *range(300, 1250, 13), 1200, 1199]):
        assert len(packet) <= LIBSRTP_MOST_BYTES
        assert engine.protect([(tx, packet, header, 0)], in_place) == [oracle.protect(packet)]


def test_a_batch_of_all_sizes_is_protected_like_libsrtp(engine: probe.Engine, profile: int) -> None:
    tx, oracle = keyed(engine, profile), libsrtp(profile, Policy.SSRC_ANY_OUTBOUND)
    for begin, end in pairwise(range(0, 1240, 100)):
        jobs = [(tx, packet, header, 0) for _, packet, header in packets(list(range(begin, end)), begin + 1)]
        assert engine.protect(jobs) == [oracle.protect(packet) for _, packet, _, _ in jobs]


@pytest.mark.parametrize("in_place", [False, True])
def test_unprotects_what_libsrtp_protected(engine: probe.Engine, profile: int, in_place: bool) -> None:
    rx, oracle = keyed(engine, profile), libsrtp(profile, Policy.SSRC_ANY_OUTBOUND)
    for _, packet, header in packets([*range(200), *range(200, 1250, 17)]):
        assert engine.unprotect(rx, oracle.protect(packet), header, 0, in_place) == packet[header:]


def test_the_rollover_counter_follows_the_sequence_number_around(engine: probe.Engine, profile: int) -> None:
    tx = rx = keyed(engine, profile)
    oracle = libsrtp(profile, Policy.SSRC_ANY_OUTBOUND)
    for first_seq in (0xFF80, 0x18000, 0x1FF80, 0x28000, 0x2FF80):
        for seq, packet, header in packets([40] * 0x100, first_seq):
            protected = oracle.protect(packet)
            assert engine.protect([(tx, packet, header, seq >> 16)]) == [protected]
            assert engine.unprotect(rx, protected, header, seq >> 16) == packet[header:]


def test_a_packet_of_another_cycle_is_refused(engine: probe.Engine, profile: int) -> None:
    both = keyed(engine, profile)
    packet, header = rtp(5, b"payload")
    (protected,) = engine.protect([(both, packet, header, 0x01020304)])
    assert engine.unprotect(both, protected, header, 0x01020305) == DROP["auth_failed"]
    assert engine.unprotect(both, protected, header, 0x01020304) == b"payload"


def test_a_mixed_batch_is_what_its_packets_are_alone(engine: probe.Engine) -> None:
    source = random.Random(11)
    contexts = [keyed(engine, profile, seed) for profile in LIBSRTP_PROFILES for seed in range(9)]
    for n in (0, 1, 2, 3, 5, 8, 17, 64, probe.BATCH):
        sizes = [source.choice((0, 1, 16, 90, 700, 1400)) for _ in range(n)]
        jobs = [
            (source.choice(contexts), packet, header, source.getrandbits(32))
            for _, packet, header in packets(sizes, source.getrandbits(16))
        ]
        assert engine.protect(jobs) == [engine.protect([job], in_place=True)[0] for job in jobs]


def test_the_back_ends_agree_at_every_size(profile: int) -> None:
    engines = [probe.Engine(backend) for backend in BACKENDS]
    contexts = [keyed(engine, profile) for engine in engines]
    made = list(packets(list(range(1401))))
    for begin in range(0, len(made), probe.BATCH):
        rows = made[begin : begin + probe.BATCH]
        outputs = [
            engine.protect([(tx, packet, header, seq) for seq, packet, header in rows])
            for engine, tx in zip(engines, contexts, strict=True)
        ]
        assert all(output == outputs[0] for output in outputs)


def rtcp(size: int) -> bytes:
    """A receiver report's first bytes with `size` bytes behind them."""
    return struct.pack("!BBHI", 0x81, 201, 1 + size // 4, SSRC) + random.Random(size).randbytes(size)


def test_srtcp_is_libsrtps_in_both_directions(engine: probe.Engine, profile: int) -> None:
    both = keyed(engine, profile)
    tx, rx = libsrtp(profile, Policy.SSRC_ANY_OUTBOUND), libsrtp(profile, Policy.SSRC_ANY_INBOUND)
    for index, size in enumerate(range(0, 1200, 4), 1):
        plain = rtcp(size)
        protected = tx.protect_rtcp(plain)
        assert engine.protect_rtcp(both, plain, index) == protected
        assert engine.unprotect_rtcp(both, protected) == (plain, index)
        assert rx.unprotect_rtcp(protected) == plain


def test_srtp_and_srtcp_take_turns_on_one_context(engine: probe.Engine, profile: int) -> None:
    both, oracle = keyed(engine, profile), libsrtp(profile, Policy.SSRC_ANY_OUTBOUND)
    for index, (_, packet, header) in enumerate(packets([50] * 20), 1):
        assert engine.protect([(both, packet, header, 0)]) == [oracle.protect(packet)]
        assert engine.protect_rtcp(both, rtcp(24), index) == oracle.protect_rtcp(rtcp(24))


def flipped(packet: bytes) -> Iterator[bytes]:
    for at in range(len(packet)):
        yield packet[:at] + bytes([packet[at] ^ 1 << at % 8]) + packet[at + 1 :]


def test_no_byte_of_a_packet_can_be_changed(engine: probe.Engine, profile: int) -> None:
    both = keyed(engine, profile)
    packet, header = rtp(100, bytes(range(50)), csrcs=2, extension_words=1)
    (protected,) = engine.protect([(both, packet, header, 3)])
    assert {engine.unprotect(both, forged, header, 3) for forged in flipped(protected)} == {
        DROP["auth_failed"]
    }
    assert engine.unprotect(both, protected[:-1], header, 3) == DROP["auth_failed"]
    assert engine.unprotect(both, protected, header, 3) == packet[header:]


def test_no_byte_of_srtcp_can_be_changed(engine: probe.Engine, profile: int) -> None:
    both = keyed(engine, profile)
    protected = engine.protect_rtcp(both, rtcp(32), 9)
    assert {engine.unprotect_rtcp(both, forged) for forged in flipped(protected)} == {DROP["auth_failed"]}


def test_unencrypted_srtcp_is_refused_even_when_authentic(engine: probe.Engine) -> None:
    profile = probe.AES128_CM_SHA1_80
    _, authentication, _ = probe.derive_keys(*master_key(profile), rtcp=True)
    packet = rtcp(32) + struct.pack("!I", 9)
    packet += hmac.digest(authentication, packet, "sha1")[:10]
    assert engine.unprotect_rtcp(keyed(engine, profile), packet) == DROP["auth_failed"]


def test_another_key_opens_nothing(engine: probe.Engine, profile: int) -> None:
    packet, header = rtp(1, b"secret")
    (protected,) = engine.protect([(keyed(engine, profile, 1), packet, header, 0)])
    assert engine.unprotect(keyed(engine, profile, 2), protected, header, 0) == DROP["auth_failed"]


def test_packets_too_short_for_their_tag_are_malformed(engine: probe.Engine, profile: int) -> None:
    both = keyed(engine, profile)
    for n in range(FIXED_HEADER_BYTES, FIXED_HEADER_BYTES + probe.trailer_bytes(profile)):
        assert engine.unprotect(both, bytes(n), FIXED_HEADER_BYTES, 0) == DROP["rtp_malformed"]
    for n in range(8 + probe.trailer_bytes(profile) + 4):
        assert engine.unprotect_rtcp(both, bytes(n)) == DROP["rtcp_malformed"]
    assert engine.protect_rtcp(both, bytes(7), 1) == DROP["rtcp_malformed"]


@given(packet=st.binary(min_size=FIXED_HEADER_BYTES, max_size=200), extra=st.integers(0, 300))
def test_noise_is_refused(packet: bytes, extra: int) -> None:
    refusals = {DROP["auth_failed"], DROP["rtp_malformed"], DROP["rtcp_malformed"]}
    for backend, profile in product(BACKENDS, LIBSRTP_PROFILES):
        engine = probe.Engine(backend)
        both = keyed(engine, profile)
        assert engine.unprotect(both, packet, FIXED_HEADER_BYTES + extra, 0) in refusals
        assert engine.unprotect_rtcp(both, packet) in refusals


def test_profiles_have_the_lengths_of_their_rfcs(engine: probe.Engine) -> None:
    lengths = {
        profile: (probe.key_bytes(profile), probe.salt_bytes(profile), probe.trailer_bytes(profile))
        for profile in LIBSRTP_PROFILES
    }
    assert lengths == {1: (16, 14, 10), 7: (16, 12, 16), 8: (32, 12, 16)}
    assert all(keyed(engine, profile).profile == profile for profile in LIBSRTP_PROFILES)
    assert probe.key_bytes(2) == -1
    with pytest.raises(ValueError, match="not known"):
        probe.Context(engine, 2, bytes(16), bytes(14))


def test_openssl_can_be_demanded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert probe.best_backend() == max(BACKENDS)
    monkeypatch.setenv("HEADWATER_CRYPTO", "openssl")
    assert probe.best_backend() == probe.OPENSSL
    with pytest.raises(ValueError, match="not available"):
        probe.Engine(99)


# Replay and index


class WindowModel:
    """A replay window as a set."""

    def __init__(self) -> None:
        self.seen: set[int] = set()

    def check(self, index: int) -> int:
        if self.seen and index <= max(self.seen) - 128:
            return -DROP["too_old"]
        return -DROP["replayed"] if index in self.seen else 0


STEPS = st.lists(st.one_of(st.integers(-140, 140), st.integers(-(1 << 20), 1 << 20)), max_size=200)


@given(start=st.integers(0, (1 << 48) - 1), steps=STEPS)
def test_each_packet_passes_the_replay_window_once(start: int, steps: list[int]) -> None:
    window, model, newest = probe.ReplayWindow(), WindowModel(), start
    for step in [0, *steps]:
        index = min(max(newest + step, 0), (1 << 48) - 1)
        verdict = window.check(index)
        assert verdict == model.check(index)
        if verdict == 0:
            window.commit(index)
            model.seen.add(index)
            newest = max(newest, index)
            assert window.check(index) == -DROP["replayed"]


@given(highest=st.integers(0, (1 << 48) - 1), distance=st.integers(-0x7FFF, 0x7FFF))
def test_the_index_is_guessed_within_half_a_cycle(highest: int, distance: int) -> None:
    index = highest + distance
    if 0 <= index < 1 << 48:
        assert probe.guess_index(highest, True, index & 0xFFFF) == index


@given(highest=st.integers(0, 0x7FFF), seq=st.integers(0, 0xFFFF))
def test_the_first_cycle_has_none_before_it(highest: int, seq: int) -> None:
    assert probe.guess_index(highest, True, seq) == seq
    assert probe.guess_index(highest << 32, False, seq) == seq

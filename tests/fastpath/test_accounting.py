"""Whatever comes in, each datagram is one accepted packet or one Drop; whatever is ordered, the tables stay right."""

from __future__ import annotations

import os
import random

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from sfu._fastpath.drops import datagram_drops
from sfu._fastpath.values import PayloadTypeMap, SubscriptionSpec
from tests.fastpath.probes.core_probe import CoreProbe
from tests.fuzz.mutate import Mutator
from tests.support.far_end import GCM_128, KEY_BYTES, FarEnd, make_rtp, nack, pli, sender_report
from tests.support.stage import AUDIO, OPUS, VIDEO, VP8, VP8_RTX, Source, Stage, simulcast

ACCEPTED = ("rtp_in", "rtcp_in", "stun_in", "dtls_in")
DTLS_RECORD = bytes([22, 254, 253]) + bytes(60)
TABLE = {"transports": 5, "tracks": 4, "subscriptions": 6}


def check_accounts(core: CoreProbe) -> None:
    """Every received datagram is counted once."""
    snapshot = core.snapshot()
    accepted = sum(snapshot.counters[name] for name in ACCEPTED)
    dropped = sum(snapshot.drops[reason] for reason in datagram_drops)
    assert snapshot.counters["datagrams_in"] == accepted + dropped


def datagrams_of(stage: Stage, camera: Source) -> list[bytes]:
    """One of each kind that a well-behaved far end sends, as it is on the wire."""
    publisher, viewer = stage.publisher, stage.viewers[0]
    frame = camera.frame((100, 90))
    rtx = make_rtp(
        payload_type=VP8_RTX, seq=3, rtp_ts=0, ssrc=9, payload=b"\0\1" + bytes(20), extensions={1: b"v"}
    )
    probing = bytearray(make_rtp(payload_type=VP8_RTX, seq=4, rtp_ts=0, ssrc=9, payload=bytes(9) + b"\x0a"))
    probing[0] |= 0x20
    broken = bytearray(camera.packet(bytes(20)))
    broken[0] |= 0x20
    packets = [*frame, rtx, bytes(probing), bytes(broken)]
    compounds = [
        publisher.outgoing.protect_rtcp(sender_report(1000, 1, 1)),
        viewer.far_end.outgoing.protect_rtcp(nack(1, viewer.ssrc, 1, 0xFFFF)),
        viewer.far_end.outgoing.protect_rtcp(pli(1, viewer.ssrc) + b"\x80\xca\x00\x09"),
    ]
    return (
        [publisher.protect(packet)[0] for packet in packets]
        + compounds
        + [publisher.binding_request(), DTLS_RECORD]
    )


@given(st.lists(st.tuples(st.binary(max_size=200), st.integers(0, 3)), max_size=30))
def test_any_bytes_from_anywhere(datagrams: list[tuple[bytes, int]]) -> None:
    stage = Stage()
    addresses = [stage.publisher.address, stage.watch().far_end.address, ("10.1.1.1", 1), ("2001:db8::1", 2)]
    stage.core.ingest([(data, addresses[where]) for data, where in datagrams])
    check_accounts(stage.core)


def test_real_datagrams_and_mutations_of_them_from_everywhere() -> None:
    rng, mutator = random.Random(1), Mutator(1)
    stage = Stage()
    addresses = [stage.publisher.address, stage.watch().far_end.address, ("10.1.1.1", 1)]
    camera = Source(1000, VP8)
    stage.play(*camera.frame(key=True))
    for _ in range(300):
        material = datagrams_of(stage, camera)
        for _ in range(rng.randrange(6)):
            material.append(mutator.mutate(material))
        rng.shuffle(material)
        stage.core.ingest([(data, rng.choice(addresses)) for data in material])
        stage.advance(rng.randrange(20_000))
        check_accounts(stage.core)
    snapshot = stage.snapshot()
    assert all(snapshot.counters[name] > 50 for name in ACCEPTED)
    assert len([reason for reason in datagram_drops if snapshot.drops[reason]]) > 12


def test_a_refusal_behind_the_keys_counts_once_and_never_as_a_packet() -> None:
    stage = Stage()
    stage.watch()
    camera = Source(1000, VP8)
    stage.play(*camera.frame(key=True))
    before = stage.snapshot().counters["rtp_in"]
    for data in datagrams_of(stage, camera)[1:5]:
        stage.core.ingest([(data, stage.publisher.address)])
    assert stage.drops() == {"rtp_padding_only": 1, "rtp_malformed": 1}
    assert stage.snapshot().counters["rtp_in"] == before + 2


def test_a_stray_counts_where_it_is_answered() -> None:
    here, there = CoreProbe(index=0), CoreProbe(index=1)
    here.join(there, 0, 1)
    far_end = FarEnd(there, worker=1)
    stray = far_end.binding_request()
    here.ingest([(stray, far_end.address), (stray[:-1] + b"?", far_end.address)])
    there.advance(0)
    for core, datagrams in ((here, 1), (there, 2)):
        assert core.snapshot().counters["datagrams_in"] == datagrams
        check_accounts(core)


KINDS = st.sampled_from(["audio", "video"])
ENDINGS = st.sampled_from(["close_transport", "remove_track", "unsubscribe", "mute"])


class Orders(RuleBasedStateMachine):
    """Commands in any order with live, stale and invented handles, between datagrams."""

    transports = Bundle("transports")
    tracks = Bundle("tracks")
    subscriptions = Bundle("subscriptions")

    def __init__(self) -> None:
        super().__init__()
        self.core = CoreProbe(**TABLE)
        self.other = CoreProbe(index=1)
        self.core.join(self.other, 0, 1)
        self.owners: dict[str, dict[int, int]] = {kind: {} for kind in TABLE}
        self.ssrcs: dict[int, set[int]] = {}
        self.far_ends: list[FarEnd] = []
        self.seq = 0

    def order(self, name: str, handle: int, *args: object) -> int:
        """Reply.value; 0: refused."""
        try:
            return int(self.core.command(name, handle, *args) or 0)
        except ValueError:
            return 0

    def made(self, kind: str, handle: int, owner: int = 0, *, taken: bool = False) -> int:
        """A new handle, which only a full table, a stale owner or a name that is `taken` refuses."""
        live = self.owners[kind]
        refused = taken or len(live) == TABLE[kind] or (owner and owner not in self.owners["transports"])
        assert bool(handle) != bool(refused)
        if handle:
            assert handle not in live
            live[handle] = owner
        return handle or 1

    @rule(target=transports)
    def open_transport(self) -> int:
        return self.made("transports", self.order("open_transport", 0))

    @rule(target=transports, profile=st.sampled_from(sorted(KEY_BYTES)))
    def connect(self, profile: int) -> int:
        if len(self.owners["transports"]) == TABLE["transports"]:
            return 1
        far_end = FarEnd(self.core, profile)
        self.far_ends.append(far_end)
        return self.made("transports", far_end.handle)

    @rule(transport=transports)
    def rekey(self, transport: int) -> None:
        self.order("set_srtp", transport, GCM_128, os.urandom(28), os.urandom(28))

    @rule(transport=transports)
    def restart_ice(self, transport: int) -> None:
        self.order("set_ice", transport, "nodeAAAAAAA" + "x" * 5, "p" * 24)

    @rule(transport=consumes(transports))
    def close(self, transport: int) -> None:
        self.order("close_transport", transport)
        self.owners["transports"].pop(transport, None)
        for kind in ("tracks", "subscriptions"):
            self.owners[kind] = {
                handle: owner for handle, owner in self.owners[kind].items() if owner != transport
            }

    @rule(target=tracks, transport=transports, spec=st.sampled_from([VIDEO, AUDIO, simulcast()]))
    def publish(self, transport: int, spec: object) -> int:
        return self.made("tracks", self.order("add_track", transport, spec), transport)

    @rule(target=tracks)
    def mirror(self) -> int:
        return self.made("tracks", self.order("mirror_track", 0, VIDEO, 1, 4711))

    @rule(track=tracks, worker=st.integers(0, 40), mirror=st.integers(0, 3))
    def export(self, track: int, worker: int, mirror: int) -> None:
        self.order("export_track", track, worker, mirror)

    @rule(track=tracks, muted=st.booleans())
    def mute(self, track: int, muted: bool) -> None:
        self.order("mute", track, muted)
        self.order("request_keyframe", track)

    @rule(track=consumes(tracks))
    def remove(self, track: int) -> None:
        self.order("remove_track", track)
        self.owners["tracks"].pop(track, None)

    @rule(
        target=subscriptions,
        transport=transports,
        ssrc=st.integers(1, 2**32 - 1),
        kind=KINDS,
    )
    def subscribe(self, transport: int, ssrc: int, kind: str) -> int:
        spec = SubscriptionSpec(
            kind, 90_000, ssrc, "cname", rtx_ssrc=ssrc // 2, mid="0", extension_ids={1: ssrc % 20 + 1}
        )
        ssrcs = {ssrc, ssrc // 2} - {0}
        taken = any(
            ssrcs & self.ssrcs[handle]
            for handle, owner in self.owners["subscriptions"].items()
            if owner == transport
        )
        handle = self.order("subscribe", transport, spec)
        self.ssrcs[handle] = ssrcs
        return self.made("subscriptions", handle, transport, taken=taken)

    @rule(subscription=subscriptions, track=tracks | st.just(0))
    def bind(self, subscription: int, track: int) -> None:
        self.order("bind", subscription, track, [PayloadTypeMap(VP8, 120, 121), PayloadTypeMap(OPUS, 111)])

    @rule(
        subscription=subscriptions,
        encoding=st.integers(-1, 5),
        temporal=st.integers(-1, 9),
        paused=st.booleans(),
    )
    def select(self, subscription: int, encoding: int, temporal: int, paused: bool) -> None:
        self.order("select", subscription, encoding, temporal)
        self.order("pause", subscription, paused)

    @rule(subscription=consumes(subscriptions))
    def unsubscribe(self, subscription: int) -> None:
        self.order("unsubscribe", subscription)
        self.owners["subscriptions"].pop(subscription, None)

    @rule(rng=st.randoms(use_true_random=False))
    def play(self, rng: random.Random) -> None:
        """Everybody who is connected sends media, reports and requests."""
        for far_end in self.far_ends:
            for ssrc, mid, payload_type, rid in (
                (1, b"v", VP8, b"l"),
                (2, b"v", VP8, b"h"),
                (3, b"a", OPUS, b""),
            ):
                self.seq += rng.randrange(1, 4)
                extensions = {1: mid} | ({5: rid} if rid else {})
                fields = {
                    "payload_type": payload_type,
                    "seq": self.seq,
                    "rtp_ts": 3000 * self.seq,
                    "ssrc": ssrc,
                }
                far_end.send(make_rtp(payload=b"\x10\0" + bytes(30), extensions=extensions, **fields))
            far_end.send_rtcp(pli(1, rng.randrange(2**32)))
        self.core.advance(rng.randrange(100_000))
        self.other.advance(0)

    @rule(seconds=st.integers(1, 40))
    def wait(self, seconds: int) -> None:
        for _ in range(30):
            self.core.advance(seconds * 1_000_000 // 30)

    @rule(handle=st.integers(0, 2**32 - 1), name=ENDINGS)
    def invent(self, handle: int, name: str) -> None:
        if not any(handle in live for live in self.owners.values()):
            assert not self.order(name, handle)

    @invariant()
    def tables_hold_what_was_made(self) -> None:
        counters = self.core.snapshot().counters
        assert {kind: counters[kind] for kind in TABLE} == {
            kind: len(live) for kind, live in self.owners.items()
        }
        check_accounts(self.core)
        self.core.sent()


TestOrders = Orders.TestCase
TestOrders.settings = settings(max_examples=60, stateful_step_count=40)

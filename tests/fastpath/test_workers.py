"""Real Workers on loopback: traffic crosses between their threads, they come and go, nothing is lost or torn."""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

import pytest
from aioice import stun
from pylibsrtp import Policy, Session

from sfu._fastpath.extensions import EXTENSION_NUMBERS
from sfu._fastpath.values import (
    Feedback,
    PayloadType,
    PayloadTypeMap,
    Reply,
    SnapshotScope,
    SubscriptionSpec,
    TrackNotice,
    TrackSpec,
    TransportNotice,
    TransportState,
    WorkerConfig,
)
from sfu._fastpath.worker import Worker
from sfu.rtc.ice import make_ufrag
from tests.support.far_end import GCM_128, KEY_BYTES, make_rtp

PATIENCE_S = 20.0
PASSWORD = "p" * 24
OPUS = 111
MID = EXTENSION_NUMBERS["mid"]
SOUND = TrackSpec(
    kind="audio",
    clock_rate=48_000,
    payload_types=(PayloadType(OPUS, "opus"),),
    mid="a",
    extension_ids={MID: 1},
    feedback=Feedback.NACK,
)


@dataclass(slots=True)
class Driver:
    """The Python side of one Worker: Commands with their Replies, and all news in order."""

    worker: Worker
    replies: dict[int, Reply] = field(default_factory=dict)
    news: list[object] = field(default_factory=list)

    def poll(self) -> None:
        for item in self.worker.poll():
            if isinstance(item, Reply):
                assert item.token not in self.replies
                self.replies[item.token] = item
            else:
                self.news.append(item)

    def wait(self, what: Callable[[], bool]) -> None:
        """Polls when the Worker says so, until `what` holds."""
        until = time.monotonic() + PATIENCE_S
        self.poll()
        while not what():
            assert time.monotonic() < until, "nothing came"
            select.select([self.worker.event_fd], [], [], 0.1)
            self.poll()

    def ask(self, token: int) -> Reply:
        self.wait(lambda: token in self.replies)
        reply = self.replies.pop(token)
        assert not reply.error
        return reply


@dataclass(slots=True)
class Client:
    """A far end with a socket of its own."""

    driver: Driver
    socket: socket.socket
    handle: int = 0
    outgoing: Session | None = None
    incoming: Session | None = None

    def connect(self, worker_index: int) -> None:
        """Opens a Transport; DTLS and ICE succeed."""
        worker = self.driver.worker
        self.handle = self.driver.ask(worker.open_transport()).value
        ufrag = make_ufrag("node", worker_index, self.handle, os.urandom)
        self.driver.ask(
            worker.set_ice(
                self.handle, local_ufrag=ufrag, local_pwd=PASSWORD, remote_ufrag="peer", remote_pwd="q" * 24
            )
        )
        ours, theirs = os.urandom(KEY_BYTES[GCM_128]), os.urandom(KEY_BYTES[GCM_128])
        self.driver.ask(worker.set_srtp(self.handle, profile=GCM_128, rx=theirs, tx=ours))
        self.outgoing = session(theirs, Policy.SSRC_ANY_OUTBOUND)
        self.incoming = session(ours, Policy.SSRC_ANY_INBOUND)
        request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{ufrag}:peer"
        request.attributes["PRIORITY"] = 1
        request.attributes["ICE-CONTROLLING"] = 7
        request.attributes["USE-CANDIDATE"] = None
        request.add_message_integrity(PASSWORD.encode())
        self.socket.sendto(bytes(request), ("127.0.0.1", worker.port))
        assert stun.parse_message(self.socket.recv(2048)).message_class is stun.Class.RESPONSE

    def play(self, seq: int) -> None:
        packet = make_rtp(
            payload_type=OPUS,
            seq=seq,
            rtp_ts=960 * seq,
            ssrc=77,
            payload=seq.to_bytes(4, "big") * 20,
            extensions={1: b"a"},
        )
        assert self.outgoing is not None
        self.socket.sendto(self.outgoing.protect(packet), ("127.0.0.1", self.driver.worker.port))

    def hear(self) -> bytes:
        """The next RTP packet in the clear; RTCP on the way is passed over."""
        assert self.incoming is not None
        while True:
            data = self.socket.recv(2048)
            if data[0] >> 6 == 2 and not 192 <= data[1] <= 223:
                return self.incoming.unprotect(data)


def session(key: bytes, direction: int) -> Session:
    policy = Policy(key=key, ssrc_type=direction, srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_128_GCM)
    return Session(policy)


@contextmanager
def running(count: int) -> Iterator[list[Driver]]:
    workers = [
        Worker(WorkerConfig(index, bind_address="127.0.0.1", max_transports=64, max_tracks=16, nice=0))
        for index in range(count)
    ]
    Worker.connect(workers)
    for worker in workers:
        worker.start()
    try:
        yield [Driver(worker) for worker in workers]
    finally:
        for worker in workers:
            worker.stop()


@contextmanager
def client(driver: Driver) -> Iterator[Client]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE_S)
        sock.bind(("127.0.0.1", 0))
        made = Client(driver, sock)
        made.connect(driver.worker.index)
        yield made


def mirror(source: Driver, track: int, other: Driver) -> int:
    """An image of the Track on the other Worker."""
    image = other.ask(
        other.worker.mirror_track(SOUND, source_worker=source.worker.index, source_track=track)
    ).value
    source.ask(source.worker.export_track(track, to_worker=other.worker.index, mirror=image))
    return image


def listen(listener: Client, track: int, ssrc: int) -> None:
    driver = listener.driver
    spec = SubscriptionSpec("audio", 48_000, ssrc, "cname", mid="0", extension_ids={MID: 9})
    subscription = driver.ask(driver.worker.subscribe(listener.handle, spec)).value
    driver.ask(driver.worker.bind(subscription, track, [PayloadTypeMap(OPUS, 112)]))


@pytest.mark.parametrize("generation", range(3))
def test_sound_crosses_between_workers_that_come_and_go(generation: int) -> None:
    with running(2) as (here, there), client(here) as speaker, client(there) as far, client(here) as near:
        track = here.ask(here.worker.add_track(speaker.handle, SOUND)).value
        listen(near, track, 7000)
        listen(far, mirror(here, track, there), 7001)
        for seq in range(300):
            speaker.play(seq)
            for listener in (near, far):
                assert listener.hear().endswith(seq.to_bytes(4, "big") * 20)
        here.wait(lambda: TrackNotice(track, 1) in here.news)
        for driver, lost in ((here, 0), (there, 0)):
            rows = driver.ask(driver.worker.snapshot(SnapshotScope.ROWS)).rows
            assert rows is not None
            assert rows.drops["ring_full"] == lost


def test_a_worker_starts_once() -> None:
    with running(1) as (driver,):
        driver.worker.stop()
        with pytest.raises(RuntimeError, match="once"):
            driver.worker.start()


def test_tracks_go_while_their_packets_are_on_the_way() -> None:
    with running(2) as (here, there), client(here) as speaker, client(there) as far:
        seq = 0
        for _ in range(20):
            track = here.ask(here.worker.add_track(speaker.handle, SOUND)).value
            image = mirror(here, track, there)
            listen(far, image, 7000 + seq)
            for _ in range(30):
                speaker.play(seq)
                seq += 1
            there.ask(there.worker.remove_track(image))
            here.ask(here.worker.remove_track(track))
        rows = there.ask(there.worker.snapshot(SnapshotScope.ROWS)).rows
        assert rows is not None
        assert rows.counters["tracks"] == 0
        assert rows.counters["subscriptions"] == 20


def test_no_command_is_lost_however_many_are_sent() -> None:
    with running(1) as (driver,):
        wanted: list[int] = []
        handles: set[int] = set()
        while len(wanted) < 5000:
            with suppress(BlockingIOError):
                while len(wanted) < 5000:
                    wanted.append(driver.worker.snapshot(SnapshotScope.COUNTERS))
            driver.poll()
        driver.wait(lambda: len(driver.replies) == len(wanted))
        assert sorted(driver.replies) == sorted(wanted)
        for _ in range(200):
            handle = driver.ask(driver.worker.open_transport()).value
            assert handle not in handles
            handles.add(handle)
            driver.ask(driver.worker.close_transport(handle))


def test_news_of_an_old_transport_never_name_a_new_one() -> None:
    with running(1) as (driver,):
        for _ in range(40):
            with ExitStack() as calls:
                clients = [calls.enter_context(client(driver)) for _ in range(3)]
                handles = {each.handle for each in clients}
                driver.wait(
                    lambda handles=handles: (
                        handles
                        <= {news.transport for news in driver.news if isinstance(news, TransportNotice)}
                    )
                )
                for each in clients:
                    driver.ask(driver.worker.close_transport(each.handle))
        assert all(
            news.state == TransportState.CONNECTED
            for news in driver.news
            if isinstance(news, TransportNotice)
        )


def test_a_stopped_worker_does_not_stop_its_neighbour() -> None:
    with running(2) as (here, there), client(here) as speaker, client(here) as near, client(there) as far:
        track = here.ask(here.worker.add_track(speaker.handle, SOUND)).value
        listen(near, track, 7000)
        listen(far, mirror(here, track, there), 7001)
        speaker.play(0)
        assert far.hear()
        assert near.hear()
        there.worker.stop()
        for seq in range(1, 2000):
            speaker.play(seq)
            assert near.hear().endswith(seq.to_bytes(4, "big") * 20)
        rows = here.ask(here.worker.snapshot(SnapshotScope.ROWS)).rows
        assert rows is not None
        assert rows.drops["ring_full"] > 0

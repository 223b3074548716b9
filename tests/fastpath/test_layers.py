"""Layer selection as a whole: random wishes in virtual time, judged by a strict receiver."""

from __future__ import annotations

import random
import struct
from collections import defaultdict

import pytest

from sfu._fastpath.values import (
    EncodingSpec,
    Feedback,
    PayloadType,
    PayloadTypeMap,
    SubscriptionSpec,
    TrackSpec,
)
from tests.fastpath.probes.core_probe import CoreProbe
from tests.support.far_end import FarEnd, pli, rtcp_packets
from tests.support.models.simulcast import SimulcastEncoding, StrictReceiver

FRAME_US = 33_333
MID, RID, OUT_MID = 1, 2, 4
VIDEO = TrackSpec(
    kind="video",
    clock_rate=90_000,
    payload_types=(PayloadType(96, "vp8", 97),),
    encodings=(EncodingSpec("l"), EncodingSpec("m"), EncodingSpec("h")),
    mid="v",
    extension_ids={MID: 3, RID: 5},
    feedback=Feedback.NACK | Feedback.PLI,
)


class Show:
    """One simulcast publisher, viewers with receivers, a clock; the publisher answers PLIs with keyframes."""

    def __init__(self, rng: random.Random, viewers: int) -> None:
        self.rng = rng
        self.core = CoreProbe()
        self.publisher = FarEnd(self.core)
        self.track = self.core.command("add_track", self.publisher.handle, VIDEO)
        self.encodings = [SimulcastEncoding(i, 1000 + i, rng) for i in range(3)]
        self.rids = [b"l", b"m", b"h"]
        self.viewers = [self._viewer(7000 + i) for i in range(viewers)]
        self.tick = 0
        self.silent: set[int] = set()
        self.seen: dict[int, int] = defaultdict(int)

    def _viewer(self, ssrc: int) -> tuple[FarEnd, int, StrictReceiver]:
        far_end = FarEnd(self.core)
        spec = SubscriptionSpec("video", 90_000, ssrc, "cname", mid="0", extension_ids={MID: OUT_MID})
        subscription = self.core.command("subscribe", far_end.handle, spec)
        self.core.command("bind", subscription, self.track, [PayloadTypeMap(96, 120)])
        return far_end, subscription, StrictReceiver()

    def play_tick(self) -> None:
        """All Encodings' packets of one frame, interleaved as pacing would; wishes may fall between any two."""
        queues = [
            encoding.packets(self.tick, {3: b"v", 5: self.rids[encoding.number]})
            for encoding in self.encodings
            if encoding.number not in self.silent
        ]
        while any(queues):
            queue = self.rng.choice([queue for queue in queues if queue])
            self.publisher.send(queue.pop(0))
            yield_point = self.rng.random()
            if yield_point < 0.5:
                self.wish()
        self.tick += 1
        self.core.advance(FRAME_US)
        self.deliver()

    def wish(self) -> None:
        _, subscription, _ = self.rng.choice(self.viewers)
        self.core.command("select", subscription, self.rng.randint(-1, 2), self.rng.randint(-1, 2))
        self.seen["wishes"] += 1

    def deliver(self) -> None:
        sent = self.core.sent()
        for compound in self.publisher.read(sent)[1]:
            for kind, fmt, body in rtcp_packets(compound):
                if (kind, fmt) == (206, 1):
                    self.encodings[struct.unpack("!I", body[4:8])[0] - 1000].key_wanted = True
        for far_end, _, receiver in self.viewers:
            for packet in far_end.read(sent)[0]:
                assert packet.payload_type == 120
                assert packet.extensions == {OUT_MID: b"0"}
                receiver.take(packet)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ten_thousand_random_wishes_never_break_a_viewer(seed: int) -> None:
    show = Show(random.Random(seed), viewers=3)
    while show.seen["wishes"] < 10_000:
        show.play_tick()
    for far_end, _, receiver in show.viewers:
        assert far_end.unreadable == 0
        assert receiver.frames > 300
        assert receiver.encodings_seen == {0, 1, 2}
        assert receiver.layers_seen == {0, 1, 2}


def test_a_viewer_without_a_wish_gets_the_highest_live_encoding() -> None:
    show = Show(random.Random(4), viewers=1)
    show.wish = lambda: None  # type: ignore[method-assign]
    far_end, _, receiver = show.viewers[0]
    for _ in range(120):
        show.play_tick()
    assert receiver.decoded[0][0] == 2
    show.silent = {2}
    for _ in range(120):
        show.play_tick()
    assert receiver.decoded[0][0] == 1
    show.silent = set()
    for _ in range(120):
        show.play_tick()
    assert receiver.decoded[0][0] == 2
    assert far_end.unreadable == 0


def test_two_viewers_watch_different_encodings_at_once() -> None:
    show = Show(random.Random(5), viewers=2)
    show.wish = lambda: None  # type: ignore[method-assign]
    show.core.command("select", show.viewers[0][1], 0, -1)
    show.core.command("select", show.viewers[1][1], 2, 0)
    for _ in range(200):
        show.play_tick()
    assert show.viewers[0][2].encodings_seen == {0}
    assert show.viewers[1][2].decoded[0][0] == 2
    assert 2 in show.viewers[0][2].layers_seen


def test_keyframe_requests_of_many_viewers_merge_into_one() -> None:
    show = Show(random.Random(6), viewers=20)
    show.wish = lambda: None  # type: ignore[method-assign]
    for _ in range(60):
        show.play_tick()
    before = sum(row.plis_sent for row in show.core.snapshot().encodings)
    for index, (far_end, _, _) in enumerate(show.viewers):
        far_end.send_rtcp(pli(1, 7000 + index))
    show.play_tick()
    assert sum(row.plis_sent for row in show.core.snapshot().encodings) == before + 1

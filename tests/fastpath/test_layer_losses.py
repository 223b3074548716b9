"""Layer selection over a lossy hop: what is repaired falls into its place, and nothing wrong ever looks right."""

from __future__ import annotations

import random
import struct
from itertools import pairwise

import pytest

from sfu._fastpath.values import PayloadTypeMap
from tests.support.far_end import Rtp, make_rtp, rtcp_packets
from tests.support.models.simulcast import TRUTH, SimulcastEncoding
from tests.support.stage import FRAME_US, VP8, VP8_RTX, Stage, Viewer, simulcast

RIDS = (b"l", b"m", b"h")
RTX_BASE = 5000
DESCRIPTOR_BYTES = 7
HALF_CYCLE = 0x8000
REFERENCE_DISTANCE = {0: 4, 1: 2, 2: 1}
"""By temporal id: how many frames back the nearest one is that a frame of simulcast.PATTERN needs."""


class Lossy:
    """A simulcast publisher that loses packets on the way, answers NACKs over RTX and PLIs with keyframes."""

    def __init__(self, seed: int, loss: float) -> None:
        self.rng, self.loss = random.Random(seed), loss
        self.stage = Stage(simulcast())
        self.viewers = [self.stage.watch(payload_types=[PayloadTypeMap(VP8, 120)]) for _ in range(2)]
        self.encodings = [SimulcastEncoding(k, 1000 + k, self.rng) for k in range(3)]
        self.sent: dict[tuple[int, int], bytes] = {}
        self.rtx_seqs = [self.rng.randrange(0x10000) for _ in RIDS]

    def step(self, tick: int) -> None:
        for encoding in self.encodings:
            for packet in encoding.packets(tick, {1: b"v", 5: RIDS[encoding.number]}):
                self.sent[encoding.number, struct.unpack_from("!H", packet, 2)[0]] = packet
                if self.rng.random() >= self.loss:
                    self.stage.publisher.send(packet)
        self.stage.deliver()
        if self.rng.random() < 0.1:
            viewer = self.rng.choice(self.viewers)
            wish = self.rng.randint(-1, 2), self.rng.randint(-1, 2)
            self.stage.core.command("select", viewer.subscription, *wish)
        for _ in range(3):
            self.stage.advance(FRAME_US // 3)
            self.answer()

    def answer(self) -> None:
        for compound in self.stage.take_control():
            for kind, fmt, body in rtcp_packets(compound):
                if (kind, fmt) == (206, 1):
                    self.encodings[struct.unpack_from("!I", body, 4)[0] - 1000].key_wanted = True
                elif (kind, fmt) == (205, 1):
                    self.repair(body)

    def repair(self, body: bytes) -> None:
        number = struct.unpack_from("!I", body, 4)[0] - 1000
        for at in range(8, len(body), 4):
            pid, blp = struct.unpack_from("!HH", body, at)
            for seq in [pid] + [pid + 1 + bit & 0xFFFF for bit in range(16) if blp >> bit & 1]:
                if self.rng.random() >= self.loss:
                    self.resend(number, seq)

    def resend(self, number: int, seq: int) -> None:
        original = self.sent[number, seq]
        words = struct.unpack_from("!H", original, 14)[0]
        rtx = make_rtp(
            payload_type=VP8_RTX,
            seq=self.rtx_seqs[number],
            rtp_ts=struct.unpack_from("!I", original, 4)[0],
            ssrc=RTX_BASE + number,
            payload=struct.pack("!H", seq) + original[16 + 4 * words :],
            marker=bool(original[1] & 128),
            extensions={1: b"v", 6: RIDS[number]},
        )
        self.rtx_seqs[number] += 1
        self.stage.publisher.send(rtx)


def in_sequence(media: list[Rtp]) -> list[tuple[int, Rtp]]:
    """(unwrapped seq, packet) as a jitter buffer puts them; no seq comes twice."""
    found: dict[int, Rtp] = {}
    newest = media[0].seq
    for packet in media:
        index = newest + (packet.seq - newest + HALF_CYCLE & 0xFFFF) - HALF_CYCLE
        assert index not in found
        found[index] = packet
        newest = max(newest, index)
    return sorted(found.items())


def ids(packet: Rtp) -> int:
    return struct.unpack_from("!H", packet.payload, 2)[0] & 0x7FFF


def complete_frames(viewer: Viewer) -> list[tuple[int, int]]:
    """(encoding, frame) of each frame that lies side by side as it was cut; checks order on the way."""
    frames, run = [], []
    packets = in_sequence(viewer.media)
    for (index, packet), (next_index, following) in pairwise([*packets, (1 << 62, packets[-1][1])]):
        if not packet.payload:
            run = []
            continue
        encoding, frame, _, _, k, total = TRUTH.unpack_from(packet.payload, DESCRIPTOR_BYTES)
        run = [*run, (encoding, frame, k)] if k else [(encoding, frame, 0)]
        if run == [(encoding, frame, other) for other in range(total)]:
            assert packet.marker
            frames.append((encoding, frame))
        if next_index == index + 1 and following.payload:
            check_neighbours(packet, following)
    return frames


def check_neighbours(packet: Rtp, following: Rtp) -> None:
    step = (following.rtp_ts - packet.rtp_ts) & 0xFFFFFFFF
    assert step < 2**31, "rtp_ts went back"
    if packet.marker:
        assert step > 0, "two frames under one timestamp"
        assert 0 < (ids(following) - ids(packet)) & 0x7FFF < 0x4000, "a picture id that was used before"
    else:
        assert step or ids(following) == ids(packet)


def missing_references(viewer: Viewer) -> list[tuple[int, int]]:
    """Frames that refer to one that was left out; where there is a hole, it may as well have been lost."""
    found = []
    whole: list[tuple[int, int]] = []
    previous = None
    for index, packet in in_sequence(viewer.media):
        if previous != index - 1 or not packet.payload:
            whole = []
        previous = index
        if not packet.payload:
            continue
        encoding, frame, tid, key, _, _ = TRUTH.unpack_from(packet.payload, DESCRIPTOR_BYTES)
        needed = encoding, frame - REFERENCE_DISTANCE[tid]
        if whole and not key and whole[0] <= needed and whole[0][0] == encoding and needed not in whole:
            found.append((encoding, frame))
        if key and (encoding, frame) not in whole:
            whole = []
        whole.append((encoding, frame))
    return found


@pytest.mark.parametrize(("seed", "loss"), [(0, 0.05), (1, 0.05), (28, 0.05), (0, 0.2), (2, 0.2)])
def test_repaired_losses_leave_whole_frames_in_order(seed: int, loss: float) -> None:
    lossy = Lossy(seed, loss)
    for tick in range(1000):
        lossy.step(tick)
    lossy.loss = 0.0
    for tick in range(1000, 1030):
        lossy.step(tick)
    for viewer in lossy.viewers:
        frames = complete_frames(viewer)
        assert viewer.far_end.unreadable == 0
        assert len(frames) == len(set(frames)), "a frame came twice"
        assert missing_references(viewer) == []
        begun = {TRUTH.unpack_from(p.payload, DESCRIPTOR_BYTES)[:2] for p in viewer.media if p.payload}
        assert len(frames) > 0.97 * len(begun)
    counters = lossy.stage.snapshot().counters
    assert counters["nacks_out"] > 200
    assert counters["layer_switches"] > 20

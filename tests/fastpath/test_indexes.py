"""Never two packets under one SRTP index: one key stream must not hide two plaintexts (RFC 3711 section 9.1)."""

from __future__ import annotations

import random

import pytest

from tests.support.far_end import nack
from tests.support.models.simulcast import SimulcastEncoding
from tests.support.stage import FRAME_US, Stage, Viewer, simulcast

RTX_SSRC = 8000
RIDS = (b"l", b"m", b"h")
HALF_CYCLE = 0x8000


class Wire:
    """What left for viewers: each (ssrc, rollover counter and seq) is one datagram for ever."""

    def __init__(self) -> None:
        self.seen: dict[tuple[int, int], bytes] = {}
        self.newest: dict[int, int] = {}

    def take(self, data: bytes) -> None:
        ssrc, seq = int.from_bytes(data[8:12], "big"), int.from_bytes(data[2:4], "big")
        newest = self.newest.setdefault(ssrc, seq)
        index = newest + (seq - newest + HALF_CYCLE & 0xFFFF) - HALF_CYCLE
        self.newest[ssrc] = max(newest, index)
        assert self.seen.setdefault((ssrc, index), data) == data


class Storm:
    """A random run with losses, retransmissions, layer switches, pauses, new sources, mutes and NACKs."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.stage = Stage(simulcast())
        self.viewers = [self.stage.watch(), self.stage.watch(rtx_ssrc=RTX_SSRC), self.stage.watch()]
        self.encodings = [SimulcastEncoding(k, 1000 + k, self.rng) for k in range(3)]
        self.late: list[bytes] = []
        self.wire = Wire()

    def play(self, tick: int) -> None:
        """One frame of each Encoding; some packets are lost, some of these come later."""
        rng = self.rng
        self.stage.core.holding = tick // 100 % 2 == 1
        for encoding in self.encodings:
            encoding.key_wanted |= rng.random() < 0.05
            for packet in encoding.packets(tick, {1: b"v", 5: RIDS[encoding.number]}):
                if rng.random() < 0.1:
                    self.late.append(packet)
                else:
                    self.stage.publisher.send(packet)
        while self.late and rng.random() < 0.5:
            self.stage.publisher.send(self.late.pop(rng.randrange(len(self.late))))
        del self.late[:-30]

    def disturb(self, viewer: Viewer) -> None:
        rng, core = self.rng, self.stage.core
        match rng.randrange(40):
            case 0:
                core.command("pause", viewer.subscription, rng.random() < 0.5)
            case 1:
                self.stage.bind(viewer, self.stage.track)
            case 2:
                self.encodings[rng.randrange(3)].ssrc += 10
            case 3:
                core.command("mute", self.stage.track, rng.random() < 0.3)
            case 4 | 5 | 6 | 7:
                core.command("select", viewer.subscription, rng.randint(-1, 2), rng.randint(-1, 2))

    def ask_again(self, viewer: Viewer) -> None:
        newest = self.wire.newest.get(viewer.ssrc, 0)
        wanted = newest - self.rng.randrange(60) & 0xFFFF
        viewer.far_end.send_rtcp(nack(1, viewer.ssrc, wanted, self.rng.randrange(0x10000)))

    def step(self, tick: int) -> None:
        self.play(tick)
        viewer = self.rng.choice(self.viewers)
        self.disturb(viewer)
        self.ask_again(viewer)
        self.stage.core.advance(FRAME_US)
        for data, address, _ in self.stage.core.sent():
            if data[0] >> 6 == 2 and not 192 <= data[1] <= 223 and address != self.stage.publisher.address:
                self.wire.take(data)


@pytest.mark.parametrize("seed", range(3))
def test_no_index_ever_carries_two_packets(seed: int) -> None:
    storm = Storm(seed)
    for tick in range(6000):
        storm.step(tick)
    counters = storm.stage.snapshot().counters
    assert counters["packets_filled"] > 0
    assert counters["packets_retransmitted"] > 1000
    assert counters["layer_switches"] > 100
    assert {ssrc for ssrc, _ in storm.wire.seen} == {RTX_SSRC, *(viewer.ssrc for viewer in storm.viewers)}

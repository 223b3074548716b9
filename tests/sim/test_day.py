"""A day of talk in virtual time: 4.3 million packets, 66 turns of the sequence number, none lost, none twice."""

from __future__ import annotations

import random

import pytest

from tests.support.far_end import GCM_128
from tests.support.stage import AUDIO, OPUS, Source, Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PACKET_US = 20_000
BATCH = 32
DAY_US = 24 * 3600 * 1_000_000
CHECK_EVERY_BATCHES = 15
TICKS_PER_PACKET = 960


def disturbed(packets: list[bytes], rng: random.Random) -> tuple[list[bytes], list[bytes]]:
    """The batch as a network delivers it, neighbours swapped and some repeated; and what comes a batch later."""
    late = [packets.pop(rng.randrange(len(packets)))] if rng.random() < 0.1 else []
    for _ in range(2):
        if rng.random() < 0.3:
            at = rng.randrange(len(packets) - 3)
            other = at + rng.randint(1, 3)
            packets[at], packets[other] = packets[other], packets[at]
    if rng.random() < 0.1:
        packets.append(rng.choice(packets))
    return packets, late


@pytest.mark.parametrize("seed", [1])
def test_a_day_of_talk_keeps_its_numbers_and_its_time(seed: int) -> None:
    rng = random.Random(seed)
    stage = Stage(AUDIO, profile=GCM_128)
    viewer = stage.watch()
    first_ts = rng.randrange(2**32)
    voice = Source(500, OPUS, mid=b"a", seq=rng.randrange(2**16), rtp_ts=first_ts)
    made = delivered = 0
    offsets: set[tuple[int, int]] = set()
    late: list[bytes] = []
    for batch in range(DAY_US // (PACKET_US * BATCH)):
        packets, held = disturbed([voice.sound(20) for _ in range(BATCH)], rng)
        stage.play(*packets, *late)
        late = held
        stage.advance(PACKET_US * BATCH)
        if batch % CHECK_EVERY_BATCHES == 0:
            stage.publisher.check()
            viewer.far_end.check()
        seen = set()
        for packet in viewer.media:
            source_seq = int.from_bytes(packet.payload[:4], "big")
            number = made + (source_seq - voice.seq + BATCH & 0xFFFF)
            number -= 0x10000 if number > made + BATCH else 0
            seen.add(number)
            source_ts = first_ts + number * TICKS_PER_PACKET
            offsets.add(((packet.seq - source_seq) & 0xFFFF, (packet.rtp_ts - source_ts) & 0xFFFFFFFF))
        assert len(seen) == len(viewer.media), "a packet came twice"
        made += BATCH
        delivered += len(viewer.media)
        viewer.media.clear()
        viewer.control.clear()
        stage.control.clear()
        voice.payloads.clear()
    assert delivered == made - len(late)
    assert len(offsets) == 1, "the numbers or the time drifted"
    assert viewer.far_end.unreadable == 0
    assert set(stage.drops()) <= {"replayed"}

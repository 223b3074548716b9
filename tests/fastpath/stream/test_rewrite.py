"""The outgoing numbering against a slow model that remembers everything."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.fastpath.probes.rewrite_probe import Rewrite

CYCLE = 0x10000
REMEMBERED = 128
TICKS = 3000
FIRST_OUT = 77


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet of a source: `keep` says whether its whole picture is wanted."""

    seq: int
    picture: int
    keep: bool
    ends: bool

    @property
    def rtp_ts(self) -> int:
        return self.picture * TICKS


@dataclass(slots=True)
class Model:
    """Every decision since the segment began, and every number that went out."""

    taken: set[int] = field(default_factory=set)
    next_out: int = CYCLE + FIRST_OUT
    next_picture: int | None = None
    floor: int = 0
    newest: int = -1
    base: int = 0
    picture_base: int = 0
    closed: list[Packet] = field(default_factory=list)

    def start(self, first: Packet) -> None:
        self.base, self.floor, self.newest, self.closed = self.next_out, first.seq, first.seq - 1, []
        self.picture_base = (
            self.next_picture if self.next_picture is not None else first.picture
        ) - first.picture

    def out_seq(self, packet: Packet) -> int | None:
        """Its place: one number for each source packet since the floor, less those left out at once."""
        if packet.seq < self.floor or packet.seq in {other.seq for other in self.closed}:
            return None
        behind = sum(other.seq > packet.seq for other in self.closed)
        if behind >= REMEMBERED < len(self.closed):
            return None
        return self.base + packet.seq - self.floor - (len(self.closed) - behind)

    def out_picture(self, packet: Packet) -> int:
        """Pictures that were left out do not count."""
        gone = {other.picture for other in reversed(self.closed) if other.seq < packet.seq}
        return (packet.picture + self.picture_base - len(gone)) & 0x7FFF

    def send(self, packet: Packet) -> tuple[int, int, int] | None:
        out = self.out_seq(packet)
        if out is None:
            return None
        picture = self.out_picture(packet)
        if out >= self.next_out:
            self.next_picture = picture + 1
        self._take(out)
        self.newest = max(self.newest, packet.seq)
        return out, packet.rtp_ts, picture

    def skip(self, packet: Packet) -> int | None:
        """The number that is filled; what is newest closes up instead."""
        if packet.seq > self.newest:
            self.newest = packet.seq
            self.closed.append(packet)
            return None
        out = self.out_seq(packet)
        if out is not None:
            self._take(out)
        return out

    def _take(self, out: int) -> None:
        assert out not in self.taken, "a number went out twice"
        self.taken.add(out)
        self.next_out = max(self.next_out, out + 1)


pictures = st.lists(
    st.tuples(st.booleans(), st.lists(st.none() | st.integers(0, 12), min_size=1, max_size=3)),
    min_size=1,
    max_size=40,
)
"""Wanted or not, and for each packet how many packets overtake it (None: lost)."""


def arrivals(shape: list[tuple[bool, list[int | None]]], seq: int, picture: int) -> list[Packet]:
    """The packets of these pictures in the order in which they come; the first one is a keyframe's first."""
    due: list[tuple[int, Packet]] = []
    for number, (keep, delays) in enumerate(shape):
        for k, delay in enumerate(delays):
            packet = Packet(seq, (picture + number) & 0x7FFF, keep or number == 0, k == len(delays) - 1)
            if delay is not None or (number == 0 and k == 0):
                due.append((seq + (delay or 0) * (number > 0), packet))
            seq += 1
    return [packet for _, packet in sorted(due, key=lambda entry: entry[0])]


def play(rewrite: Rewrite, model: Model, packets: list[Packet], ts_offset: int = 0) -> None:
    model.start(packets[0])
    rewrite.start(packets[0].seq, ts_offset, FIRST_OUT)
    rewrite.continue_ids(packets[0].picture, packets[0].picture & 255)
    for packet in packets:
        if not packet.keep:
            assert rewrite.skip(packet.seq, picture_id=packet.picture) == model.skip(packet)
            continue
        sent = rewrite.send(packet.seq, packet.rtp_ts, picture_id=packet.picture, ends_frame=packet.ends)
        wanted = model.send(packet)
        assert (sent is None) == (wanted is None)
        if sent is not None and wanted is not None:
            assert sent[:3] == (wanted[0], (wanted[1] + ts_offset) & 0xFFFFFFFF, wanted[2])


segments = st.tuples(
    pictures, st.integers(CYCLE, 5 * CYCLE), st.integers(0, 0x7FFF), st.integers(0, 2**32 - 1)
)
"""Pictures, first seq and picture id, timestamp offset."""


@given(st.lists(segments, min_size=1, max_size=4))
def test_segments_with_losses_late_and_left_out_packets(drawn: list[tuple[list, int, int, int]]) -> None:
    rewrite, model = Rewrite(), Model()
    for shape, seq, picture, ts_offset in drawn:
        play(rewrite, model, arrivals(shape, seq, picture), ts_offset)


def test_what_is_left_out_in_order_leaves_no_trace() -> None:
    rewrite, model = Rewrite(), Model()
    shape = [(number % 3 != 1, [0, 0]) for number in range(1000)]
    play(rewrite, model, arrivals(shape, 2 * CYCLE - 100, 0x7FF0))
    assert model.taken == set(range(CYCLE + FIRST_OUT, CYCLE + FIRST_OUT + len(model.taken)))


def test_a_packet_later_than_all_that_is_remembered_has_no_place() -> None:
    rewrite = Rewrite()
    rewrite.start(CYCLE, 0, FIRST_OUT)
    assert rewrite.send(CYCLE, 0)
    for seq in range(CYCLE + 2, CYCLE + 2 + REMEMBERED + 1):
        assert rewrite.skip(seq) is None
    assert rewrite.send(CYCLE + 1, 0) is None
    assert rewrite.skip(CYCLE + 1) is None


def test_a_picture_id_that_comes_round_again_is_left_out_again() -> None:
    rewrite = Rewrite()
    rewrite.start(CYCLE, 0, FIRST_OUT)
    rewrite.continue_ids(0, 0)
    out = []
    for number in range(3 * 128):
        if number % 128 == 5:
            rewrite.skip(CYCLE + number, picture_id=number % 128)
        else:
            sent = rewrite.send(CYCLE + number, number * TICKS, picture_id=number % 128)
            out.append(sent[2] & 0x7F)
    assert all(later == (earlier + 1) & 0x7F for earlier, later in pairwise(out))


def test_packets_from_before_a_segment_have_no_place() -> None:
    rewrite = Rewrite()
    rewrite.start(3 * CYCLE, 0, FIRST_OUT)
    assert rewrite.send(3 * CYCLE, 0)
    assert rewrite.send(3 * CYCLE - 1, 0) is None
    assert rewrite.skip(3 * CYCLE - 1) is None

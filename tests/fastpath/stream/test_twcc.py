"""Transport-wide feedback: what the receiver saw is what a decoder written from the draft reads."""

import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fastpath.probes import stream_probe as probe

TICK_US, REFERENCE_US, WINDOW = 250, 64_000, 1024
START_US = 3_600_000_000


def decode(message: bytes) -> tuple[int, int, list[int | None]]:
    """(base seq, feedback count, arrivals in ticks, None if lost), straight from section 3.1 of the draft."""
    first, kind, words = struct.unpack("!BBH", message[:4])
    assert (first, kind, len(message)) == (0x8F, 205, 4 * words + 4)
    base_seq, count = struct.unpack("!HH", message[12:16])
    reference, feedback_count = int.from_bytes(message[16:19], "big"), message[19]
    symbols: list[int] = []
    at = 20
    while len(symbols) < count:
        (chunk,) = struct.unpack("!H", message[at : at + 2])
        bits = f"{chunk:016b}"
        if bits[0] == "0":
            symbols += [int(bits[1:3], 2)] * int(bits[3:], 2)
        elif bits[1] == "0":
            symbols += [int(bit) for bit in bits[2:]]
        else:
            symbols += [int(bits[i : i + 2], 2) for i in range(2, 16, 2)]
        at += 2
    arrivals: list[int | None] = []
    tick = reference * (REFERENCE_US // TICK_US)
    for symbol in symbols[:count]:
        assert symbol < 3
        if symbol == 0:
            arrivals.append(None)
            continue
        size, code = (1, "!B") if symbol == 1 else (2, "!h")
        tick += struct.unpack(code, message[at : at + size])[0]
        at += size
        arrivals.append(tick)
    assert not any(message[at:])
    assert len(message) - at < 4
    return base_seq, feedback_count, arrivals


def build_all(receiver: probe.TwccRecorder, capacity: int = 1200) -> list[bytes]:
    messages = []
    while message := receiver.build(1, 2, capacity):
        assert len(message) <= capacity
        messages.append(message)
    return messages


def merged(messages: list[bytes]) -> dict[int, int | None]:
    told: dict[int, int | None] = {}
    for message in messages:
        base, _, arrivals = decode(message)
        told |= {(base + i) & 0xFFFF: tick for i, tick in enumerate(arrivals)}
    return told


# (seq step, time step in us); mostly in order, with losses, bursts of loss, long silences
steps = st.tuples(
    st.one_of(st.just(1), st.integers(1, 4), st.integers(1, 200)),
    st.one_of(st.integers(0, 2_000), st.integers(0, 200_000), st.just(20_000_000)),
)


@given(st.integers(0, 0xFFFF), st.lists(steps, max_size=300), st.integers(512, 1500))
def test_every_arrival_is_told_and_every_gap_is_a_loss(
    first: int, moves: list[tuple[int, int]], capacity: int
) -> None:
    receiver, seq, now_us = probe.TwccRecorder(), first, START_US
    seen = {}
    for seq_step, time_step in [(0, 0), *moves]:
        seq, now_us = seq + seq_step, now_us + time_step
        receiver.on_packet(seq & 0xFFFF, now_us)
        seen[seq] = now_us // TICK_US
    kept = range(max(first, seq - WINDOW + 1), seq + 1)
    assert merged(build_all(receiver, capacity)) == {s & 0xFFFF: seen.get(s) for s in kept}
    assert not receiver.pending()


@given(st.permutations(range(40)), st.lists(st.integers(1, 39), max_size=4))
def test_packets_in_any_order_over_several_messages_are_all_told_in_the_end(
    order: list[int], cuts: list[int]
) -> None:
    receiver = probe.TwccRecorder()
    arrivals, messages = {}, []
    for i, seq in enumerate(order):
        now_us = START_US + i * 3_000
        receiver.on_packet(65_530 + seq & 0xFFFF, now_us)
        arrivals[65_530 + seq & 0xFFFF] = now_us // TICK_US
        if i in cuts:
            messages += build_all(receiver)
    messages += build_all(receiver)
    assert merged(messages) == arrivals
    assert [decode(m)[1] for m in messages] == list(range(len(messages)))


def test_only_the_first_arrival_counts() -> None:
    receiver = probe.TwccRecorder()
    receiver.on_packet(1, START_US)
    receiver.on_packet(1, START_US + 50_000)
    assert decode(receiver.build())[2] == [START_US // TICK_US]
    receiver.on_packet(1, START_US + 90_000)
    assert receiver.build() == b""


def test_a_jump_wider_than_the_window_starts_anew() -> None:
    receiver = probe.TwccRecorder()
    receiver.on_packet(1, START_US)
    receiver.on_packet(1 + WINDOW, START_US)
    assert decode(receiver.build())[::2] == (1 + WINDOW, [START_US // TICK_US])


def test_a_thousand_packets_in_order_are_told_in_little_more_than_their_deltas() -> None:
    receiver = probe.TwccRecorder()
    for seq in range(1000):
        receiver.on_packet(seq, START_US + seq * 1_000)
    assert len(receiver.build(capacity=1500)) <= 20 + 2 + 1000 + 3


def test_nothing_is_written_without_packets_or_without_room() -> None:
    receiver = probe.TwccRecorder()
    assert receiver.build() == b""
    receiver.on_packet(1, START_US)
    assert receiver.build(capacity=511) == b""
    assert receiver.pending()


def test_the_reference_time_survives_its_own_wrap() -> None:
    receiver = probe.TwccRecorder()
    wrap_us = (1 << 32) * TICK_US
    for seq, now_us in enumerate((wrap_us - 1_000, wrap_us - 1, wrap_us, wrap_us + 1_000)):
        receiver.on_packet(seq, now_us)
    parsed = probe.twcc_parse(receiver.build()[4:])
    assert isinstance(parsed, dict)
    first = parsed["ticks"][0]
    assert [tick - first for tick in parsed["ticks"]] == [0, 3, 5, 8]  # the tick 0 itself is taken as 1


@given(st.integers(0, 0xFFFF), st.lists(steps, max_size=200))
def test_our_parser_reads_what_the_draft_says(first: int, moves: list[tuple[int, int]]) -> None:
    receiver, seq, now_us = probe.TwccRecorder(), first, START_US
    for seq_step, time_step in [(0, 0), *moves]:
        seq, now_us = seq + seq_step, now_us + time_step
        receiver.on_packet(seq & 0xFFFF, now_us)
    for message in build_all(receiver):
        base, count, arrivals = decode(message)
        parsed = probe.twcc_parse(message[4:])
        assert isinstance(parsed, dict)
        origin = parsed["reference_time"] * (REFERENCE_US // TICK_US)
        told = [None if tick is None else origin + tick for tick in parsed["ticks"]]
        assert (parsed["base_seq"], parsed["feedback_count"], told) == (base, count, arrivals)
        for cut in range(len(message) - 4 - 3):
            assert probe.twcc_parse(message[4 : 4 + cut]) < 0


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    parsed = probe.twcc_parse(body, 2000)
    assert isinstance(parsed, dict) or parsed < 0


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_tshark_reads_the_same_packets_at_the_same_distances(tmp_path: Path) -> None:
    receiver = probe.TwccRecorder()
    seqs = [1, 2, 3, 5, 9, 10, 40, 41, 42, 44, 60]
    for i, seq in enumerate(seqs):
        receiver.on_packet(seq, START_US + i * i * 2_000)
    capture = tmp_path / "twcc.pcap"
    capture.write_bytes(pcap_of_udp(receiver.build()))
    command = ["tshark", "-r", str(capture), "-d", "udp.port==5005,rtcp", "-V"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    deltas = re.findall(r"\[seq: (\d+)\] ([-.\d]+) ms", text)
    assert [int(seq) for seq, _ in deltas] == seqs
    assert [float(ms) for _, ms in deltas[1:]] == [2.0 * (2 * i + 1) for i in range(len(seqs) - 1)]
    assert "Malformed" not in text
    assert "Bad" not in text


def pcap_of_udp(payload: bytes) -> bytes:
    """A capture file with one IPv4 UDP datagram from and to port 5005."""
    udp = struct.pack("!HHHH", 5005, 5005, 8 + len(payload), 0) + payload
    ip = (
        struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\x7f\0\0\1", b"\x7f\0\0\1")
        + udp
    )
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    return header + struct.pack("<IIII", 0, 0, len(ip), len(ip)) + ip

"""RTCP: every reader and writer against another implementation, and compounds that must not pass."""

import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from aiortc import rtp
from hypothesis import given
from hypothesis import strategies as st

from tests.fastpath.probes import wire_probe as probe

MALFORMED = probe.MALFORMED["rtcp"]
U8, U16, U32 = st.integers(0, 0xFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
U64 = st.integers(0, (1 << 64) - 1)
REPORT = st.fixed_dictionaries(
    {
        "ssrc": U32,
        "fraction_lost": U8,
        "lost": st.integers(-(1 << 23), (1 << 23) - 1),
        "ext_seq": U32,
        "jitter": U32,
        "lsr": U32,
        "dlsr": U32,
    }
)
SENDER = st.fixed_dictionaries({"ssrc": U32, "ntp": U64, "rtp_ts": U32, "packets": U32, "octets": U32})


def lost_seqs(pairs: list[tuple[int, int]]) -> list[int]:
    """What generic NACK pairs mean (RFC 4585 section 6.2.1)."""
    return [
        (pid + ahead) & 0xFFFF
        for pid, blp in pairs
        for ahead in range(17)
        if ahead == 0 or blp >> (ahead - 1) & 1
    ]


def theirs(report: dict[str, int]) -> rtp.RtcpReceiverInfo:
    fields = dict(report)
    lost, ext_seq = fields.pop("lost"), fields.pop("ext_seq")
    return rtp.RtcpReceiverInfo(packets_lost=lost, highest_sequence=ext_seq, **fields)


def only(data: bytes) -> dict[str, Any]:
    (block,) = probe.rtcp_parse(data)
    return block


@given(SENDER, st.lists(REPORT, max_size=31))
def test_sender_reports(sender: dict[str, int], reports: list[dict[str, int]]) -> None:
    ssrc, numbers = sender["ssrc"], [sender[name] for name in ("ntp", "rtp_ts", "packets", "octets")]
    packet = rtp.RtcpSrPacket(ssrc, rtp.RtcpSenderInfo(*numbers), [theirs(report) for report in reports])
    read = only(bytes(packet))
    assert (read["sender"], read["reports"], read["sender_ssrc"]) == (sender, reports, ssrc)
    if not reports:
        assert probe.rtcp_write_sr(**sender) == bytes(packet)


@given(U32, st.lists(REPORT, max_size=31))
def test_receiver_reports(ssrc: int, reports: list[dict[str, int]]) -> None:
    packet = bytes(rtp.RtcpRrPacket(ssrc, [theirs(report) for report in reports]))
    assert probe.rtcp_write_rr(ssrc, reports) == packet
    read = only(packet)
    assert (read["sender"], read["reports"], read["sender_ssrc"]) == (None, reports, ssrc)


@given(st.integers(-(1 << 31), (1 << 31) - 1))
def test_cumulative_loss_is_clamped_to_its_field(lost: int) -> None:
    report = dict.fromkeys(["ssrc", "fraction_lost", "lost", "ext_seq", "jitter", "lsr", "dlsr"], 0)
    (read,) = only(probe.rtcp_write_rr(1, [report | {"lost": lost}]))["reports"]
    assert read["lost"] == rtp.clamp_packets_lost(lost)


@given(U32, st.binary(max_size=255))
def test_cname(ssrc: int, cname: bytes) -> None:
    (packet,) = rtp.RtcpPacket.parse(probe.rtcp_write_sdes_cname(ssrc, cname))
    assert packet == rtp.RtcpSdesPacket([rtp.RtcpSourceInfo(ssrc, [(1, cname)])])


@given(U32, U32, st.sets(st.integers(0, 0xFFFF), min_size=1, max_size=60))
def test_aiortc_reads_our_nack(sender: int, media: int, seqs: set[int]) -> None:
    (packet,) = rtp.RtcpPacket.parse(probe.rtcp_write_nack(sender, media, sorted(seqs)))
    assert (packet.fmt, packet.ssrc, packet.media_ssrc) == (1, sender, media)
    assert sorted(seqs) == [seq for seq in packet.lost if seq <= 0xFFFF]


@given(U16, st.lists(st.integers(0, 40), max_size=60))
def test_nack_over_a_wrap(first: int, steps: list[int]) -> None:
    seqs = [first]
    for step in steps:
        seqs.append((seqs[-1] + step) & 0xFFFF)
    read = only(probe.rtcp_write_nack(1, 2, seqs))
    assert lost_seqs(read["nacks"]) == list(dict.fromkeys(seqs))
    assert (read["sender_ssrc"], read["media_ssrc"]) == (1, 2)


@given(U32, U32, U8)
def test_keyframe_requests(sender: int, media: int, seq_nr: int) -> None:
    assert probe.rtcp_write_pli(sender, media) == bytes(rtp.RtcpPsfbPacket(1, sender, media))
    assert only(probe.rtcp_write_pli(sender, media))["pli"]
    fci = struct.pack("!LBxxx", media, seq_nr)
    assert probe.rtcp_write_fir(sender, media, seq_nr) == bytes(rtp.RtcpPsfbPacket(4, sender, 0, fci))
    assert only(probe.rtcp_write_fir(sender, media, seq_nr))["intra_requests"] == [(media, seq_nr)]


@given(U32, U64, st.lists(U32, max_size=255))
def test_remb(sender: int, bps: int, ssrcs: list[int]) -> None:
    fci = rtp.pack_remb_fci(bps, ssrcs)
    packet = probe.rtcp_write_remb(sender, bps, ssrcs)
    assert packet == bytes(rtp.RtcpPsfbPacket(15, sender, 0, fci))
    assert only(packet)["remb_bps"] == rtp.unpack_remb_fci(fci)[0]


@given(st.integers(0, 63), st.integers(0, 0x3FFFF))
def test_remb_beyond_64_bits_reads_as_the_most_there_is(exponent: int, mantissa: int) -> None:
    fci = b"REMB" + struct.pack("!L", exponent << 18 | mantissa)
    read = only(bytes(rtp.RtcpPsfbPacket(15, 1, 0, fci)))
    assert read["remb_bps"] == min(mantissa << exponent, (1 << 64) - 1)


def test_other_application_feedback_is_no_remb() -> None:
    for fci in [b"ABCD" + bytes(4), b"REM", b"REMB\x02\0\0\0" + bytes(4)]:
        padded = fci + bytes(-len(fci) % 4)
        assert only(bytes(rtp.RtcpPsfbPacket(15, 1, 0, padded)))["remb_bps"] is None


@given(st.lists(U32, max_size=31))
def test_bye(ssrcs: list[int]) -> None:
    packet = bytes(rtp.RtcpByePacket(ssrcs))
    assert only(packet)["byes"] == ssrcs
    if len(ssrcs) == 1:
        assert probe.rtcp_write_bye(ssrcs[0]) == packet


@given(st.lists(st.tuples(st.integers(0, 31), U8, st.integers(0, 12)), max_size=8), st.integers(0, 8))
def test_a_compound_comes_apart_into_its_packets(
    heads: list[tuple[int, int, int]], padding_words: int
) -> None:
    packets = [
        struct.pack("!BBH", 0x80 | count, kind, words) + bytes([kind]) * 4 * words
        for count, kind, words in heads
    ]
    if packets and padding_words:
        count, kind, words = heads[-1]
        head = struct.pack("!BBH", 0xA0 | count, kind, words + padding_words)
        packets[-1] = head + packets[-1][4:] + bytes(4 * padding_words - 1) + bytes([4 * padding_words])
    read = probe.rtcp_parse(b"".join(packets))
    assert [(block["count"], block["type"], len(block["body"]) // 4) for block in read] == heads
    assert all(set(block["body"]) <= {block["type"]} for block in read)


@pytest.mark.parametrize(
    "data",
    [
        b"\x80",  # no header
        bytes.fromhex("40c80000"),  # version 1
        bytes.fromhex("80c90002 00000000"),  # longer than there is
        bytes.fromhex("80c90000 00"),  # a byte too many
        bytes.fromhex("a0c90001 00000004 80c90000"),  # padding before the last
        bytes.fromhex("a0c90001 00000000"),  # padding of no bytes
        bytes.fromhex("a0c90001 00000003"),  # padding of no whole words
        bytes.fromhex("a0c90001 00000008"),  # padding over the header
        bytes.fromhex("a0c90000"),  # padding without a body
    ],
)
def test_malformed(data: bytes) -> None:
    assert probe.rtcp_parse(data) == MALFORMED


@given(st.binary(max_size=64), st.integers(0, 31), st.integers(192, 223))
def test_counts_never_promise_more_than_there_is(body: bytes, count: int, kind: int) -> None:
    body = body[: len(body) // 4 * 4]
    read = only(struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body)
    head = {200: 24, 201: 4}.get(kind, len(body))
    assert len(read["reports"]) == min(count, max(len(body) - head, 0) // 24)
    assert len(read["byes"]) == (min(count, len(body) // 4) if kind == 203 else 0)


@given(st.integers(0, 60))
def test_a_small_buffer_gets_nothing(capacity: int) -> None:
    report = dict.fromkeys(["ssrc", "fraction_lost", "lost", "ext_seq", "jitter", "lsr", "dlsr"], 1)
    sender = dict.fromkeys(["ssrc", "ntp", "rtp_ts", "packets", "octets"], 1)
    for write, args, fields in [
        (probe.rtcp_write_sr, (), sender),
        (probe.rtcp_write_rr, (1, [report]), {}),
        (probe.rtcp_write_sdes_cname, (1, b"headwater"), {}),
        (probe.rtcp_write_nack, (1, 2, [1, 30, 60, 90]), {}),
        (probe.rtcp_write_pli, (1, 2), {}),
        (probe.rtcp_write_fir, (1, 2, 3), {}),
        (probe.rtcp_write_remb, (1, 2, [3, 4]), {}),
        (probe.rtcp_write_bye, (1,), {}),
    ]:
        whole = write(*args, **fields)
        assert write(*args, capacity=capacity, **fields) == (whole if len(whole) <= capacity else b"")


@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
def test_tshark_finds_nothing_malformed(tmp_path: Path) -> None:
    report = {"ssrc": 7, "fraction_lost": 3, "lost": -2, "ext_seq": 70000, "jitter": 5, "lsr": 6, "dlsr": 7}
    compound = (
        probe.rtcp_write_sr(ssrc=1, ntp=1 << 40, rtp_ts=3, packets=4, octets=5)
        + probe.rtcp_write_rr(1, [report])
        + probe.rtcp_write_sdes_cname(1, b"headwater")
        + probe.rtcp_write_nack(1, 2, [65530, 65535, 0, 40])
        + probe.rtcp_write_pli(1, 2)
        + probe.rtcp_write_fir(1, 2, 3)
        + probe.rtcp_write_remb(1, 1_500_000, [2])
        + probe.rtcp_write_bye(1)
    )
    text, capture = tmp_path / "rtcp.txt", tmp_path / "rtcp.pcap"
    text.write_text("000000 " + compound.hex(" ") + "\n")
    run = {"check": True, "capture_output": True, "text": True}
    subprocess.run(["text2pcap", "-q", "-u", "5004,5005", str(text), str(capture)], **run)
    command = ["tshark", "-r", str(capture), "-d", "udp.port==5005,rtcp", "-T", "fields", "-e", "rtcp.pt"]
    assert subprocess.run(command, **run).stdout.strip() == "200,201,202,205,206,206,206,203"
    wrong = subprocess.run([*command[:5], "-Y", "_ws.malformed || _ws.expert.severity >= 6291456"], **run)
    assert wrong.stdout == ""

"""Plain packets as a capture file, and what tshark thinks of it."""

from __future__ import annotations

import json
import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

RTP_PORT = 5004
RTCP_PORT = 5005
_LINKTYPE_RAW = 101
_UDP = 17


def write_capture(path: Path, packets: Iterable[tuple[bool, bytes]]) -> None:
    """Writes (is RTCP, packet) pairs as UDP datagrams over IPv4, one millisecond apart."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, _LINKTYPE_RAW))
        for number, (is_rtcp, packet) in enumerate(packets):
            datagram = _udp_over_ipv4(packet, RTCP_PORT if is_rtcp else RTP_PORT)
            seconds, millis = divmod(number, 1000)
            file.write(struct.pack("<IIII", seconds, millis * 1000, len(datagram), len(datagram)))
            file.write(datagram)


def dissect(path: Path, display_filter: str, *fields: str) -> list[dict[str, Any]]:
    """The fields of every packet that passes the filter."""
    command = ["tshark", "-r", str(path), "-T", "json", "-Y", display_filter]
    command += ["-d", f"udp.port=={RTP_PORT},rtp", "-d", f"udp.port=={RTCP_PORT},rtcp"]
    for field in fields:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    return [packet["_source"].get("layers", {}) for packet in json.loads(done.stdout or b"[]")]


def _udp_over_ipv4(payload: bytes, port: int) -> bytes:
    udp = struct.pack(">HHHH", port, port, 8 + len(payload), 0) + payload
    head = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, _UDP, 0, b"\x7f\0\0\1", b"\x7f\0\0\2"
    )
    return head[:10] + struct.pack(">H", _checksum(head)) + head[12:] + udp


def _checksum(head: bytes) -> int:
    total: int = sum(struct.unpack(f">{len(head) // 2}H", head))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total

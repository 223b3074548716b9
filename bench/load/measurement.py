"""What one load run showed: counts of one window, CPU of the measured process, join latencies."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.load.engine import LoadEngine

DRAIN_S: Final = 0.4


@dataclass(frozen=True, slots=True)
class CpuTime:
    """CPU of a whole process, all threads, at one moment: exact sum, and its split in clock ticks."""

    total_us: int
    user_us: int
    system_us: int

    @classmethod
    def of(cls, pid: int) -> CpuTime:
        """ProcessLookupError: there is no such process."""
        tick_us = 1_000_000 // os.sysconf("SC_CLK_TCK")
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total = time.clock_gettime_ns(_process_clock(pid)) // 1000
        except OSError as error:
            raise ProcessLookupError(f"no process {pid}") from error
        return cls(total, int(fields[11]) * tick_us, int(fields[12]) * tick_us)

    def since(self, earlier: CpuTime) -> CpuTime:
        return CpuTime(
            self.total_us - earlier.total_us,
            self.user_us - earlier.user_us,
            self.system_us - earlier.system_us,
        )


@dataclass(frozen=True, slots=True)
class Measurement:
    """One window. `counts` are the engine's after the drain; see `LoadEngine.snapshot`.

    `forwarded` packets arrived at subscribers while `seconds` ran and `cpu` was used by the measured process.
    """

    seconds: float
    forwarded: int
    bytes: int
    cpu: CpuTime | None
    client_cpu_us: int
    counts: dict[str, int]
    sent_to_all: int
    join_us: list[int] = field(default_factory=list)
    join_errors: list[str] = field(default_factory=list)
    profile: str = ""

    @property
    def delivered(self) -> float:
        """Unique packets received over those that sequence numbers and stamps say were sent."""
        expected = self.counts["expected"] + self.counts["silent_lost"]
        return self.counts["received"] / expected if expected else 0.0

    @property
    def delivered_of_sent(self) -> float:
        """Unique packets received over packets published times their subscribers."""
        return self.counts["received"] / self.sent_to_all if self.sent_to_all else 0.0

    @property
    def cpu_us_per_packet(self) -> float:
        return self.cpu.total_us / self.forwarded if self.cpu and self.forwarded else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain values for --json."""
        counts = dict(self.counts)
        counts.pop("client_cpu_us", None)
        return {
            "profile": self.profile,
            "seconds": round(self.seconds, 3),
            "packets_per_s": round(self.forwarded / self.seconds),
            "bits_per_s": round(self.bytes * 8 / self.seconds),
            "delivered": self.delivered,
            "delivered_of_sent": self.delivered_of_sent,
            "lost": counts["expected"] - counts["received"],
            "cpu": asdict(self.cpu) if self.cpu else None,
            "cpu_share": self.cpu.total_us / 1e6 / self.seconds if self.cpu else None,
            "cpu_us_per_packet": self.cpu_us_per_packet if self.cpu else None,
            "client_cpu_share": self.client_cpu_us / 1e6 / self.seconds,
            "join_p50_ms": percentile(self.join_us, 0.5) / 1000,
            "join_p99_ms": percentile(self.join_us, 0.99) / 1000,
            "join_max_ms": percentile(self.join_us, 1.0) / 1000,
            "joins": len(self.join_us),
            "join_errors": self.join_errors[:5],
            "join_error_count": len(self.join_errors),
            **counts,
        }


async def measure(
    engine: LoadEngine, *, seconds: float, pid: int | None, audience: dict[int, int]
) -> Measurement:
    """From silence to silence: marks, waits `seconds`, reads CPU and arrivals at one moment, then
    silences publishers and counts what is still under way.

    `audience` is the number of subscribers of each publisher's Transport. Publishers send again afterwards.
    """
    engine.set_sending(False)
    await asyncio.sleep(DRAIN_S)
    engine.mark()
    engine.set_sending(True)
    before = CpuTime.of(pid) if pid else None
    started = time.monotonic()
    own_before = engine.snapshot()["client_cpu_us"]
    await asyncio.sleep(seconds)
    at_end = engine.snapshot()
    cpu = CpuTime.of(pid).since(before) if pid and before else None
    elapsed = time.monotonic() - started
    engine.set_sending(False)
    await asyncio.sleep(DRAIN_S)
    counts = engine.snapshot()
    sent = sum(engine.sent_by(transport) * viewers for transport, viewers in audience.items())
    engine.set_sending(True)
    return Measurement(
        seconds=elapsed,
        forwarded=at_end["packets"],
        bytes=at_end["bytes"],
        cpu=cpu,
        client_cpu_us=at_end["client_cpu_us"] - own_before,
        counts=counts,
        sent_to_all=sent,
    )


def percentile(ordered: list[int], fraction: float) -> float:
    """Nearest rank; 0 for an empty list."""
    if not ordered:
        return 0.0
    return float(ordered[min(len(ordered) - 1, int(fraction * len(ordered)))])


def _process_clock(pid: int) -> int:
    """The kernel's clock id of another process's CPU time (clock_getcpuclockid(3))."""
    return (~pid << 3) | 2

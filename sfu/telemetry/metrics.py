"""What a Node measures, as Prometheus text. Packet counts come from snapshots: Python sees no packet."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from sfu._fastpath.values import Snapshot

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
JOIN_BUCKETS_S: Final = (0.002, 0.005, 0.01, 0.02, 0.04, 0.06, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10)


class NodeMetrics:
    """All metrics of one Node, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.join_s = Histogram(
            "headwater_join_seconds",
            "From the HTTP request of a join to its answer, and to keys in place (connected).",
            ["door", "stage"],
            buckets=JOIN_BUCKETS_S,
            registry=self.registry,
        )
        self.calls_ended = Counter(
            "headwater_calls_ended", "Calls that are over.", ["reason"], registry=self.registry
        )
        self.rooms = Gauge("headwater_rooms", "Open Rooms.", registry=self.registry)
        self.participants = Gauge("headwater_participants", "Participants now.", registry=self.registry)
        self.tracks = Gauge("headwater_tracks", "Published Tracks.", ["kind"], registry=self.registry)
        self.loss = Gauge(
            "headwater_loss_ratio", "Mean loss now: of publishers here, of viewers there.", ["side"],
            registry=self.registry,
        )  # fmt: skip
        self.jitter_s = Gauge(
            "headwater_jitter_seconds", "Largest interarrival jitter now.", ["side"], registry=self.registry
        )
        self._workers = WorkerCollector()
        self.registry.register(self._workers)

    def render(self, snapshots: Sequence[tuple[int, Snapshot]]) -> bytes:
        """The text for one scrape, from a snapshot of each Worker (by index)."""
        self._workers.snapshots = snapshots
        subscriptions = [row for _, snapshot in snapshots for row in snapshot.subscriptions]
        encodings = [row for _, snapshot in snapshots for row in snapshot.encodings if row.live]
        received = sum(row.packets for row in encodings)
        lost = sum(max(0, row.lost) for row in encodings)
        self.loss.labels("publishers").set(lost / (received + lost) if received else 0)
        self.loss.labels("viewers").set(_mean([row.fraction_lost / 256 for row in subscriptions]))
        self.jitter_s.labels("publishers").set(max((row.jitter_us for row in encodings), default=0) / 1e6)
        self.jitter_s.labels("viewers").set(max((row.jitter_us for row in subscriptions), default=0) / 1e6)
        return generate_latest(self.registry)


class WorkerCollector(Collector):
    """Each counter of the packet core as `headwater_worker_<name>_total`, each Drop by its reason."""

    def __init__(self) -> None:
        self.snapshots: Sequence[tuple[int, Snapshot]] = ()

    def collect(self) -> Iterator[CounterMetricFamily | HistogramMetricFamily]:
        """What prometheus_client asks for."""
        names = dict.fromkeys(name for _, snapshot in self.snapshots for name in snapshot.counters)
        for name in names:
            family = CounterMetricFamily(f"headwater_worker_{name}", f"{name} of a Worker", labels=["worker"])
            for index, snapshot in self.snapshots:
                family.add_metric([str(index)], snapshot.counters.get(name, 0))
            yield family
        yield self._drops()
        yield self._delay()

    def _drops(self) -> CounterMetricFamily:
        family = CounterMetricFamily(
            "headwater_drops", "Datagrams and packets not forwarded.", labels=["worker", "reason"]
        )
        for index, snapshot in self.snapshots:
            for reason, count in snapshot.drops.items():
                family.add_metric([str(index), reason], count)
        return family

    def _delay(self) -> HistogramMetricFamily:
        family = HistogramMetricFamily(
            "headwater_forwarding_delay_seconds", "From receiving a packet to sending it.", labels=["worker"]
        )
        for index, snapshot in self.snapshots:
            family.add_metric([str(index)], *_cumulative(snapshot.forwarding_delay_us, snapshot.counters))
        return family


def _cumulative(
    buckets: Sequence[tuple[int, int]], counters: Mapping[str, int]
) -> tuple[list[tuple[str, float]], float]:
    total = 0
    rows: list[tuple[str, float]] = []
    for bound_us, count in buckets:
        total += count
        rows.append((str(bound_us / 1e6) if bound_us else "+Inf", total))
    return rows or [("+Inf", 0)], counters.get("delay_sum_us", 0) / 1e6


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0

"""The Director's own metrics: what was asked, how it ended, how long it took."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class DirectorMetrics:
    """Counters in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._requests = Counter(
            "headwater_api_requests",
            "Calls of the Director's API",
            ("operation", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "headwater_api_request_seconds",
            "Time to answer a call of the Director's API",
            ("operation",),
            buckets=_BUCKETS_S,
            registry=self._registry,
        )

    def answered(self, operation: str, status: int, elapsed_s: float) -> None:
        """One call was answered."""
        self._requests.labels(operation, str(status)).inc()
        self._seconds.labels(operation).observe(elapsed_s)

    def render(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self._registry)

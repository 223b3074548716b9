from prometheus_client.parser import text_string_to_metric_families

from sfu._fastpath.values import Snapshot
from sfu.telemetry.metrics import NodeMetrics


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_counters_and_drops_of_every_worker_come_out() -> None:
    snapshots = [(index, Snapshot({"rtp_in": 10 + index}, {"replayed": index}, ())) for index in range(2)]
    found = samples(NodeMetrics().render(snapshots))
    assert found["headwater_worker_rtp_in_total", (("worker", "1"),)] == 11
    assert found["headwater_drops_total", (("reason", "replayed"), ("worker", "1"))] == 1


def test_the_delay_histogram_is_cumulative() -> None:
    snapshot = Snapshot({"delay_sum_us": 2_000_000}, {}, ((100, 3), (1000, 2), (0, 1)))
    found = samples(NodeMetrics().render([(0, snapshot)]))
    name = "headwater_forwarding_delay_seconds"
    assert found[f"{name}_bucket", (("le", "0.0001"), ("worker", "0"))] == 3
    assert found[f"{name}_bucket", (("le", "+Inf"), ("worker", "0"))] == 6
    assert found[f"{name}_count", (("worker", "0"),)] == 6
    assert found[f"{name}_sum", (("worker", "0"),)] == 2


def test_join_latency_is_by_door_and_stage() -> None:
    metrics = NodeMetrics()
    metrics.join_s.labels("publish", "answer").observe(0.003)
    found = samples(metrics.render([]))
    assert found["headwater_join_seconds_count", (("door", "publish"), ("stage", "answer"))] == 1

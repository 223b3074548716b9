"""A measurement as a table for people."""

from __future__ import annotations

from bench.load.measurement import Measurement


def rows(measured: Measurement) -> list[tuple[str, str]]:
    """(what, figure) lines of one run."""
    values, counts = measured.as_dict(), measured.counts
    table = [
        ("subscribers", f"{counts['subscribers']} ({counts['subscribers_without_media']} without media)"),
        ("packets/s", f"{values['packets_per_s']:,}"),
        ("Mbit/s", f"{values['bits_per_s'] / 1e6:,.1f}"),
        (
            "delivered",
            f"{measured.delivered:.6%} by sequence numbers, {measured.delivered_of_sent:.6%} of sent",
        ),
        ("lost", f"{values['lost']:,} and {counts['silent_lost']:,} without a gap"),
        ("late, duplicate", f"{counts['late']:,}, {counts['duplicates']:,}"),
        ("NACKed, by RTX", f"{counts['nacks_sent']:,}, {counts['rtx_received']:,}"),
        ("checked", f"{counts['checked']:,}; corrupt {counts['corrupt']}, refused {counts['refused']}"),
        ("latency ms", _latency(counts, "latency_")),
        (
            "join ms",
            f"p50 {values['join_p50_ms']:.1f}, p99 {values['join_p99_ms']:.1f}, {values['joins']} joins",
        ),
        ("load tool CPU", f"{values['client_cpu_share']:.1%} of a core"),
    ]
    if measured.cpu is not None:
        table += [
            ("measured CPU", f"{values['cpu_share']:.1%} of a core"),
            ("CPU per packet", f"{measured.cpu_us_per_packet:.3f} us forwarded"),
        ]
    if measured.join_errors:
        table.append(("join errors", f"{len(measured.join_errors)}: {measured.join_errors[0]}"))
    return table


def render(table: list[tuple[str, str]]) -> str:
    """Two aligned columns."""
    width = max(len(name) for name, _ in table)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in table)


def _latency(counts: dict[str, int], prefix: str) -> str:
    names = ("p50", "p90", "p99", "p999", "max")
    return ", ".join(f"{name} {counts[f'{prefix}{name}_us'] / 1000:.2f}" for name in names)

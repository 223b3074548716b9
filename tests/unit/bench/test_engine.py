"""The load client against itself: a publisher straight to a subscriber, with and without faults in between."""

import secrets
import time
from collections.abc import Callable

import pytest

from bench.load.engine import LoadEngine
from bench.load.fleet import PROFILES, Traffic, add_plain_streams
from bench.load.offers import AUDIO_PT, RTX_PT, VIDEO_PT
from bench.reference.run import running

FAST = Traffic(video_bps=4_000_000, fps=120.0, pace_us=100)


def connect(engine: LoadEngine, *, profile: str = "gcm128", matching: bool = True) -> tuple[int, int]:
    """A publisher and a subscriber that know each other's address and keys; returns their Transports."""
    chosen = PROFILES[profile]
    size = chosen.key_bytes + chosen.salt_bytes
    key, back = secrets.token_bytes(size), secrets.token_bytes(size)
    source = engine.add_source(packet_bytes=FAST.packet_bytes)
    sink = engine.add_sink(video_pt=VIDEO_PT, rtx_pt=RTX_PT, audio_pt=AUDIO_PT)
    engine.set_remote(source, *engine.local_address(sink))
    engine.set_remote(sink, *engine.local_address(source))
    engine.set_keys(sink, profile=chosen.number, rx=key if matching else secrets.token_bytes(size), tx=back)
    add_plain_streams(engine, source, FAST)
    engine.set_keys(source, profile=chosen.number, rx=back, tx=key)
    return source, sink


def until(engine: LoadEngine, condition: Callable[[dict[str, int]], bool]) -> dict[str, int]:
    """The first snapshot for which `condition` holds; fails after ten seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        counts = engine.snapshot()
        if condition(counts):
            return counts
        time.sleep(0.005)
    pytest.fail(f"never true: {engine.snapshot()}")


def silence(engine: LoadEngine) -> dict[str, int]:
    """Stops the publishers and waits until everything under way has arrived."""
    engine.set_sending(False)
    until(engine, lambda counts: counts["expected"] >= counts["sent"])
    return engine.snapshot()


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_everything_sent_arrives_once_and_unchanged(profile: str) -> None:
    engine = LoadEngine(limit=2, sample_every=1)
    with running(engine):
        source, sink = connect(engine, profile=profile)
        until(engine, lambda counts: counts["received"] > 300)
        counts = silence(engine)
        assert counts["received"] == counts["expected"] == counts["sent"] == engine.sent_by(source)
        assert counts["checked"] == counts["packets"] == counts["latency_count"]
        assert not any(counts[name] for name in ("corrupt", "refused", "late", "duplicates", "silent_lost"))
        assert 0 < counts["latency_p50_us"] <= counts["latency_p99_us"] <= counts["latency_max_us"]
        assert engine.times_us(sink)[1] > 0


def test_what_the_path_loses_is_asked_for_and_comes_by_rtx() -> None:
    engine = LoadEngine(limit=2, sample_every=1, loss=0.05)
    with running(engine):
        connect(engine)
        counts = until(engine, lambda counts: counts["rtx_received"] > 20)
        assert counts["thrown"] > 0
        assert counts["nacks_sent"] >= counts["nacks_received"] >= counts["rtx_received"]
        assert not counts["corrupt"]


def test_without_nacks_losses_stay_losses() -> None:
    engine = LoadEngine(limit=2, sample_every=1, loss=0.05, nack=False)
    with running(engine):
        connect(engine)
        until(engine, lambda counts: counts["sent"] > 500)
        engine.set_sending(False)
        counts = until(engine, lambda counts: counts["packets"] + counts["thrown"] >= counts["sent"])
        assert 0 < counts["expected"] - counts["received"] <= counts["thrown"]
        assert not counts["nacks_sent"] + counts["rtx_sent"] + counts["silent_lost"]


def test_packets_under_another_key_are_refused_and_count_as_no_media() -> None:
    engine = LoadEngine(limit=2, sample_every=1)
    with running(engine):
        _, sink = connect(engine, matching=False)
        counts = until(engine, lambda counts: counts["refused"] > 50)
        assert counts["subscribers_without_media"] == 1
        assert counts["received"] == counts["checked"] == 0
        assert engine.times_us(sink)[1] == 0


def test_a_sample_decrypts_one_packet_in_so_many() -> None:
    engine = LoadEngine(limit=2, sample_every=16)
    with running(engine):
        connect(engine)
        until(engine, lambda counts: counts["received"] > 500)
        counts = silence(engine)
        assert counts["received"] == counts["sent"]
        assert counts["packets"] / 24 < counts["checked"] < counts["packets"] / 8


def test_the_bit_rate_is_the_one_asked_for() -> None:
    engine = LoadEngine(limit=2, sample_every=1)
    with running(engine):
        connect(engine)
        until(engine, lambda counts: counts["frames"] > 60)
        engine.mark()
        counts = until(engine, lambda counts: counts["frames"] > 200)
        video_frames = counts["frames"] * FAST.fps / (FAST.fps + 50)
        expected_bytes = video_frames * FAST.video_bps / 8 / FAST.fps
        assert counts["sent_bytes"] == pytest.approx(expected_bytes, rel=0.25)


def test_a_client_that_left_leaves_its_totals_and_its_place() -> None:
    engine = LoadEngine(limit=2, sample_every=1)
    with running(engine):
        source, sink = connect(engine)
        until(engine, lambda counts: counts["received"] > 100)
        before = silence(engine)
        engine.remove(sink)
        after = engine.snapshot()
        assert (after["subscribers"], before["subscribers"]) == (0, 1)
        assert (after["expected"], after["received"]) == (before["expected"], before["received"])
        engine.remove(source)
        assert {engine.add_sink(), engine.add_sink()} == {source, sink}
        with pytest.raises(ValueError, match="in use"):
            engine.add_sink()


@pytest.mark.parametrize("sample_every", [0, 3, -8])
def test_a_sample_is_a_power_of_two(sample_every: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        LoadEngine(sample_every=sample_every)


def test_a_transport_that_was_never_added_is_refused() -> None:
    engine = LoadEngine(limit=2)
    with pytest.raises(ValueError, match="no client"):
        engine.set_remote(0, "127.0.0.1", 9)

"""Commands at random against a model of who is there: handles never lie, tables never leak, a full one says so."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from sfu._fastpath.values import PayloadTypeMap, SubscriptionSpec
from tests.fastpath.probes.core_probe import CoreProbe
from tests.support.far_end import FarEnd
from tests.support.stage import OPUS, VIDEO, VP8, Source

TRANSPORTS, TRACKS, SUBSCRIPTIONS = 24, 12, 60
ANY = [PayloadTypeMap(VP8, 120), PayloadTypeMap(OPUS, 121)]


@dataclass(slots=True)
class Town:
    """What must exist, by handle; `gone` are handles that once did."""

    core: CoreProbe = field(
        default_factory=lambda: CoreProbe(transports=TRANSPORTS, tracks=TRACKS, subscriptions=SUBSCRIPTIONS)
    )
    far_ends: dict[int, FarEnd] = field(default_factory=dict)
    tracks: dict[int, int] = field(default_factory=dict)
    subscriptions: dict[int, int] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    sources: dict[int, Source] = field(default_factory=dict)
    ssrc: int = 1000

    def open(self, rng: random.Random) -> None:
        if len(self.far_ends) < TRANSPORTS:
            far_end = FarEnd(self.core)
            self.far_ends[far_end.handle] = far_end
        else:
            with pytest.raises(ValueError, match="status"):
                self.core.command("open_transport")

    def publish(self, rng: random.Random) -> None:
        home = rng.choice([*self.far_ends, 0])
        if home and len(self.tracks) < TRACKS and home not in self.tracks.values():
            track = self.core.command("add_track", home, VIDEO)
            self.tracks[track] = home
            self.ssrc += 1
            self.sources[track] = Source(self.ssrc, VP8)

    def subscribe(self, rng: random.Random) -> None:
        home = rng.choice([*self.far_ends, 0])
        if home and len(self.subscriptions) < SUBSCRIPTIONS:
            spec = SubscriptionSpec("video", 90_000, rng.randrange(2**32), "cname")
            self.subscriptions[self.core.command("subscribe", home, spec)] = home

    def bind(self, rng: random.Random) -> None:
        if self.subscriptions:
            track = rng.choice([*self.tracks, 0])
            self.core.command("bind", rng.choice([*self.subscriptions]), track, ANY)

    def unsubscribe(self, rng: random.Random) -> None:
        if self.subscriptions:
            handle = rng.choice([*self.subscriptions])
            self.core.command("unsubscribe", handle)
            del self.subscriptions[handle]
            self.gone.add(handle)

    def unpublish(self, rng: random.Random) -> None:
        if self.tracks:
            handle = rng.choice([*self.tracks])
            self.core.command("remove_track", handle)
            del self.tracks[handle], self.sources[handle]

    def close(self, rng: random.Random) -> None:
        if self.far_ends:
            handle = rng.choice([*self.far_ends])
            self.core.command("close_transport", handle)
            del self.far_ends[handle]
            self.sources = {t: s for t, s in self.sources.items() if self.tracks[t] != handle}
            self.gone |= {s for s, home in self.subscriptions.items() if home == handle}
            self.tracks = {t: home for t, home in self.tracks.items() if home != handle}
            self.subscriptions = {s: home for s, home in self.subscriptions.items() if home != handle}

    def play(self, rng: random.Random) -> None:
        for track, home in self.tracks.items():
            self.far_ends[home].send(*self.sources[track].frame((900, 300), key=rng.random() < 0.3))

    def poke_the_dead(self, rng: random.Random) -> None:
        """A stale handle is refused, whatever lives in its place by now."""
        dead = self.gone - set(self.subscriptions)
        if dead:
            with pytest.raises(ValueError, match="status"):
                self.core.command("unsubscribe", rng.choice(sorted(dead)))


def act(town: Town, rng: random.Random) -> None:
    steps = (
        [town.open] * 4 + [town.publish] * 3 + [town.subscribe] * 6 + [town.bind] * 6 + [town.play] * 4
        + [town.unsubscribe, town.unpublish, town.close, town.close, town.poke_the_dead]
    )  # fmt: skip
    rng.choice(steps)(rng)
    town.core.advance(rng.randrange(40_000))
    town.core.sent()
    counters = town.core.snapshot().counters
    found = (counters["transports"], counters["tracks"], counters["subscriptions"])
    assert found == (len(town.far_ends), len(town.tracks), len(town.subscriptions))


def churn(seed: int, steps: int) -> None:
    rng, town = random.Random(seed), Town()
    for _ in range(steps):
        act(town, rng)
    while town.far_ends:
        town.close(rng)
    counters = town.core.snapshot().counters
    assert (counters["transports"], counters["tracks"], counters["subscriptions"]) == (0, 0, 0)


@pytest.mark.parametrize("seed", range(3))
def test_comings_and_goings(seed: int) -> None:
    churn(seed, 1000)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(100, 110))
def test_many_comings_and_goings(seed: int) -> None:
    churn(seed, 10_000)

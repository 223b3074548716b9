"""The reference loop delivers what a Node would: the same traffic, complete, to every subscriber."""

import pytest

from bench.load.run import Plan
from bench.reference.run import run_direct, run_reference


@pytest.mark.parametrize("profile", ["gcm128", "cm"])
async def test_the_reference_loop_forwards_everything(profile: str) -> None:
    measured = await run_reference(Plan(subscribers=70, seconds=0.3, profile=profile, sample_every=1))
    assert measured.delivered == measured.delivered_of_sent == 1.0
    assert not measured.counts["corrupt"] + measured.counts["late"] + measured.counts["duplicates"]
    assert measured.cpu_us_per_packet > 0


async def test_the_direct_path_has_nothing_in_between() -> None:
    measured = await run_direct(Plan(seconds=0.3))
    assert measured.delivered == 1.0
    assert measured.cpu is None

"""The load tool against a real Node: every packet that a publisher sends reaches every viewer, once, unchanged."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from bench.load.doors import ApiKey, HttpDoor
from bench.load.engine import LoadEngine
from bench.load.fleet import PROFILES, Fleet, Traffic
from bench.load.measurement import Measurement, measure
from bench.load.run import Plan, run_load
from bench.node import MeasuredNode, running_node

pytestmark = pytest.mark.e2e

PLAN = Plan(subscribers=6, seconds=1.0, join_rate=50.0, sample_every=1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node() -> AsyncIterator[MeasuredNode]:
    async with running_node() as running:
        yield running


def assert_sound(measured: Measurement, *, viewers: int) -> None:
    assert not measured.join_errors
    assert measured.counts["subscribers"] == viewers
    assert measured.counts["subscribers_without_media"] == 0
    assert measured.delivered == 1.0
    for fault in ("corrupt", "refused", "duplicates", "late", "unexpected", "starts_without_keyframe"):
        assert measured.counts[fault] == 0, fault


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("profile", sorted(PROFILES))
async def test_everything_arrives_under_each_profile(node: MeasuredNode, profile: str) -> None:
    plan = replace(PLAN, url=node.url, pid=node.pid, profile=profile, room=f"load-{profile}")
    measured = await run_load(plan)
    assert_sound(measured, viewers=plan.subscribers)
    assert measured.profile == profile
    assert measured.delivered_of_sent == 1.0
    assert measured.cpu_us_per_packet > 0
    assert len(measured.join_us) == plan.subscribers


@pytest.mark.asyncio(loop_scope="module")
async def test_of_simulcast_each_viewer_gets_one_encoding_without_a_gap(node: MeasuredNode) -> None:
    plan = replace(PLAN, url=node.url, room="load-simulcast", traffic=Traffic(simulcast=True))
    measured = await run_load(plan)
    assert_sound(measured, viewers=plan.subscribers)
    assert 0 < measured.delivered_of_sent < 1


@pytest.mark.asyncio(loop_scope="module")
async def test_rooms_do_not_hear_each_other(node: MeasuredNode) -> None:
    plan = replace(PLAN, url=node.url, room="load-rooms", publishers=3)
    measured = await run_load(plan)
    assert_sound(measured, viewers=plan.subscribers)
    assert measured.delivered_of_sent == 1.0


@pytest.mark.asyncio(loop_scope="module")
async def test_clients_with_a_socket_each_work_as_those_that_share_one(node: MeasuredNode) -> None:
    door, engine = (
        HttpDoor(node.url, ApiKey.parse(PLAN.key)),
        LoadEngine(limit=8, shared=False, sample_every=1),
    )
    async with door, Fleet(door, engine) as fleet:
        publisher = await fleet.publish("load-own", PLAN.traffic)
        await fleet.watch_many(["load-own"] * 4, join_rate=50.0)
        measured = await measure(engine, seconds=1.0, pid=None, audience={publisher.transport: 4})
        assert_sound(measured, viewers=4)
        await fleet.leave(fleet.subscribers[0])
        assert (await fleet.watch("load-own")).transport not in {
            client.transport for client in fleet.publishers
        }
        await fleet.leave_all()


@pytest.mark.asyncio(loop_scope="module")
async def test_losses_at_the_viewers_are_repaired_by_the_node(node: MeasuredNode) -> None:
    plan = replace(PLAN, url=node.url, room="load-loss", loss=0.03, seconds=2.0, traffic=Traffic(audio=False))
    measured = await run_load(plan)
    assert measured.counts["thrown"] > 0
    assert measured.counts["rtx_received"] > 0
    assert measured.delivered > 0.995
    assert not measured.counts["corrupt"]


def test_the_command_prints_json_and_exits_with_its_verdict(node: MeasuredNode) -> None:
    command = [
        sys.executable,
        "-m",
        "headwater_cli",
        "bench",
        "load",
        "--url",
        node.url,
        "--pid",
        str(node.pid),
    ]
    command += ["--subscribers", "3", "--join-rate", "50", "--duration", "1", "--room", "load-cli", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["delivered"] == 1.0


@pytest.mark.parametrize(
    "flags", [["--url", "http://127.0.0.1:1"], ["--keys", "nonsense"], ["--join-rate", "0"]]
)
def test_what_cannot_be_run_is_one_line_and_exit_2(flags: list[str]) -> None:
    command = [sys.executable, "-m", "headwater_cli", "bench", "load", *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1)

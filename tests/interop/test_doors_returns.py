"""Publishers leave, return, restart and move; viewers see one stream that goes on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import count

import pytest

from tests.support.eventually import eventually
from tests.support.nodes import RunningNode, running_node
from tests.support.raw_client import RawClient, raw_clients
from tests.support.raw_offers import OPUS, VP8, Line, Source, gapless, offer, play, streams

FRAGMENT = "application/trickle-ice-sdpfrag"
CAMERA = (Line(OPUS, "0"), Line(VP8, "1"))
_ssrcs = count(1000)


@dataclass(slots=True)
class Scene:
    """A Node and clients for it."""

    node: RunningNode
    make: Callable[[], RawClient]

    async def publisher(self, identity: str = "ann") -> tuple[RawClient, list[Source]]:
        made = self.make()
        status, body = await made.join("/whip/demo", identity, offer(made, CAMERA))
        assert status == 201, body
        await made.connect()
        return made, [Source(line, next(_ssrcs), seq=40_000 - next(_ssrcs)) for line in CAMERA]

    async def viewer(self, identity: str = "vera", *, of: str = "") -> RawClient:
        made = self.make()
        path = f"/whep/demo?participant={of}" if of else "/whep/demo"
        status, body = await made.join(path, identity, offer(made, CAMERA, direction="recvonly"))
        assert status == 201, body
        await made.connect()
        return made

    async def status(self, client: RawClient, method: str = "GET") -> int:
        async with self.node.http.request(method, client.location) as response:
            return response.status


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with running_node() as node, raw_clients(node) as make:
        yield Scene(node, make)


def goes_on(viewer: RawClient) -> bool:
    """One SSRC for each m-line, and neither a gap nor a step back in any."""
    return len(streams(viewer)) == len(CAMERA) and all(map(gapless, streams(viewer).values()))


@pytest.mark.parametrize("farewell", ["DELETE", "replaced"])
async def test_a_viewer_stays_while_its_publisher_goes_and_returns(scene: Scene, farewell: str) -> None:
    viewer = await scene.viewer()
    for _ in range(3):
        publisher, sources = await scene.publisher()
        await play(sources, publisher, viewer)
        if farewell == "DELETE":
            assert await scene.status(publisher, "DELETE") == 200
    assert goes_on(viewer)
    assert {len(packets) for packets in streams(viewer).values()} == {60}


async def test_sources_may_change_in_a_call(scene: Scene) -> None:
    viewer = await scene.viewer()
    publisher, sources = await scene.publisher()
    for seq in (40_000, 100, 65_530):
        await play(sources, publisher, viewer)
        sources = [Source(line, next(_ssrcs), seq=seq) for line in CAMERA]
    assert goes_on(viewer)


async def test_joining_again_ends_the_earlier_stay_and_its_media(scene: Scene) -> None:
    viewer = await scene.viewer()
    earlier, old = await scene.publisher()
    await play(old, earlier, viewer)
    publisher, sources = await scene.publisher()
    assert await scene.status(earlier) == 404
    seen = len(viewer.media)
    earlier.send(*(source.packet() for source in old))
    await play(sources, publisher, viewer)
    assert len(viewer.media) == seen + 40
    await earlier.until(lambda: any(datagram[0] == 21 for datagram in earlier.dtls))


async def test_viewers_of_anybody_follow_the_first_and_then_the_next(scene: Scene) -> None:
    anybody, of_bob = await scene.viewer(), await scene.viewer("will", of="bob")
    ann, of_ann = await scene.publisher("ann")
    await play(of_ann, ann, anybody)
    bob, bobs = await scene.publisher("bob")
    await play(bobs, bob, of_bob)
    assert len(anybody.media) == 40
    assert await scene.status(ann, "DELETE") == 200
    await play(bobs, bob, anybody)
    assert len(of_bob.media) == 80
    assert goes_on(anybody)
    assert goes_on(of_bob)


@pytest.mark.parametrize("requests", [1, 2])
async def test_an_ice_restart_and_a_move_lose_nothing(scene: Scene, requests: int) -> None:
    viewer = await scene.viewer()
    publisher, sources = await scene.publisher()
    await play(sources, publisher, viewer)
    for client in (publisher, viewer):
        client.ufrag = f"{client.ufrag}again"
        for _ in range(requests):  # the first answer may be lost
            await restart(scene, client)
        await play(sources, publisher, viewer, 5)
        await client.move()
        await client.check()
        await play(sources, publisher, viewer, 5)
    assert goes_on(viewer)


async def restart(scene: Scene, client: RawClient) -> None:
    """PATCHes the client's present credentials and takes ours."""
    fragment = f"a=ice-ufrag:{client.ufrag}\r\na=ice-pwd:{client.pwd}\r\n"
    headers = {"Content-Type": FRAGMENT, "If-Match": "*"}
    async with scene.node.http.patch(client.location, data=fragment, headers=headers) as response:
        assert response.status == 200
        client.answer = await response.text()


async def test_a_new_nominated_pair_takes_over(scene: Scene) -> None:
    viewer = await scene.viewer()
    publisher, sources = await scene.publisher()
    await play(sources, publisher, viewer)
    for client in (viewer, publisher):
        await client.move()
        await client.check()
        await play(sources, publisher, viewer)
    assert goes_on(viewer)


async def test_twenty_joins_at_once_leave_one(scene: Scene) -> None:
    clients = [scene.make() for _ in range(20)]
    offers = [offer(client, CAMERA, direction="recvonly") for client in clients]
    pairs = zip(clients, offers, strict=True)
    joins = await asyncio.gather(*(client.join("/whep/demo", "vera", text) for client, text in pairs))
    assert [status for status, _ in joins] == [201] * 20
    assert sorted([await scene.status(client) for client in clients]) == [204] + [404] * 19
    await eventually(scene.node.calls, lambda calls: calls == 1, within_s=5, every_s=0.01)

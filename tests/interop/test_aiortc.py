"""aiortc publishes, watches and talks through a real Node with its real Worker."""

import pytest
from aiortc import RTCPeerConnection
from aiortc.mediastreams import AudioStreamTrack

from tests.support.eventually import eventually
from tests.support.nodes import frames, incoming, joined, publisher, running_node, viewer


async def test_a_viewer_decodes_what_a_publisher_sends() -> None:
    async with running_node() as node, joined(node, "/whip/demo", "ann", publisher()):
        watching = viewer()
        async with joined(node, "/whep/demo", "vera", watching):
            video = await frames(incoming(watching, "video"), 20)
            audio = await frames(incoming(watching, "audio"), 20)
    assert (video[-1].width, video[-1].height) == (640, 480)
    assert audio[-1].sample_rate == 48000


async def test_a_viewer_may_come_first_and_the_publisher_may_leave_and_return() -> None:
    watching = viewer()
    async with running_node() as node, joined(node, "/whep/demo", "vera", watching):
        for _ in range(2):
            async with joined(node, "/whip/demo", "ann", publisher()):
                assert await frames(incoming(watching, "video"), 10)


async def test_two_talkers_hear_each_other() -> None:
    ann, bob = RTCPeerConnection(), RTCPeerConnection()
    for peer in (ann, bob):
        peer.addTrack(AudioStreamTrack())
    async with (
        running_node() as node,
        joined(node, "/talk/demo", "ann", ann),
        joined(node, "/talk/demo", "bob", bob),
    ):
        assert await frames(incoming(ann, "audio"), 10)
        assert await frames(incoming(bob, "audio"), 10)


async def test_viewers_spread_over_workers_and_all_see() -> None:
    viewers = [viewer() for _ in range(3)]
    async with running_node(workers="2") as node, joined(node, "/whip/demo", "ann", publisher()) as _:
        for link in node.node.parts.plane.links[:1]:
            link.transports += 100  # the publisher's Worker looks full: newcomers go elsewhere
        for number, watching in enumerate(viewers):
            async with joined(node, "/whep/demo", f"viewer-{number}", watching):
                assert await frames(incoming(watching, "video"), 5)


async def test_a_client_that_closes_is_gone_at_once() -> None:
    async with running_node() as node:
        async with joined(node, "/whip/demo", "ann", publisher()):
            await eventually(node.connected_calls, within_s=10, every_s=0.01)
        await eventually(node.calls, lambda calls: calls == 0, within_s=5, every_s=0.01)


@pytest.mark.parametrize("crypto", ["openssl"])
async def test_the_portable_back_end_carries_media_too(crypto: str) -> None:
    async with running_node(crypto=crypto) as node, joined(node, "/whip/demo", "ann", publisher()):
        watching = viewer()
        async with joined(node, "/whep/demo", "vera", watching):
            assert await frames(incoming(watching, "video"), 10)

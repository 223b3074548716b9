"""Media over IPv4 and IPv6 loopback."""

import pytest

from tests.support.nodes import frames, incoming, joined, publisher, running_node, viewer


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_media_goes_to_the_configured_address(address: str) -> None:
    async with running_node(media_ip=address) as node, joined(node, "/whip/demo", "ann", publisher()):
        watching = viewer()
        async with joined(node, "/whep/demo", "vera", watching):
            assert f" {address} " in watching.remoteDescription.sdp
            assert await frames(incoming(watching, "audio"), 10)

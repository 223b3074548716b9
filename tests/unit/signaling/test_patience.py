"""A connection that never says what it wants does not stay; one that did is left alone."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from sfu.signaling.patience import Impatient

TIMEOUT_S = 0.05
HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Echo(asyncio.Protocol):
    """Sends back what it gets."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def client() -> AsyncIterator[Streams]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Impatient(Echo(), TIMEOUT_S), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    yield reader, writer
    writer.close()
    server.close()


async def hung_up(reader: asyncio.StreamReader, *, within_s: float = 5) -> bool:
    """True when the connection ends in time, whatever comes before."""
    try:
        async with asyncio.timeout(within_s):
            await reader.read()
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize("sent", [b"", HEAD[:-1], HEAD[:-2] + b"X: y\r\n"])
async def test_who_does_not_finish_a_head_is_hung_up_on(client: Streams, sent: bytes) -> None:
    reader, writer = client
    writer.write(sent)
    assert await hung_up(reader)


async def test_a_dripping_head_gains_no_time(client: Streams) -> None:
    reader, writer = client
    end = asyncio.get_running_loop().time() + 20 * TIMEOUT_S
    while not reader.at_eof() and asyncio.get_running_loop().time() < end:
        writer.write(b"x")
        try:
            async with asyncio.timeout(TIMEOUT_S / 4):
                await reader.read(1)
        except TimeoutError:
            continue
        except ConnectionResetError:
            return
    assert reader.at_eof()


@pytest.mark.parametrize("cut", range(len(HEAD) + 1))
async def test_who_finished_a_head_may_stay(client: Streams, cut: int) -> None:
    reader, writer = client
    for part in (HEAD[:cut], HEAD[cut:]):
        writer.write(part)
        assert await reader.readexactly(len(part)) == part
    assert not await hung_up(reader, within_s=2 * TIMEOUT_S)

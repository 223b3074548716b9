"""Hangs up on clients that connect and never finish the head of a request: aiohttp waits for it forever."""

import asyncio
from typing import Final, cast

HEAD_TIMEOUT_S: Final = 15.0
HEAD_ENDS: Final = (b"\r\n\r\n", b"\n\n")
LONGEST_END_BYTES: Final = 4


class Impatient(asyncio.Protocol):
    """Stands before an HTTP server's protocol until the first head is there; then only hands bytes on.

    Later requests of the connection are bounded by the server's own keep-alive timeout.
    """

    def __init__(self, server: asyncio.Protocol, timeout_s: float = HEAD_TIMEOUT_S) -> None:
        self._server = server
        self._timeout_s = timeout_s
        self._tail = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        abort = cast(asyncio.Transport, transport).abort
        self._timer = asyncio.get_running_loop().call_later(self._timeout_s, abort)
        self._server.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._timer:
            seen = self._tail + data
            self._tail = seen[1 - LONGEST_END_BYTES :]
            if any(end in seen for end in HEAD_ENDS):
                self._stop_waiting()
        self._server.data_received(data)

    def eof_received(self) -> bool | None:
        return self._server.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._server.connection_lost(exc)

    def pause_writing(self) -> None:
        self._server.pause_writing()

    def resume_writing(self) -> None:
        self._server.resume_writing()

    def _stop_waiting(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer, self._tail = None, b""

"""One Worker as asyncio sees it: Commands are awaited, what comes up is sorted by kind."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Concatenate, ParamSpec

from sfu._fastpath.values import CommandError, Punt, Reply, TrackNotice, TransportNotice
from sfu._fastpath.worker import Worker

P = ParamSpec("P")
Arrival = TransportNotice | TrackNotice | Punt


class WorkerLink:
    """The asyncio side of one Worker's rings. Commands are executed in the order of the calls."""

    def __init__(self, worker: Worker, arrive: Callable[["WorkerLink", Arrival], None]) -> None:
        self.worker = worker
        self.transports = 0
        self._arrive = arrive
        self._replies: dict[int, asyncio.Future[Reply]] = {}
        self._waiting: deque[tuple[asyncio.Future[Reply], Callable[[], int]]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def index(self) -> int:
        """The Worker's number in its Node."""
        return self.worker.index

    def start(self) -> None:
        """Binds the Worker's socket, starts its thread and listens to it. OSError: the port is taken."""
        self.worker.start()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self.worker.event_fd, self.poll)

    def stop(self) -> None:
        """Stops the thread; Commands without a Reply end with CommandError."""
        if self._loop is None:
            return
        self._loop.remove_reader(self.worker.event_fd)
        self._loop = None
        self.worker.stop()
        for future in [*self._replies.values(), *(future for future, _ in self._waiting)]:
            if not future.done():
                future.set_exception(CommandError("the Worker has stopped"))
        self._replies.clear()
        self._waiting.clear()

    def call(
        self, command: Callable[Concatenate[Worker, P], int], *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[Reply]:
        """Sends one Command (a method of Worker); the Future fails with CommandError if refused."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        if self._loop is None:
            future.set_exception(CommandError("the Worker is not running"))
            return future
        self._waiting.append((future, lambda: command(self.worker, *args, **kwargs)))
        self._flush()
        return future

    def post(self, command: Callable[Concatenate[Worker, P], int], *args: P.args, **kwargs: P.kwargs) -> None:
        """Sends one Command whose Reply nobody waits for; a refusal is ignored (the object is gone)."""
        self.call(command, *args, **kwargs).add_done_callback(_forget)

    def poll(self) -> None:
        """Takes everything that has come up since the last time."""
        for item in self.worker.poll():
            if isinstance(item, Reply):
                self._resolve(item)
            else:
                self._arrive(self, item)
        self._flush()

    def _flush(self) -> None:
        while self._waiting:
            future, send = self._waiting[0]
            try:
                token = send()
            except BlockingIOError:
                return  # no credit: the next Reply brings one
            except (ValueError, TypeError, OverflowError) as error:
                future.set_exception(CommandError(str(error)))
            else:
                self._replies[token] = future
            self._waiting.popleft()

    def _resolve(self, reply: Reply) -> None:
        future = self._replies.pop(reply.token, None)
        if future is None or future.done():
            return
        if reply.error:
            future.set_exception(CommandError(reply.error))
        else:
            future.set_result(reply)


def _forget(future: asyncio.Future[Reply]) -> None:
    if not future.cancelled():
        future.exception()

"""The Director keeps to its own OpenAPI document, whatever schemathesis thinks up (bounded, one server for
all).
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.openapi import from_dict
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from director.api import api_routes
from director.director import Director
from director.openapi import openapi
from sfu.cluster.memory import MemoryStore
from sfu.cluster.subjects import NODE_HEARTBEAT_S
from tests.unit.director.stage import ADMIN, CONFIG, Stage, stage

document = openapi(api_routes(Director(CONFIG, MemoryStore(), lambda _: None)), version="1")
schema = from_dict(document)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, str]]:
    """Base URL and a token of a Director with one Room, one Participant and one Call, in a thread of its
    own.
    """
    loop = asyncio.new_event_loop()
    ready: asyncio.Future[tuple[str, str]] = loop.create_future()
    done = asyncio.Event()

    async def play() -> None:
        async with stage() as scene:
            await furnish(scene)
            ready.set_result((str(scene.client.make_url("")), scene.token(ADMIN, room_join=True)))
            while not done.is_set():
                await scene.node.beat()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(done.wait(), NODE_HEARTBEAT_S)

    thread = threading.Thread(target=loop.run_until_complete, args=(play(),))
    thread.start()
    yield asyncio.run_coroutine_threadsafe(_outcome(ready), loop).result(10)
    loop.call_soon_threadsafe(done.set)
    thread.join()
    loop.close()


async def _outcome(ready: "asyncio.Future[tuple[str, str]]") -> tuple[str, str]:
    return await ready


async def furnish(scene: Stage) -> None:
    scene.now_s = time.time()
    await scene.ask("POST", "/v1/rooms", {"name": "0"})
    await scene.node.enter("0", "0", call_id="0", tracks=1)


@schema.parametrize()
@settings(
    max_examples=20,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_answers_conform(case: Case, served: tuple[str, str]) -> None:
    base_url, token = served
    case.call_and_validate(
        base_url=base_url,
        headers={"Authorization": f"Bearer {token}"},
        checks=[
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
        ],
    )

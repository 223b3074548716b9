"""News for viewers: the server-sent events of WHEP (draft-ietf-wish-whep)."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final

import msgspec

from sfu.node.calls import LISTENER_EVENTS, Call
from sfu.node.rooms import OpenRoom
from sfu.room.subscription import Subscription
from sfu.signaling.messages import EventName, ServerEvent

EMPTY: Final = b"{}"
KEEP_ALIVE_S: Final = 15.0
"""Less than proxies wait; a write is also how a vanished client is noticed."""


async def listen(call: Call, names: Sequence[EventName]) -> AsyncGenerator[ServerEvent | None, None]:
    """First how things are, then every change, until the Call ends; None after a while without any.

    `inactive` never comes first.
    """
    queue: asyncio.Queue[ServerEvent | None] = asyncio.Queue(LISTENER_EVENTS)
    call.listeners.add(queue)
    try:
        for event in present_state(call):
            if event.name in names:
                yield event
        while True:
            try:
                async with asyncio.timeout(KEEP_ALIVE_S):
                    news = await queue.get()
            except TimeoutError:
                yield None
                continue
            if news is None:
                return
            if news.name in names:
                yield news
    finally:
        call.listeners.discard(queue)


def present_state(call: Call) -> list[ServerEvent]:
    """What a new event stream is told at once."""
    state = [viewer_count(call)]
    if any(subscription.track for subscription in call.participant.subscriptions):
        state = [ServerEvent("active", EMPTY), layers_of(call), *state]
    return state


def tell_activity(call: Call, subscription: Subscription) -> None:
    """A Subscription found or lost its Track: tells what is new about that."""
    active = any(s.track for s in call.participant.subscriptions)
    if active != call.told_active:
        call.told_active = active
        call.tell(ServerEvent("active" if active else "inactive", EMPTY))
    if subscription.track and subscription.kind == "video":
        call.tell(layers_of(call))


def tell_viewer_counts(calls: Sequence[Call]) -> None:
    """Tells those whose count has changed since they were told last."""
    for call in calls:
        if not call.listeners:
            continue
        count = count_viewers(call.room, call.participant.watching)
        if count != call.told_viewers:
            call.told_viewers = count
            call.tell(viewer_count(call))


def viewer_count(call: Call) -> ServerEvent:
    """How many watch what this viewer watches."""
    count = count_viewers(call.room, call.participant.watching)
    return ServerEvent("viewercount", msgspec.json.encode({"viewercount": count}))


def count_viewers(room: OpenRoom, identity: str | None) -> int:
    """Viewers of a publisher; 0 while there is none."""
    return room.room.viewers_of(identity) if identity else 0


def layers_of(call: Call) -> ServerEvent:
    """The Encodings of each video m-line, highest first, by m-line index.

    Drafts of WHEP name an Encoding `encodingId`, `id` or `rid`; all three are given.
    """
    lines: dict[str, Any] = {}
    for subscription in call.participant.subscriptions:
        if subscription.kind != "video" or subscription.track is None:
            continue
        rows = _layer_rows(call, subscription, subscription.track.rids)
        lines[str(call.sections[subscription.sid].index)] = {
            "active": [row for row, live in rows if live],
            "inactive": [row for row, live in rows if not live],
            "layers": [row for row, _ in rows],
        }
    return ServerEvent("layers", msgspec.json.encode(lines))


def _layer_rows(
    call: Call, subscription: Subscription, rids: Sequence[str]
) -> list[tuple[dict[str, Any], bool]]:
    sent = call.subscriptions.get(subscription.sid)
    live = sent.track.live if sent and sent.track else 0
    return [
        ({"id": rid, "encodingId": rid, "rid": rid, "spatialLayerId": place}, bool(live >> place & 1))
        for place, rid in reversed(list(enumerate(rids)))
    ]

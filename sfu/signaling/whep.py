"""WHEP (draft-ietf-wish-whep) at /whep/{room}, with its server-sent-events and layer extensions."""

import secrets
from contextlib import aclosing, suppress
from typing import Final, TypeVar

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from sfu.errors import RejectedError
from sfu.signaling.messages import EVENT_NAMES, CallDesk, EventName, JoinAnswer, LayerWish, ServerEvent
from sfu.signaling.shell import CORS_HEADERS, read_body, resource
from sfu.signaling.whip import ROOM, Door

LAYER_REL: Final = "urn:ietf:params:whep:ext:core:layer"
EVENTS_REL: Final = "urn:ietf:params:whep:ext:core:server-sent-events"
JSON_TYPE: Final = "application/json"
MAX_STREAMS: Final = 4
T = TypeVar("T")


class WatchDoor(Door):
    """The WHEP endpoint. Event streams belong to their session and end with it."""

    def __init__(self, desk: CallDesk) -> None:
        super().__init__("subscribe", desk)
        self._streams: dict[str, dict[str, tuple[EventName, ...]]] = {}

    def routes(self) -> list[web.RouteDef]:
        """WHIP's resources, and for each session `/layer`, `/sse` and `/sse/{stream}`."""
        base = f"/whep/{ROOM}/{{session}}"
        return [
            *super().routes(),
            web.route("*", base + "/layer", resource({"POST": self.select_layer}, accept_post=JSON_TYPE)),
            web.route("*", base + "/sse", resource({"POST": self.open_stream, "GET": self.stream_all})),
            web.route(
                "*", base + "/sse/{stream}", resource({"GET": self.stream, "DELETE": self.close_stream})
            ),
        ]

    def join_headers(self, answer: JoinAnswer) -> CIMultiDict[str]:
        """WHIP's headers and the links to both extensions."""
        headers = super().join_headers(answer)
        location = self.location(answer.session)
        headers.add("Link", f'<{location}/layer>; rel="{LAYER_REL}"')
        headers.add("Link", f'<{location}/sse>; rel="{EVENTS_REL}"; events="{",".join(EVENT_NAMES)}"')
        return headers

    async def leave(self, request: web.Request) -> web.Response:
        """Ends the Call and its event streams."""
        self._streams.pop(self.session_of(request).id, None)
        return await super().leave(request)

    async def select_layer(self, request: web.Request) -> web.Response:
        """A LayerWish; 200 once the packet core knows it."""
        session = self.session_of(request)
        wish = _decode(await read_body(request, JSON_TYPE), LayerWish)
        await self.desk.select_layer(session, wish)
        return web.Response(status=200)

    async def open_stream(self, request: web.Request) -> web.Response:
        """Makes an event stream for a list of event names (all without a body)."""
        session = self.session_of(request)
        names = EVENT_NAMES
        if request.can_read_body:
            names = tuple(_decode(await read_body(request, JSON_TYPE), list[EventName]))
        streams = self._streams.setdefault(session.id, {})
        if len(streams) >= MAX_STREAMS:
            raise RejectedError(409, "Too many event streams", f"a session has at most {MAX_STREAMS}")
        stream_id = secrets.token_urlsafe(12)
        streams[stream_id] = names
        return web.Response(status=201, headers={"Location": f"{self.location(session)}/sse/{stream_id}"})

    async def stream_all(self, request: web.Request) -> web.StreamResponse:
        """Deployed players open the linked URL itself as an EventSource: all events."""
        return await self._send_events(request, EVENT_NAMES)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """The events of one stream, until it or the session ends."""
        return await self._send_events(request, self._names_of(request))

    async def close_stream(self, request: web.Request) -> web.Response:
        """Forgets one stream."""
        self._names_of(request)
        del self._streams[self.session_of(request).id][request.match_info["stream"]]
        return web.Response(status=200)

    def _names_of(self, request: web.Request) -> tuple[EventName, ...]:
        streams = self._streams.get(self.session_of(request).id, {})
        names = streams.get(request.match_info["stream"])
        if names is None:
            raise RejectedError(404, "No such event stream", "it was closed, or its session is over")
        return names

    async def _send_events(self, request: web.Request, names: tuple[EventName, ...]) -> web.StreamResponse:
        events = self.desk.events(self.session_of(request), names)
        response = web.StreamResponse(headers={"Cache-Control": "no-store", **CORS_HEADERS})
        response.content_type = "text/event-stream"
        await response.prepare(request)
        async with aclosing(events):
            with suppress(ConnectionResetError):
                async for event in events:
                    await response.write(_line(event))
        return response


def _line(event: ServerEvent | None) -> bytes:
    """WHATWG server-sent events; a comment says that we are still here."""
    return b":\n\n" if event is None else b"event: %s\ndata: %s\n\n" % (event.name.encode(), event.data)


def _decode(body: bytes, kind: type[T]) -> T:
    """The JSON body as that type; RejectedError(400) names the field."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise RejectedError(400, "JSON not accepted", str(error)) from None

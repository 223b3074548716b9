"""The HTTP shell of the Director on aiohttp: requests in, answers out, every error a problem document."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
import structlog
from aiohttp import web

from director.director import Director
from director.metrics import DirectorMetrics
from director.routes.blocklist import BlocklistRoutes
from director.routes.calls import CallRoutes
from director.routes.nodes import NodeRoutes
from director.routes.participants import ParticipantRoutes
from director.routes.rooms import RoomRoutes
from director.routing import MAX_BODY_BYTES, ApiAnswer, ApiRequest, Route, check_allowed, read_json, routes_of
from sfu.cluster.grants import Grant, bearer_token, verify_token
from sfu.cluster.store import StoreUnavailableError
from sfu.errors import RejectedError
from sfu.problems import problem_of

BODY_TIMEOUT_S: Final = 10.0
CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Expose-Headers": "Retry-After, WWW-Authenticate",
    "Access-Control-Max-Age": "86400",
}

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = structlog.get_logger(__name__)


def api_routes(director: Director) -> list[Route]:
    """All calls under `/v1`."""
    nouns = (
        (RoomRoutes(director), "rooms"),
        (ParticipantRoutes(director), "participants"),
        (NodeRoutes(director), "nodes"),
        (BlocklistRoutes(director), "blocklist"),
        (CallRoutes(director), "calls"),
    )
    return [route for noun, tag in nouns for route in routes_of(noun, tag)]


class DirectorApi:
    """Answers the calls of the API with a Director."""

    def __init__(self, director: Director, metrics: DirectorMetrics) -> None:
        self.routes = api_routes(director)
        self._director = director
        self._metrics = metrics

    def web_routes(self) -> list[web.RouteDef]:
        """For `app.add_routes`."""
        found = [
            web.route(route.terms.method, _pattern(route.terms.path), self._answerer(route))
            for route in self.routes
        ]
        found += [
            web.options(_pattern(route.terms.path), _preflight)
            for route in self.routes
            if route.terms.for_browsers
        ]
        return found

    def _answerer(self, route: Route) -> Answer:
        async def answer(request: web.Request) -> web.StreamResponse:
            began_s = time.perf_counter()
            try:
                response = _respond(await self._act(route, request))
            except (RejectedError, StoreUnavailableError) as error:
                response = explain(request, error)
            if route.terms.for_browsers:
                response.headers.update(CORS)
            self._metrics.answered(route.operation, response.status, time.perf_counter() - began_s)
            return response

        return answer

    async def _act(self, route: Route, request: web.Request) -> ApiAnswer:
        now_s = self._director.clock()
        address = request.remote or ""
        self._director.admission.check_request(address, now_s)
        grant = self._authorize(route, request, address, now_s)
        body = await _read_body(route, request)
        return await route.action(
            ApiRequest(
                parameters=_checked(request.match_info),
                grant=grant,
                address=address,
                base_url=f"{request.scheme}://{request.host}",
                body=body,
            )
        )

    def _authorize(self, route: Route, request: web.Request, address: str, now_s: float) -> Grant:
        grant = verify_token(
            bearer_token(request.headers.get("Authorization")), self._director.config.keys, now_s
        )
        self._director.cluster.blocklist.check(
            identity=grant.identity, address=address, token_id=grant.token_id, now_s=now_s
        )
        check_allowed(route.terms.need, grant, request.match_info)
        return grant


@web.middleware
async def explain_errors(request: web.Request, handler: Answer) -> web.StreamResponse:
    """Errors of aiohttp itself (404, 405, 413) and our own bugs as problem documents."""
    try:
        return await handler(request)
    except web.HTTPMethodNotAllowed as error:
        allow = tuple(sorted(error.allowed_methods))
        detail = f"{request.method} is not one of {', '.join(allow)}"
        return explain(request, RejectedError(405, "Method not allowed", detail, allow=allow))
    except web.HTTPNotFound:
        return explain(request, RejectedError(404, "Not found", f"nothing is at {request.path}"))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return explain(request, RejectedError(error.status, error.reason))
    except (RejectedError, StoreUnavailableError) as error:
        return explain(request, error)
    except Exception:
        log.exception("request_failed", method=request.method, path=request.path)
        return explain(request, RejectedError(500, "Internal error", "this is a fault of the server"))


def explain(request: web.Request, error: RejectedError | StoreUnavailableError) -> web.Response:
    """The problem document of a rejection."""
    if isinstance(error, StoreUnavailableError):
        error = RejectedError(503, "Store unavailable", "the cluster's state cannot be reached", 2.0)
    problem = problem_of(error, instance=request.path)
    return web.Response(status=problem.status, headers=problem.headers, body=problem.body)


async def _read_body(route: Route, request: web.Request) -> msgspec.Struct | None:
    if route.terms.body is None:
        return None
    raw = b""
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while len(raw) <= MAX_BODY_BYTES and (chunk := await request.content.read(MAX_BODY_BYTES)):
                raw += chunk
    except TimeoutError:
        raise RejectedError(408, "Body too slow", f"no body within {BODY_TIMEOUT_S:.0f} s") from None
    except web.RequestPayloadError as error:
        raise RejectedError(400, "Bad request", "the body is not in its stated encoding") from error
    if len(raw) > MAX_BODY_BYTES:
        raise RejectedError(413, "Body too large", f"at most {MAX_BODY_BYTES} bytes are read")
    if not raw and route.terms.body_optional:
        return None
    return read_json(raw, request.content_type, route.terms.body)


def _checked(parameters: Any) -> dict[str, str]:
    for name, value in parameters.items():
        if not 0 < len(value) <= 256 or not value.isprintable() or value.startswith("."):
            raise RejectedError(400, "Bad request", f"{name} is not a valid name")
    return dict(parameters)


def _respond(answer: ApiAnswer) -> web.Response:
    headers = {"Cache-Control": "no-store", **answer.headers}
    if answer.body is None:
        return web.Response(status=answer.status, headers=headers)
    return web.Response(
        status=answer.status,
        headers=headers,
        body=msgspec.json.encode(answer.body),
        content_type="application/json",
    )


async def _preflight(_request: web.Request) -> web.Response:
    return web.Response(status=204, headers=CORS)


def _pattern(path: str) -> str:
    """aiohttp's own `{name}` refuses braces in values; ours is everything between two slashes."""
    return path.replace("}", ":[^/]+}")

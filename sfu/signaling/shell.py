"""What all HTTP doors share: bounded bodies, problem documents, CORS and dispatch by method."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import structlog
from aiohttp import web

from sfu.errors import RejectedError, RemoteProtocolError
from sfu.problems import problem_of
from sfu.signaling.messages import IceServer

SDP_TYPE: Final = "application/sdp"
MAX_BODY_BYTES: Final = 64 * 1024
BODY_TIMEOUT_S: Final = 10.0
CORS_HEADERS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match, Last-Event-ID",
    "Access-Control-Expose-Headers": ", ".join(
        ["Location", "Link", "ETag", "Accept-Patch", "Accept-Post", "Retry-After", "WWW-Authenticate"]
    ),
    "Access-Control-Max-Age": "86400",
}

log = structlog.get_logger(__name__)
Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


def resource(methods: Mapping[str, Reply], *, accept_post: str = "", accept_patch: str = "") -> Reply:
    """One URL with its methods; OPTIONS, 405 and every error are answered here, always with CORS headers.

    OPTIONS and a 415 say which types are taken (RFC 5789 section 2.2, RFC 9725 section 4.2).
    """
    allowed = (*methods, "OPTIONS")
    headers = {**CORS_HEADERS, "Access-Control-Allow-Methods": ", ".join(allowed)}
    accepts = {"Accept-Post": accept_post, "Accept-Patch": accept_patch}
    types = {name: value for name, value in accepts.items() if value}

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.method == "OPTIONS":
            response: web.StreamResponse = web.Response(status=204, headers={"Allow": ", ".join(allowed)})
        else:
            response = await _answer_or_explain(request, methods, allowed)
        if not response.prepared:
            response.headers.update(headers)
            response.headers.update(types if request.method == "OPTIONS" or response.status == 415 else {})
        return response

    return answer


async def read_body(request: web.Request, content_type: str) -> bytes:
    """The body, at most 64 KiB of it. RejectedError: 415 for another type, 413, 408."""
    if request.content_type.lower() != content_type:
        raise RejectedError(415, "Wrong content type", f"expected {content_type}, got {request.content_type}")
    body = b""
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while len(body) <= MAX_BODY_BYTES and (chunk := await request.content.read(MAX_BODY_BYTES)):
                body += chunk
    except TimeoutError:
        raise RejectedError(408, "Body too slow", f"no complete body within {BODY_TIMEOUT_S:.0f} s") from None
    except web.RequestPayloadError as error:
        raise RejectedError(400, "Bad request", "the body is not in its stated encoding") from error
    if len(body) > MAX_BODY_BYTES:
        raise RejectedError(413, "Body too large", f"at most {MAX_BODY_BYTES} bytes are read")
    return body


def ice_server_links(servers: Sequence[IceServer]) -> list[str]:
    """Link header values (RFC 9725 section 4.6)."""
    return [_ice_server_link(server) for server in servers]


def _ice_server_link(server: IceServer) -> str:
    link = f'<{server.url}>; rel="ice-server"'
    if server.username:
        link += (
            f'; username="{server.username}"; credential="{server.credential}"; credential-type="password"'
        )
    return link


async def _answer_or_explain(
    request: web.Request, methods: Mapping[str, Reply], allowed: tuple[str, ...]
) -> web.StreamResponse:
    if request.method not in methods:
        detail = f"{request.method} is not one of {', '.join(allowed)}"
        return _explain(request, RejectedError(405, "Method not allowed", detail, allow=allowed))
    try:
        return await methods[request.method](request)
    except RemoteProtocolError as error:
        return _explain(request, RejectedError(400, "SDP not accepted", str(error)))
    except RejectedError as error:
        return _explain(request, error)


def _explain(request: web.Request, error: RejectedError) -> web.Response:
    log.info(
        "request_rejected", method=request.method, path=request.path, status=error.code, reason=str(error)
    )
    problem = problem_of(error, instance=request.path)
    return web.Response(status=problem.status, headers=problem.headers, body=problem.body)

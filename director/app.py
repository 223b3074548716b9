"""The Director's part of an HTTP application: its API, its documentation, its health."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from director.api import Answer, DirectorApi
from director.director import Director
from director.docs import docs_page, problems_page
from director.messages import Health
from director.metrics import DirectorMetrics
from director.openapi import openapi

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
STATIC_HEADERS = {"Cache-Control": "no-cache"}

MetricsText = Callable[[], Awaitable[bytes]]
Reasons = Callable[[], list[str]]


def director_routes(
    director: Director,
    *,
    version: str,
    more_metrics: MetricsText | None = None,
) -> list[web.RouteDef]:
    """Everything a Director answers; `more_metrics` are those of other parts of the process."""
    metrics = DirectorMetrics()
    api = DirectorApi(director, metrics)
    document = openapi(api.routes, version=version)

    async def all_metrics() -> bytes:
        return metrics.render() + (await more_metrics() if more_metrics else b"")

    health = HealthRoutes(all_metrics, director.unready)
    return [
        *api.web_routes(),
        *health.web_routes(),
        web.get("/openapi.json", _fixed(msgspec.json.encode(document), "application/json")),
        web.get("/docs", _fixed(docs_page(document).encode(), "text/html")),
        web.get("/docs/problems", _fixed(problems_page().encode(), "text/html")),
    ]


class HealthRoutes:
    """`/healthz`: the process is alive. `/readyz`: it may take new Calls. `/metrics`."""

    def __init__(self, metrics: MetricsText, reasons: Reasons) -> None:
        self._metrics = metrics
        self._reasons = reasons

    def web_routes(self) -> list[web.RouteDef]:
        """For `app.add_routes`."""
        return [
            web.get("/healthz", self._alive),
            web.get("/readyz", self._ready),
            web.get("/metrics", self._text),
        ]

    async def _alive(self, _request: web.Request) -> web.Response:
        return _health(200, Health(status="ok"))

    async def _ready(self, _request: web.Request) -> web.Response:
        reasons = self._reasons()
        if not reasons:
            return _health(200, Health(status="ok"))
        return _health(503, Health(status="unavailable", reasons=reasons))

    async def _text(self, _request: web.Request) -> web.Response:
        return web.Response(body=await self._metrics(), headers={"Content-Type": METRICS_TYPE})


def _health(status: int, health: Health) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    if status == 503:
        headers["Retry-After"] = "1"
    return web.Response(
        status=status, body=msgspec.json.encode(health), content_type="application/json", headers=headers
    )


def _fixed(body: bytes, content_type: str) -> Answer:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type=content_type, charset="utf-8", headers=STATIC_HEADERS)

    return answer

"""The page at `/`: the files of `director/web`, served as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aiohttp import web

WEB: Final = Path(__file__).parent / "web"
_POLICY: Final = (
    "default-src 'self'",
    "connect-src *",
    "img-src 'self' data:",
    "media-src 'self' blob:",
    "style-src 'self' 'unsafe-inline'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
)
HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "; ".join(_POLICY),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_TYPES: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}


def page_routes(directory: Path = WEB) -> list[web.RouteDef]:
    """`/` and every file of the directory by its name; read once."""
    files = {path.name: path for path in sorted(directory.iterdir()) if path.suffix in _TYPES}
    routes = [_file(f"/{name}", path) for name, path in files.items()]
    if "index.html" in files:
        routes.insert(0, _file("/", files["index.html"]))
    return routes


def _file(url: str, path: Path) -> web.RouteDef:
    async def answer(_request: web.Request) -> web.FileResponse:
        headers = {**HEADERS, "Content-Type": f"{_TYPES[path.suffix]}; charset=utf-8"}
        return web.FileResponse(path, headers=headers)

    return web.get(url, answer)

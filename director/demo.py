"""`POST /demo/token`: tokens for the page of `headwater up`, without an app server.

Only offered while the development key is accepted, and that key is only accepted on loopback.
"""

from __future__ import annotations

import msgspec
from aiohttp import web

from director.director import Director
from director.messages import Body, IceServer, JoinGrants, JoinRoom, Name, SignalingUrls
from director.routing import MAX_BODY_BYTES, read_json
from sfu.cluster.grants import Grant
from sfu.config import DEV_KEY
from sfu.errors import RejectedError


class DemoTokenRequest(Body, frozen=True, kw_only=True):
    """Who wants to join what."""

    room: Name
    identity: Name
    can_publish: bool = True


class DemoToken(msgspec.Struct, frozen=True, kw_only=True):
    """What the page needs to join."""

    token: str
    urls: SignalingUrls
    ice_servers: list[IceServer]


def demo_routes(director: Director) -> list[web.RouteDef]:
    """For `app.add_routes`; empty without the development key."""
    if not (director.config.has_dev_key and director.config.on_loopback):
        return []

    async def demo_token(request: web.Request) -> web.Response:
        raw = await request.content.read(MAX_BODY_BYTES + 1)
        if len(raw) > MAX_BODY_BYTES:
            raise RejectedError(413, "Body too large", f"at most {MAX_BODY_BYTES} bytes are read")
        wish = read_json(raw, request.content_type, DemoTokenRequest)
        answer = await director.join(
            wish.room,
            JoinRoom(identity=wish.identity, grants=JoinGrants(can_publish=wish.can_publish)),
            grant=Grant(key=DEV_KEY, room_admin=True),
            address=request.remote or "",
            base_url=f"{request.scheme}://{request.host}",
        )
        body = DemoToken(token=answer.token, urls=answer.urls, ice_servers=answer.ice_servers)
        return web.Response(body=msgspec.json.encode(body), content_type="application/json")

    return [web.post("/demo/token", demo_token)]

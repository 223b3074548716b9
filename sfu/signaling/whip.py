"""The doors that take an offer: WHIP (RFC 9725) at /whip/{room}, and /talk/{room}, which is WHIP in both
directions.
"""

from typing import Final
from urllib.parse import quote

from aiohttp import web
from multidict import CIMultiDict

from sfu.cluster.grants import bearer_token
from sfu.rtc.parameters import Intent
from sfu.signaling.messages import CallDesk, JoinAnswer, JoinRequest
from sfu.signaling.session import FRAGMENT_TYPE, RestartWanted, Session
from sfu.signaling.shell import SDP_TYPE, Reply, ice_server_links, read_body, resource

ROOM: Final = "{room:[^/]+}"
"""aiohttp's own `{room}` refuses braces in the name."""

PATHS: Final[dict[Intent, str]] = {"publish": "whip", "subscribe": "whep", "talk": "talk"}


class Door:
    """One kind of endpoint and its session resources. A session's URL is its key: no token is asked for
    again.
    """

    def __init__(self, intent: Intent, desk: CallDesk) -> None:
        self.intent: Intent = intent
        self.desk = desk

    def routes(self) -> list[web.RouteDef]:
        """`POST /{door}/{room}` and `PATCH`, `DELETE /{door}/{room}/{session}`."""
        endpoint = resource({"POST": self.join, **_both(self.look)}, accept_post=SDP_TYPE)
        session = resource(
            {"PATCH": self.patch, "DELETE": self.leave, **_both(self.look_at_session)},
            accept_patch=FRAGMENT_TYPE,
        )
        base = f"/{PATHS[self.intent]}/{ROOM}"
        return [web.route("*", base, endpoint), web.route("*", base + "/{session}", session)]

    async def look(self, _request: web.Request) -> web.Response:
        """GET finds no content (RFC 9725 section 4.1), but the type by which players know a door
        (draft-ietf-wish-whep section 4.2).
        """
        return web.Response(content_type=SDP_TYPE)

    async def look_at_session(self, request: web.Request) -> web.Response:
        """GET finds no content where there is a session."""
        self.session_of(request)
        return web.Response(status=204)

    async def join(self, request: web.Request) -> web.Response:
        """Offer in, answer out (RFC 9725 section 4.2)."""
        token = bearer_token(request.headers.get("Authorization"))
        answer = await self.desk.join(
            JoinRequest(
                intent=self.intent,
                room=request.match_info["room"],
                token=token,
                offer=await read_body(request, SDP_TYPE),
                address=request.remote or "",
                publisher=request.query.get("participant", ""),
            )
        )
        return web.Response(
            status=201, body=answer.sdp.encode(), content_type=SDP_TYPE, headers=self.join_headers(answer)
        )

    def join_headers(self, answer: JoinAnswer) -> CIMultiDict[str]:
        """Where the session lives, which ICE session it is in, and which servers may help."""
        headers = CIMultiDict[str](Location=self.location(answer.session), ETag=answer.session.etag)
        headers["Accept-Patch"] = FRAGMENT_TYPE
        for link in ice_server_links(answer.ice_servers):
            headers.add("Link", link)
        return headers

    async def patch(self, request: web.Request) -> web.Response:
        """Trickle (204, without an ETag) or ICE restart (200 with our fragment and the new ETag)."""
        session = self.session_of(request)
        fragment = await read_body(request, FRAGMENT_TYPE)
        match session.patch(request.headers.get("If-Match"), fragment):
            case RestartWanted(ufrag, pwd):
                text = self.desk.restart_ice(session, ufrag, pwd)
                return web.Response(
                    body=text.encode(), content_type=FRAGMENT_TYPE, headers={"ETag": session.etag}
                )
            case _:
                return web.Response(status=204)

    async def leave(self, request: web.Request) -> web.Response:
        """Ends the Call (RFC 9725 section 4.2)."""
        await self.desk.leave(self.session_of(request))
        return web.Response(status=200)

    def session_of(self, request: web.Request) -> Session:
        """The session that the URL names; RejectedError(404)."""
        return self.desk.session(self.intent, request.match_info["room"], request.match_info["session"])

    def location(self, session: Session) -> str:
        """The session's path."""
        return f"/{PATHS[self.intent]}/{quote(session.room, safe='')}/{session.id}"


def _both(reply: Reply) -> dict[str, Reply]:
    """Wherever GET is answered, HEAD is (RFC 9110 section 9.3.2)."""
    return {"GET": reply, "HEAD": reply}

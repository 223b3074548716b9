"""The Node as its HTTP doors see it (`sfu.signaling.messages.CallDesk`)."""

from collections.abc import AsyncGenerator, Sequence

from sfu.errors import RejectedError
from sfu.media.transport import IceCredentials
from sfu.node import join, layers, news, upkeep
from sfu.node.calls import MAX_LISTENERS
from sfu.node.parts import Parts
from sfu.rtc.answer import write_restart
from sfu.rtc.parameters import Intent
from sfu.signaling.messages import EventName, JoinAnswer, JoinRequest, LayerWish, ServerEvent
from sfu.signaling.session import Session


class Desk:
    """Answers the doors out of the Node's parts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def join(self, request: JoinRequest) -> JoinAnswer:
        """The join line."""
        return await join.join(self._parts, request)

    def session(self, door: Intent, room: str, session_id: str) -> Session:
        """A live session under exactly this URL; RejectedError(404)."""
        session = self._parts.calls.in_session(session_id).session
        if (session.door, session.room) != (door, room):
            raise RejectedError(404, "No such session", "it is over, or it never was")
        return session

    def restart_ice(self, session: Session, ufrag: str, pwd: str) -> str:
        """New credentials on both sides; media goes on over the old pair until a new one is nominated."""
        call = self._parts.calls.in_session(session.id)
        fresh = self._parts.plane.fresh_credentials(call.transport)
        call.transport.set_ice(fresh, IceCredentials(ufrag, pwd))
        session.restarted(ufrag)
        call.log.info("ice_restarted", generation=session.generation)
        local = join.local_transport(self._parts, call.transport, call.participant.sid)
        return write_restart(call.m_lines, local)

    async def leave(self, session: Session) -> None:
        """Ends the Call."""
        await upkeep.leave(self._parts, self._parts.calls.in_session(session.id), "left")

    async def select_layer(self, session: Session, wish: LayerWish) -> None:
        """A LayerWish for one m-line of this viewer."""
        await layers.wish_for(self._parts, self._parts.calls.in_session(session.id), wish)

    def events(
        self, session: Session, names: Sequence[EventName]
    ) -> AsyncGenerator[ServerEvent | None, None]:
        """Server-sent events until the Call ends; RejectedError(409): it has too many listeners."""
        call = self._parts.calls.in_session(session.id)
        if len(call.listeners) >= MAX_LISTENERS:
            raise RejectedError(409, "Too many event streams", f"a session has at most {MAX_LISTENERS}")
        return news.listen(call, names)

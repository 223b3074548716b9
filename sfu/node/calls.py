"""A Call: one Participant's stay at this Node, tying Room, Transport and HTTP session together."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from sfu.cluster.grants import Grant
from sfu.errors import RejectedError
from sfu.media.plane import PlaneSubscription, PublishedTrack
from sfu.media.transport import Transport
from sfu.node.rooms import OpenRoom
from sfu.room.participant import Participant
from sfu.rtc.parameters import MediaSection
from sfu.signaling.messages import LayerWish, ServerEvent
from sfu.signaling.session import Session

LISTENER_EVENTS: Final = 64
MAX_LISTENERS: Final = 8


@dataclass(slots=True, eq=False)
class Call:
    """One stay. `sections` maps sids of Tracks and Subscriptions to their m-lines among `m_lines`."""

    participant: Participant
    room: OpenRoom
    grant: Grant
    transport: Transport
    session: Session
    m_lines: tuple[MediaSection, ...]
    asked_at_us: int
    sections: dict[str, MediaSection] = field(default_factory=dict)
    tracks: dict[str, PublishedTrack] = field(default_factory=dict)
    subscriptions: dict[str, PlaneSubscription] = field(default_factory=dict)
    wishes: dict[str, LayerWish] = field(default_factory=dict)
    listeners: set[asyncio.Queue[ServerEvent | None]] = field(default_factory=set)
    told_viewers: int = -1
    told_active: bool = False
    connected: bool = False
    log: Any = field(init=False)

    def __post_init__(self) -> None:
        self.log = structlog.get_logger("sfu.call").bind(
            call_id=self.call_id, room=self.room.name, participant=self.participant.identity
        )

    @property
    def call_id(self) -> str:
        """The id that every log line and record of this stay carries."""
        return self.participant.call_id

    def tell(self, event: ServerEvent) -> None:
        """Queues an event for all event streams; a stream that does not read loses it."""
        for listener in self.listeners:
            if not listener.full():
                listener.put_nowait(event)

    def hang_up(self) -> None:
        """Ends all event streams."""
        for listener in self.listeners:
            while listener.full():
                listener.get_nowait()
            listener.put_nowait(None)


class Calls:
    """All Calls of a Node, found by Participant, by Transport and by HTTP session; `idle` while there are
    none.
    """

    def __init__(self) -> None:
        self._by_participant: dict[str, Call] = {}
        self._by_session: dict[str, Call] = {}
        self._by_transport: dict[Transport, Call] = {}
        self.idle = asyncio.Event()
        self.idle.set()

    def __iter__(self) -> Iterator[Call]:
        return iter(list(self._by_participant.values()))

    def __len__(self) -> int:
        return len(self._by_participant)

    def add(self, call: Call) -> None:
        """From now on the Call can be found."""
        self.idle.clear()
        self._by_participant[call.participant.sid] = call
        self._by_session[call.session.id] = call
        self._by_transport[call.transport] = call

    def remove(self, call: Call) -> None:
        """The Call is over; idempotent."""
        self._by_participant.pop(call.participant.sid, None)
        self._by_session.pop(call.session.id, None)
        self._by_transport.pop(call.transport, None)
        if not self._by_participant:
            self.idle.set()

    def of(self, participant: Participant) -> Call | None:
        """The Call of this stay."""
        return self._by_participant.get(participant.sid)

    def on(self, transport: Transport) -> Call | None:
        """The Call that uses this Transport."""
        return self._by_transport.get(transport)

    def in_session(self, session_id: str) -> Call:
        """The Call behind an HTTP session; RejectedError(404)."""
        call = self._by_session.get(session_id)
        if call is None:
            raise RejectedError(404, "No such session", "it is over, or it never was")
        return call

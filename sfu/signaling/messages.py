"""What the HTTP doors and the Node tell each other: plain values, and the interface the Node has to offer."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from msgspec import Struct

from sfu.rtc.parameters import Intent
from sfu.signaling.session import Session

EventName = Literal["active", "inactive", "layers", "viewercount"]
EVENT_NAMES: tuple[EventName, ...] = ("active", "inactive", "layers", "viewercount")


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """One offer at one door. `publisher` is whom to watch ("" for the Room's first publisher)."""

    intent: Intent
    room: str
    token: str
    offer: bytes
    address: str
    publisher: str = ""


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server for the client (RFC 9725 section 4.6)."""

    url: str
    username: str = ""
    credential: str = ""


@dataclass(frozen=True, slots=True)
class JoinAnswer:
    """What the client gets: its signalling session and the SDP answer."""

    session: Session
    sdp: str
    ice_servers: tuple[IceServer, ...] = ()


class LayerWish(Struct, frozen=True, rename="camel"):
    """A viewer's wish for layers of one m-line (WHEP layer extension); what is left out is unlimited.

    `media_id` is an m-line's index or mid. `encoding_id` and `rid` both name an Encoding by its RID (drafts
    differ).
    """

    media_id: str | None = None
    encoding_id: str | None = None
    rid: str | None = None
    temporal_layer_id: int | None = None
    spatial_layer_id: int | None = None
    max_temporal_layer_id: int | None = None
    max_spatial_layer_id: int | None = None
    max_width: int | None = None
    max_height: int | None = None


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One server-sent event; `data` is a line of JSON."""

    name: EventName
    data: bytes


class CallDesk(Protocol):
    """What the doors ask of the Node. Every method may raise RejectedError or SdpError."""

    async def join(self, request: JoinRequest) -> JoinAnswer:
        """The join line: from a token and an offer to a Call and an answer."""

    def session(self, door: Intent, room: str, session_id: str) -> Session:
        """A live session of that door and Room; RejectedError(404)."""

    def restart_ice(self, session: Session, ufrag: str, pwd: str) -> str:
        """Takes new remote credentials; returns the SDP fragment with ours (RFC 9725 section 4.3.3)."""

    async def leave(self, session: Session) -> None:
        """Ends the Call."""

    async def select_layer(self, session: Session, wish: LayerWish) -> None:
        """Carries out a LayerWish; RejectedError(404): no such m-line or Encoding."""

    def events(
        self, session: Session, names: Sequence[EventName]
    ) -> AsyncGenerator[ServerEvent | None, None]:
        """What happens to what this viewer watches, from now until its session ends; None: still here."""

"""How a Director acts on a Node: orders about Rooms, Participants and draining.

Within one process the Node itself implements this; between processes something that speaks for it will.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from sfu.cluster.records import ParticipantRecord

TrackKind = Literal["audio", "video"]


@dataclass(frozen=True, slots=True)
class GrantChange:
    """New permissions of a Participant who is in the Room; None leaves a permission as it is."""

    can_publish: bool | None = None
    can_subscribe: bool | None = None
    can_publish_data: bool | None = None
    can_publish_sources: tuple[str, ...] | None = None
    hidden: bool | None = None


@dataclass(frozen=True, slots=True)
class MuteOrder:
    """Stop (or resume) forwarding a Participant's Tracks: one by `track_sid`, or all of `kind`, or all."""

    muted: bool
    track_sid: str = ""
    kind: TrackKind | None = None


class NodeControl(Protocol):
    """Orders that one Node obeys. Every method is safe to repeat.

    Methods that return bool answer False when the Participant (or Track) is not on this Node.
    """

    @property
    def node_id(self) -> str:
        """The Node's id, as in its NodeRecord."""

    async def participants(self, room: str) -> Sequence[ParticipantRecord]:
        """Who is in `room` on this Node now, in order of joining; empty when there is no such Room."""

    async def remove(self, room: str, identity: str, *, reason: str = "removed") -> bool:
        """End the Participant's Call and close its Transport."""

    async def mute(self, room: str, identity: str, order: MuteOrder) -> bool:
        """Apply a MuteOrder to Tracks published now; Tracks published later start unmuted."""

    async def change_grant(self, room: str, identity: str, change: GrantChange) -> bool:
        """Change permissions; taking can_publish or can_subscribe away stops the media at once."""

    async def close_room(self, room: str, *, reason: str = "room_closed") -> int:
        """Remove everybody from `room` on this Node and forget the Room; returns how many were removed."""

    async def drain(self, deadline_s: float) -> None:
        """Take no new Rooms or Participants; end what is left after `deadline_s`. Returns at once."""

    async def undrain(self) -> None:
        """Take new Participants again."""

"""The Node as a Director sees it (`sfu.cluster.control.NodeControl`)."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from sfu.cluster.control import GrantChange, MuteOrder
from sfu.cluster.records import ParticipantRecord
from sfu.node import effects, join, upkeep
from sfu.node.calls import Call
from sfu.node.parts import Parts
from sfu.node.reports import participant_record, record_participant
from sfu.room.events import LeaveReason
from sfu.rtc.parameters import MediaSection

REASONS: frozenset[str] = frozenset(get_args(LeaveReason))


class Control:
    """Carries out a Director's orders on the Node's parts."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._deadline: asyncio.Task[None] | None = None

    @property
    def node_id(self) -> str:
        """The Node's id, as in its NodeRecord."""
        return self.parts.node_id

    async def participants(self, room: str) -> Sequence[ParticipantRecord]:
        """Who is in `room` now, in order of joining."""
        opened = self.parts.rooms.get(room)
        members = opened.room.participants.values() if opened else ()
        calls = [self.parts.calls.of(member) for member in members]
        return [participant_record(self.parts, call) for call in calls if call]

    async def remove(self, room: str, identity: str, *, reason: str = "removed") -> bool:
        """Ends the Participant's Call."""
        call = self._find(room, identity)
        if call is None:
            return False
        await upkeep.leave(self.parts, call, _reason(reason))
        return True

    async def mute(self, room: str, identity: str, order: MuteOrder) -> bool:
        """Mutes Tracks published now."""
        call = self._find(room, identity)
        if call is None:
            return False
        tracks = [
            track
            for track in call.participant.tracks
            if order.track_sid in ("", track.sid) and order.kind in (None, track.kind)
        ]
        for track in tracks:
            events = call.room.room.mute(call.participant.sid, track, muted=order.muted)
            await effects.apply(self.parts, call.room, events)
        return bool(tracks) or not order.track_sid

    async def change_grant(self, room: str, identity: str, change: GrantChange) -> bool:
        """Changes permissions; what is taken away stops at once, what is given back comes back."""
        call = self._find(room, identity)
        if call is None:
            return False
        given = {name: getattr(change, name) for name in GrantChange.__slots__}
        call.grant = replace(
            call.grant, **{name: value for name, value in given.items() if value is not None}
        )
        room_ = call.room.room
        for track in list(call.participant.tracks):
            if not call.grant.may_publish(track.source):
                await effects.apply(self.parts, call.room, room_.unpublish(call.participant.sid, track))
        returning = [join.make_track(self.parts, call, section) for section in silenced(call)]
        await effects.apply(self.parts, call.room, room_.publish(call.participant.sid, returning))
        for subscription in call.subscriptions.values():
            await self.parts.plane.pause(subscription, paused=not call.grant.can_subscribe)
        record_participant(self.parts, call)
        return True

    async def close_room(self, room: str, *, reason: str = "room_closed") -> int:
        """Removes everybody and forgets the Room."""
        opened = self.parts.rooms.get(room)
        if opened is None:
            return 0
        self.parts.rooms.remove(opened)
        removed = len(opened.room.participants)
        await effects.apply(self.parts, opened, opened.room.close(_reason(reason)))
        return removed

    async def drain(self, deadline_s: float) -> None:
        """Takes no new Calls; ends what is left after `deadline_s`."""
        self.parts.draining = True
        if self._deadline:
            self._deadline.cancel()
        self._deadline = asyncio.get_running_loop().create_task(self._end_all(deadline_s), name="drain")

    async def undrain(self) -> None:
        """Takes new Calls again."""
        self.parts.draining = False
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None

    async def _end_all(self, deadline_s: float) -> None:
        await asyncio.sleep(deadline_s)
        for room in self.parts.rooms:
            await effects.apply(self.parts, room, room.room.close("draining"))

    def _find(self, room: str, identity: str) -> Call | None:
        opened = self.parts.rooms.get(room)
        participant = opened.room.find(identity) if opened else None
        return self.parts.calls.of(participant) if participant else None


def silenced(call: Call) -> list[MediaSection]:
    """The m-lines on which this Participant may publish (again) but has no Track."""
    published = [call.sections[track.sid] for track in call.participant.tracks]
    kinds = join.publishable_kinds(call.grant)
    return [
        section
        for section in call.m_lines
        if section.direction.receives and section.kind in kinds and section not in published
    ]


def _reason(text: str) -> LeaveReason:
    return text if text in REASONS else "removed"  # type: ignore[return-value]

"""Participants: list, change, remove."""

from __future__ import annotations

from director.director import Director
from director.messages import (
    GrantsPatch,
    JoinGrants,
    ParticipantAnswer,
    ParticipantList,
    PatchParticipant,
    TrackAnswer,
)
from director.routing import ROOM_ADMIN, ApiAnswer, ApiRequest, Terms, call
from sfu.cluster.control import GrantChange, MuteOrder, NodeControl
from sfu.cluster.records import ParticipantRecord
from sfu.errors import RejectedError


class ParticipantRoutes:
    """What can be asked about Participants."""

    def __init__(self, director: Director) -> None:
        self._director = director

    @call(Terms("GET", "/v1/rooms/{room}/participants", {200: ParticipantList}, ROOM_ADMIN, problems=(404,)))
    async def list_participants(self, request: ApiRequest) -> ApiAnswer:
        """List Participants in order of joining."""
        room = await self._director.rooms.get(request.parameters["room"])
        people = await self._director.cluster.participants(room.name)
        return ApiAnswer(200, ParticipantList(participants=[_answer(record) for record in people]))

    @call(
        Terms(
            "GET",
            "/v1/rooms/{room}/participants/{identity}",
            {200: ParticipantAnswer},
            ROOM_ADMIN,
            problems=(404,),
        )
    )
    async def get_participant(self, request: ApiRequest) -> ApiAnswer:
        """Look at a Participant."""
        return ApiAnswer(200, _answer(await self._find(request)))

    @call(
        Terms(
            "PATCH",
            "/v1/rooms/{room}/participants/{identity}",
            {200: ParticipantAnswer},
            ROOM_ADMIN,
            body=PatchParticipant,
            problems=(404, 503),
        )
    )
    async def change_participant(self, request: ApiRequest) -> ApiAnswer:
        """Mute, unmute or change grants."""
        patch: PatchParticipant = request.body
        if patch.muted is None and patch.grants is None:
            raise RejectedError(400, "Bad request", "nothing to change: give `muted` or `grants`")
        record = await self._find(request)
        control = self._director.cluster.control(record.node)
        await _apply(control, record, patch)
        for now in await control.participants(record.room):
            if now.identity == record.identity:
                return ApiAnswer(200, _answer(now))
        raise _gone(record)

    @call(
        Terms(
            "DELETE", "/v1/rooms/{room}/participants/{identity}", {204: None}, ROOM_ADMIN, problems=(404, 503)
        )
    )
    async def remove_participant(self, request: ApiRequest) -> ApiAnswer:
        """Remove a Participant."""
        record = await self._find(request)
        control = self._director.cluster.control(record.node)
        if not await control.remove(record.room, record.identity):
            raise _gone(record)
        return ApiAnswer(204)

    async def _find(self, request: ApiRequest) -> ParticipantRecord:
        return await self._director.cluster.participant(
            request.parameters["room"], request.parameters["identity"]
        )


def tracks_of(record: ParticipantRecord) -> list[TrackAnswer]:
    """A Participant's Tracks as the API shows them."""
    return [
        TrackAnswer(
            sid=track.sid,
            kind=track.kind,
            source=track.source,
            codec=track.codec,
            muted=track.muted,
            rids=list(track.rids),
        )
        for track in record.tracks
    ]


async def _apply(control: NodeControl, record: ParticipantRecord, patch: PatchParticipant) -> None:
    done = True
    if patch.grants is not None:
        done = await control.change_grant(record.room, record.identity, _change(patch.grants))
    if done and patch.muted is not None:
        order = MuteOrder(muted=patch.muted, track_sid=patch.track_sid, kind=patch.kind)
        done = await control.mute(record.room, record.identity, order)
    if not done:
        raise _gone(record)


def _change(grants: GrantsPatch) -> GrantChange:
    sources = grants.can_publish_sources
    return GrantChange(
        can_publish=grants.can_publish,
        can_subscribe=grants.can_subscribe,
        can_publish_data=grants.can_publish_data,
        can_publish_sources=None if sources is None else tuple(sources),
        hidden=grants.hidden,
    )


def _gone(record: ParticipantRecord) -> RejectedError:
    detail = f"{record.identity!r} or the Track is not in Room {record.room!r} now"
    return RejectedError(404, "No such Participant", detail)


def _answer(record: ParticipantRecord) -> ParticipantAnswer:
    return ParticipantAnswer(
        identity=record.identity,
        sid=record.sid,
        call_id=record.call_id,
        room=record.room,
        node=record.node,
        name=record.name,
        metadata=record.metadata,
        state=record.state,
        joined_at_s=record.joined_at_s,
        grants=JoinGrants(
            can_publish=record.can_publish,
            can_subscribe=record.can_subscribe,
            can_publish_data=record.can_publish_data,
            can_publish_sources=list(record.can_publish_sources),
            hidden=record.hidden,
        ),
        tracks=tracks_of(record),
    )

"""Calls: the record out, the client's own view in."""

from __future__ import annotations

from director.director import Director
from director.messages import CallAnswer, CallStats
from director.routing import SOME_PARTICIPANT, SOME_ROOM_ADMIN, ApiAnswer, ApiRequest, Terms, call
from sfu.cluster.records import CallRecord
from sfu.errors import RejectedError


class CallRoutes:
    """What can be asked about Calls."""

    def __init__(self, director: Director) -> None:
        self._director = director

    @call(
        Terms(
            "POST",
            "/v1/calls/{call_id}/stats",
            {204: None},
            SOME_PARTICIPANT,
            body=CallStats,
            for_browsers=True,
            problems=(404, 503),
        )
    )
    async def add_call_stats(self, request: ApiRequest) -> ApiAnswer:
        """Report how the Call is for the client.

        Only the Participant of the Call may report; its token says who that is.
        """
        stats: CallStats = request.body
        record = await self._director.calls.get(request.parameters["call_id"])
        grant = request.grant
        if not grant.may_join(record.room) or grant.identity != record.identity:
            raise RejectedError(403, "Not allowed", "the token is not the Participant's of this Call")
        await self._director.calls.add_stats(record.call_id, stats.values)
        return ApiAnswer(204)

    @call(Terms("GET", "/v1/calls/{call_id}", {200: CallAnswer}, SOME_ROOM_ADMIN, problems=(404,)))
    async def get_call(self, request: ApiRequest) -> ApiAnswer:
        """The record of a Call.

        The Call as it was placed, as its Node saw it, and as its client did.
        """
        record = await self._director.calls.get(request.parameters["call_id"])
        if not request.grant.may_administer(record.room):
            raise RejectedError(403, "Not allowed", "the token lacks roomAdmin of the Call's Room")
        return ApiAnswer(200, _answer(record, await self._director.calls.stats(record.call_id)))


def _answer(record: CallRecord, stats: list[dict[str, float]]) -> CallAnswer:
    return CallAnswer(
        call_id=record.call_id,
        room=record.room,
        identity=record.identity,
        node=record.node,
        state=record.state,
        placed_at_s=record.placed_at_s or None,
        joined_at_s=record.joined_at_s or None,
        ended_at_s=record.ended_at_s or None,
        end_reason=record.end_reason,
        client_stats=stats,
    )

"""Rooms: create, list, look, delete, join, tree."""

from __future__ import annotations

from urllib.parse import quote

from director.director import Director
from director.messages import (
    CreateRoom,
    JoinAnswer,
    JoinRoom,
    RoomAnswer,
    RoomList,
    Tree,
    TreeNode,
)
from director.routes.participants import tracks_of
from director.routing import (
    ROOM_ADMIN,
    ROOM_CREATE,
    ROOM_CREATE_OR_ADMIN,
    ROOM_LIST,
    ROOM_LIST_OR_ADMIN,
    ApiAnswer,
    ApiRequest,
    Terms,
    call,
)
from sfu.cluster.records import RoomRecord


class RoomRoutes:
    """What can be asked about Rooms."""

    def __init__(self, director: Director) -> None:
        self._director = director

    @call(
        Terms(
            "POST",
            "/v1/rooms",
            {201: RoomAnswer, 200: RoomAnswer},
            ROOM_CREATE,
            body=CreateRoom,
            problems=(503,),
        )
    )
    async def create_room(self, request: ApiRequest) -> ApiAnswer:
        """Create a Room, or return the one that is there."""
        wish: CreateRoom = request.body
        record, created = await self._director.rooms.create(wish, self._director.clock())
        answer = await self._describe(record)
        if not created:
            return ApiAnswer(200, answer)
        return ApiAnswer(201, answer, {"Location": f"/v1/rooms/{quote(record.name, safe='')}"})

    @call(Terms("GET", "/v1/rooms", {200: RoomList}, ROOM_LIST))
    async def list_rooms(self, request: ApiRequest) -> ApiAnswer:
        """List Rooms."""
        people, publishers = await self._director.cluster.occupancy()
        rooms = [
            _answer(record, people[record.name], publishers[record.name])
            for record in await self._director.rooms.all()
        ]
        return ApiAnswer(200, RoomList(rooms=rooms))

    @call(Terms("GET", "/v1/rooms/{room}", {200: RoomAnswer}, ROOM_LIST_OR_ADMIN, problems=(404,)))
    async def get_room(self, request: ApiRequest) -> ApiAnswer:
        """Look at a Room."""
        return ApiAnswer(
            200, await self._describe(await self._director.rooms.get(request.parameters["room"]))
        )

    @call(Terms("DELETE", "/v1/rooms/{room}", {204: None}, ROOM_ADMIN, problems=(404, 503)))
    async def delete_room(self, request: ApiRequest) -> ApiAnswer:
        """Remove everybody and delete the Room."""
        record = await self._director.rooms.get(request.parameters["room"])
        await self._director.close_room(record.name)
        return ApiAnswer(204)

    @call(
        Terms(
            "POST",
            "/v1/rooms/{room}/join",
            {200: JoinAnswer},
            ROOM_CREATE_OR_ADMIN,
            body=JoinRoom,
            problems=(409, 503),
        )
    )
    async def join_room(self, request: ApiRequest) -> ApiAnswer:
        """Place a Participant: a Node, a token, URLs and ICE servers."""
        answer = await self._director.join(
            request.parameters["room"],
            request.body,
            grant=request.grant,
            address=request.address,
            base_url=request.base_url,
        )
        return ApiAnswer(200, answer)

    @call(Terms("GET", "/v1/rooms/{room}/tree", {200: Tree}, ROOM_ADMIN, problems=(404,)))
    async def get_tree(self, request: ApiRequest) -> ApiAnswer:
        """How the Room is spread over Nodes.

        The cascade; with one Node a tree of one.
        """
        room = await self._director.rooms.get(request.parameters["room"])
        people = await self._director.cluster.participants(room.name)
        homes = sorted({record.node for record in people} | ({room.node} if room.node else set()))
        regions = {node.id: node.region for node in self._director.cluster.nodes()}
        nodes = [
            TreeNode(
                id=home,
                region=regions.get(home, ""),
                role="origin" if home == room.node else "edge",
                num_participants=sum(record.node == home for record in people),
                tracks=[track for record in people if record.node == home for track in tracks_of(record)],
            )
            for home in homes
            if home in regions
        ]
        return ApiAnswer(200, Tree(room=room.name, nodes=nodes, relays=[]))

    async def _describe(self, record: RoomRecord) -> RoomAnswer:
        people = await self._director.cluster.participants(record.name)
        return _answer(record, len(people), sum(bool(person.tracks) for person in people))


def _answer(record: RoomRecord, participants: int, publishers: int) -> RoomAnswer:
    return RoomAnswer(
        name=record.name,
        sid=record.sid,
        created_at_s=record.created_at_s,
        empty_timeout_s=record.empty_timeout_s,
        max_participants=record.max_participants,
        max_duration_s=record.max_duration_s,
        region=record.region,
        node=record.node or None,
        num_participants=participants,
        num_publishers=publishers,
    )

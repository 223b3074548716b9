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
    ApiAnswer,
    ApiRequest,
    Route,
    administers_room,
    creates_rooms,
    lists_rooms,
    places_participants,
    sees_room,
)
from sfu.cluster.records import RoomRecord


class RoomRoutes:
    """What can be asked about Rooms."""

    def __init__(self, director: Director) -> None:
        self._director = director

    async def create_room(self, request: ApiRequest) -> ApiAnswer:
        """201 when created, 200 when it was there."""
        wish: CreateRoom = request.body
        record, created = await self._director.rooms.create(wish, self._director.clock())
        answer = await self._describe(record)
        if not created:
            return ApiAnswer(200, answer)
        return ApiAnswer(201, answer, {"Location": f"/v1/rooms/{quote(record.name, safe='')}"})

    async def list_rooms(self, request: ApiRequest) -> ApiAnswer:
        """Every Room."""
        people, publishers = await self._director.cluster.occupancy()
        rooms = [
            _answer(record, people[record.name], publishers[record.name])
            for record in await self._director.rooms.all()
        ]
        return ApiAnswer(200, RoomList(rooms=rooms))

    async def get_room(self, request: ApiRequest) -> ApiAnswer:
        """One Room."""
        return ApiAnswer(
            200, await self._describe(await self._director.rooms.get(request.parameters["room"]))
        )

    async def delete_room(self, request: ApiRequest) -> ApiAnswer:
        """Everybody is removed first."""
        record = await self._director.rooms.get(request.parameters["room"])
        await self._director.close_room(record.name)
        return ApiAnswer(204)

    async def join_room(self, request: ApiRequest) -> ApiAnswer:
        """Place a Participant; creates the Room when needed."""
        answer = await self._director.join(
            request.parameters["room"],
            request.body,
            grant=request.grant,
            address=request.address,
            base_url=request.base_url,
        )
        return ApiAnswer(200, answer)

    async def get_tree(self, request: ApiRequest) -> ApiAnswer:
        """The cascade; with one Node a tree of one."""
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


def routes(director: Director) -> list[Route]:
    """The Routes of this module."""
    rooms = RoomRoutes(director)
    tag = "rooms"
    return [
        Route(
            "POST",
            "/v1/rooms",
            rooms.create_room,
            "Create a Room, or return the one that is there",
            {201: RoomAnswer, 200: RoomAnswer},
            tag,
            needs="roomCreate",
            allows=creates_rooms,
            body=CreateRoom,
            problems=(503,),
        ),
        Route(
            "GET",
            "/v1/rooms",
            rooms.list_rooms,
            "List Rooms",
            {200: RoomList},
            tag,
            needs="roomList",
            allows=lists_rooms,
        ),
        Route(
            "GET",
            "/v1/rooms/{room}",
            rooms.get_room,
            "Look at a Room",
            {200: RoomAnswer},
            tag,
            needs="roomList or roomAdmin",
            allows=sees_room,
            problems=(404,),
        ),
        Route(
            "DELETE",
            "/v1/rooms/{room}",
            rooms.delete_room,
            "Remove everybody and delete the Room",
            {204: None},
            tag,
            needs="roomAdmin",
            allows=administers_room,
            problems=(404, 503),
        ),
        Route(
            "POST",
            "/v1/rooms/{room}/join",
            rooms.join_room,
            "Place a Participant: a Node, a token, URLs and ICE servers",
            {200: JoinAnswer},
            tag,
            needs="roomCreate or roomAdmin",
            allows=places_participants,
            body=JoinRoom,
            problems=(409, 503),
        ),
        Route(
            "GET",
            "/v1/rooms/{room}/tree",
            rooms.get_tree,
            "How the Room is spread over Nodes",
            {200: Tree},
            tag,
            needs="roomAdmin",
            allows=administers_room,
            problems=(404,),
        ),
    ]


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

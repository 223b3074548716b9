"""The blocklist: identities, addresses and token ids that are refused."""

from __future__ import annotations

from typing import Final, get_args

from director.director import Director
from director.messages import Block, BlockAnswer, BlockList
from director.routing import ApiAnswer, ApiRequest, Route, administers_nodes
from sfu.cluster import records, subjects
from sfu.cluster.blocklist import parse_network
from sfu.cluster.records import BlockKind, BlockRecord
from sfu.errors import RejectedError

_KINDS: Final[tuple[BlockKind, ...]] = get_args(BlockKind)
MAX_BLOCKS: Final = 10_000


class BlocklistRoutes:
    """What can be asked about the blocklist."""

    def __init__(self, director: Director) -> None:
        self._director = director

    async def list_blocks(self, request: ApiRequest) -> ApiAnswer:
        """Every entry that has not run out."""
        now_s = self._director.clock()
        blocks = [
            BlockAnswer(kind=block.kind, value=block.value, until_s=block.until_s, reason=block.reason)
            for block in self._director.cluster.blocks()
            if not block.until_s or block.until_s > now_s
        ]
        return ApiAnswer(200, BlockList(blocks=blocks))

    async def block(self, request: ApiRequest) -> ApiAnswer:
        """Refuse from now on; a blocked identity also leaves every Room it is in."""
        wish: Block = request.body or Block()
        kind, value = _named(request)
        if len(self._director.cluster.blocks()) >= MAX_BLOCKS:
            raise RejectedError(503, "Blocklist is full", f"{MAX_BLOCKS} entries exist", 60.0)
        until_s = self._director.clock() + wish.ttl_s if wish.ttl_s else 0.0
        record = BlockRecord(kind=kind, value=value, until_s=until_s, reason=wish.reason)
        await self._director.cluster.store.put(subjects.block_key(kind, value), records.encode(record))
        if kind == "identity":
            await self._evict(value)
        return ApiAnswer(204)

    async def unblock(self, request: ApiRequest) -> ApiAnswer:
        """Absent is fine."""
        kind, value = _named(request)
        await self._director.cluster.store.delete(subjects.block_key(kind, value))
        return ApiAnswer(204)

    async def _evict(self, identity: str) -> None:
        for record in await self._director.cluster.rooms_of(identity):
            control = self._director.cluster.control(record.node)
            await control.remove(record.room, identity, reason="blocked")


def routes(director: Director) -> list[Route]:
    """The Routes of this module."""
    blocklist = BlocklistRoutes(director)
    tag = "blocklist"
    return [
        Route(
            "GET",
            "/v1/blocklist",
            blocklist.list_blocks,
            "List what is blocked",
            {200: BlockList},
            tag,
            needs="nodeAdmin",
            allows=administers_nodes,
        ),
        Route(
            "PUT",
            "/v1/blocklist/{kind}/{value}",
            blocklist.block,
            "Block an identity, an address (or address/bits) or a token id",
            {204: None},
            tag,
            needs="nodeAdmin",
            allows=administers_nodes,
            body=Block,
            body_optional=True,
            problems=(404, 503),
        ),
        Route(
            "DELETE",
            "/v1/blocklist/{kind}/{value}",
            blocklist.unblock,
            "Take an entry off the blocklist",
            {204: None},
            tag,
            needs="nodeAdmin",
            allows=administers_nodes,
            problems=(404,),
        ),
    ]


def _named(request: ApiRequest) -> tuple[BlockKind, str]:
    for kind in _KINDS:
        if kind == request.parameters["kind"]:
            value = request.parameters["value"]
            return kind, str(parse_network(value)) if kind == "address" else value
    raise RejectedError(404, "No such kind", f"a blocklist holds {', '.join(_KINDS)}")

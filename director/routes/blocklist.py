"""The blocklist: identities, addresses and token ids that are refused."""

from __future__ import annotations

from typing import Final, get_args

from director.director import Director
from director.messages import Block, BlockAnswer, BlockList
from director.routing import NODE_ADMIN, ApiAnswer, ApiRequest, Terms, call
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

    @call(Terms("GET", "/v1/blocklist", {200: BlockList}, NODE_ADMIN))
    async def list_blocks(self, request: ApiRequest) -> ApiAnswer:
        """List what is blocked.

        Every entry that has not run out.
        """
        now_s = self._director.clock()
        blocks = [
            BlockAnswer(kind=block.kind, value=block.value, until_s=block.until_s, reason=block.reason)
            for block in self._director.cluster.blocklist.all()
            if not block.until_s or block.until_s > now_s
        ]
        return ApiAnswer(200, BlockList(blocks=blocks))

    @call(
        Terms(
            "PUT",
            "/v1/blocklist/{kind}/{value}",
            {204: None},
            NODE_ADMIN,
            body=Block,
            body_optional=True,
            problems=(404, 503),
        )
    )
    async def block(self, request: ApiRequest) -> ApiAnswer:
        """Block an identity, an address (or address/bits) or a token id.

        Refuse from now on; a blocked identity also leaves every Room it is in.
        """
        wish: Block = request.body or Block()
        kind, value = _named(request)
        if len(self._director.cluster.blocklist.all()) >= MAX_BLOCKS:
            raise RejectedError(503, "Blocklist is full", f"{MAX_BLOCKS} entries exist", 60.0)
        until_s = self._director.clock() + wish.ttl_s if wish.ttl_s else 0.0
        record = BlockRecord(kind=kind, value=value, until_s=until_s, reason=wish.reason)
        await self._director.cluster.store.put(subjects.block_key(kind, value), records.encode(record))
        if kind == "identity":
            await self._evict(value)
        return ApiAnswer(204)

    @call(Terms("DELETE", "/v1/blocklist/{kind}/{value}", {204: None}, NODE_ADMIN, problems=(404,)))
    async def unblock(self, request: ApiRequest) -> ApiAnswer:
        """Take an entry off the blocklist.

        Absent is fine.
        """
        kind, value = _named(request)
        await self._director.cluster.store.delete(subjects.block_key(kind, value))
        return ApiAnswer(204)

    async def _evict(self, identity: str) -> None:
        for record in await self._director.cluster.rooms_of(identity):
            control = self._director.cluster.control(record.node)
            await control.remove(record.room, identity, reason="blocked")


def _named(request: ApiRequest) -> tuple[BlockKind, str]:
    for kind in _KINDS:
        if kind == request.parameters["kind"]:
            value = request.parameters["value"]
            return kind, str(parse_network(value)) if kind == "address" else value
    raise RejectedError(404, "No such kind", f"a blocklist holds {', '.join(_KINDS)}")

"""Who is refused everywhere: identities, addresses and token ids."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from sfu.cluster import subjects
from sfu.cluster.records import BlockRecord
from sfu.cluster.store import Store
from sfu.cluster.view import RecordView
from sfu.errors import RejectedError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Blocklist:
    """The cluster's blocklist, ready to be asked by every join."""

    def __init__(self, store: Store) -> None:
        self._view = RecordView(store, subjects.BLOCKS, BlockRecord)
        self._index = BlockIndex(())
        self._indexed = 0

    async def start(self) -> None:
        """Follow the Store; returns when the whole list is known."""
        await self._view.start()

    async def stop(self) -> None:
        """Stop following."""
        await self._view.stop()

    def all(self) -> list[BlockRecord]:
        """Every entry, also those that ran out."""
        return self._view.all()

    def check(self, *, identity: str, address: str, token_id: str, now_s: float) -> None:
        """RejectedError 403 when an entry that has not run out names one of the three."""
        if self._indexed != self._view.version:
            self._index = BlockIndex(self._view.all())
            self._indexed = self._view.version
        block = self._index.find(identity=identity, address=address, token_id=token_id, now_s=now_s)
        if block is not None:
            raise RejectedError(403, "Blocked", f"this {block.kind} is on the blocklist")


class BlockIndex:
    """Blocks by what they name; networks by length, so that an address costs one look-up per length. Pure."""

    def __init__(self, blocks: Iterable[BlockRecord]) -> None:
        self._named: dict[tuple[str, str], BlockRecord] = {}
        self._networks: dict[int, dict[Network, BlockRecord]] = {}
        for block in blocks:
            if block.kind != "address":
                self._named[block.kind, block.value] = block
            elif (network := _network(block.value)) is not None:
                self._networks.setdefault(network.prefixlen, {})[network] = block

    def find(self, *, identity: str, address: str, token_id: str, now_s: float) -> BlockRecord | None:
        """A block that names one of the three and has not run out."""
        found = [self._named.get(("identity", identity)), self._named.get(("token", token_id))]
        if self._networks:
            found += self._covering(address)
        return next(
            (block for block in found if block and (not block.until_s or block.until_s > now_s)), None
        )

    def _covering(self, address: str) -> list[BlockRecord | None]:
        host = _network(address.partition("%")[0])
        if host is None:
            return []
        return [
            blocks.get(host.supernet(new_prefix=length))
            for length, blocks in self._networks.items()
            if length <= host.prefixlen
        ]


def parse_network(value: str) -> Network:
    """An address or `address/bits`; raises RejectedError 400."""
    network = _network(value)
    if network is None:
        raise RejectedError(400, "Bad address", f"{value!r} is not an address or a network")
    return network


def _network(value: str) -> Network | None:
    try:
        return ipaddress.ip_network(value, strict=False)
    except ValueError:
        return None

"""Who is refused everywhere: identities, addresses and token ids."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from sfu.cluster.records import BlockKind, BlockRecord
from sfu.errors import RejectedError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def check_not_blocked(
    blocks: Iterable[BlockRecord], *, identity: str, address: str, token_id: str, now_s: float
) -> None:
    """Raise RejectedError 403 when a record that has not run out names one of the three."""
    values: dict[BlockKind, str] = {"identity": identity, "token": token_id}
    for block in blocks:
        if block.until_s and block.until_s <= now_s:
            continue
        if block.kind == "address":
            hit = _covers(block.value, address)
        else:
            hit = bool(block.value) and values[block.kind] == block.value
        if hit:
            raise RejectedError(403, "Blocked", f"this {block.kind} is on the blocklist")


def parse_network(value: str) -> Network:
    """An address or `address/bits`; raises RejectedError 400."""
    try:
        return ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise RejectedError(400, "Bad address", f"{value!r} is not an address or a network") from None


def _covers(value: str, address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]) in parse_network(value)
    except (ValueError, RejectedError):
        return False

"""Under which addresses a Node's media ports can be reached."""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from sfu.config import Config

LOOPBACK: Final = "127.0.0.1"
LOOPBACK_V6: Final = "::1"
ANYWHERE: Final = (("192.0.2.1", socket.AF_INET), ("2001:db8::1", socket.AF_INET6))
"""Documentation addresses (RFC 5737, RFC 3849): connecting a UDP socket sends nothing, but picks a route."""


def media_addresses(config: Config) -> tuple[str, ...]:
    """Those configured; else the default route's, after loopback if HTTP listens only there.

    Firefox never uses its loopback interface for ICE, so a page on localhost needs another address too.
    """
    if config.media_ip:
        return config.media_ip
    own = outgoing_addresses()
    return (LOOPBACK, *own) if config.on_loopback or not own else own


def media_bind_addresses(config: Config) -> tuple[str, str]:
    """Where to bind for IPv4 and for IPv6 ("" for not at all): loopback if that is all there is, else
    anywhere.
    """
    addresses = [ip_address(address) for address in media_addresses(config)]
    return (
        _bind_address([a for a in addresses if a.version == 4], LOOPBACK, "0.0.0.0") or LOOPBACK,
        _bind_address([a for a in addresses if a.version == 6], LOOPBACK_V6, "::"),
    )


def outgoing_addresses() -> tuple[str, ...]:
    """This machine's own address on its default route (IPv4)."""
    target, family = ANYWHERE[0]
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((target, 9))
        except OSError:
            return ()
        return (probe.getsockname()[0],)


def _bind_address(addresses: Sequence[IPv4Address | IPv6Address], loopback: str, anywhere: str) -> str:
    if not addresses:
        return ""
    return loopback if all(address.is_loopback for address in addresses) else anywhere

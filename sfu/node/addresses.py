"""Under which addresses a Node's media ports can be reached."""

import socket
from typing import Final

from sfu.config import Config

LOOPBACK: Final = "127.0.0.1"
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


def media_bind_address(config: Config) -> str:
    """Loopback if that is all there is, else every IPv4 address."""
    return LOOPBACK if media_addresses(config) == (LOOPBACK,) else "0.0.0.0"


def outgoing_addresses() -> tuple[str, ...]:
    """This machine's own address on its default route (IPv4)."""
    target, family = ANYWHERE[0]
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((target, 9))
        except OSError:
            return ()
        return (probe.getsockname()[0],)

"""ICE servers for clients, with TURN credentials that expire.

The credential is the one of the TURN REST API (draft-uberti-behave-turn-rest-00 section 2.2), which coturn
takes as `static-auth-secret`: user name `expiry:identity`, password base64(HMAC-SHA1(secret, user name)).
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from urllib.parse import quote

from director.messages import IceServer


def turn_credentials(secret: str, identity: str, expires_at_s: int) -> tuple[str, str]:
    """User name and password; the identity is percent-encoded, because HTTP headers carry ASCII."""
    username = f"{expires_at_s}:{quote(identity, safe='@+')}"
    digest = hmac.digest(secret.encode(), username.encode(), "sha1")
    return username, base64.b64encode(digest).decode()


def ice_servers(
    urls: Sequence[str], *, secret: str, identity: str, now_s: float, ttl_s: int
) -> list[IceServer]:
    """STUN servers as they are; all TURN servers under one credential."""
    servers = [IceServer(urls=[url]) for url in urls if url.startswith("stun")]
    turns = [url for url in urls if url.startswith("turn")]
    if turns:
        username, credential = turn_credentials(secret, identity, int(now_s) + ttl_s)
        servers.append(IceServer(urls=turns, username=username, credential=credential))
    return servers

"""How a client gets in: an offer goes out over HTTP, an answer comes back."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Protocol, Self
from urllib.parse import urljoin

import aiohttp
import jwt

from bench.load.offers import LocalDescription, OfferedTrack, write_offer

TOKEN_TTL_S: Final = 3600
CREATED: Final = 201


class DoorError(Exception):
    """The far end refused; the text has its status and reason."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The far end's description, and where to say goodbye."""

    description: str
    resource: str


class Door(Protocol):
    """A way in: WHIP and WHEP of a Node, or another server's own signalling."""

    async def publish(self, room: str, identity: str, offer: str) -> Admission: ...

    async def watch(
        self, room: str, identity: str, local: LocalDescription, kinds: Sequence[str]
    ) -> Admission: ...

    async def leave(self, admission: Admission, identity: str, room: str) -> None: ...


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key that a Node knows, with its secret."""

    name: str
    secret: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `name:secret`. ValueError: it is not that."""
        name, colon, secret = text.partition(":")
        if not (name and colon and secret):
            raise ValueError("a key is name:secret")
        return cls(name, secret)

    def token(self, room: str, identity: str) -> str:
        """A join token in the claim shape of livekit-api."""
        now = int(time.time())
        claims = {
            "iss": self.name,
            "sub": identity,
            "nbf": now - 5,
            "exp": now + TOKEN_TTL_S,
            "video": {"room": room, "roomJoin": True, "canPublish": True, "canSubscribe": True},
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", jwt.warnings.InsecureKeyLengthWarning)
            return jwt.encode(claims, self.secret, algorithm="HS256")


class HttpDoor:
    """WHIP (RFC 9725) and WHEP of a Node; one HTTP session for all clients."""

    def __init__(self, url: str, key: ApiKey) -> None:
        self._url = url.rstrip("/") + "/"
        self._key = key
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def publish(self, room: str, identity: str, offer: str) -> Admission:
        return await self._post(f"whip/{room}", room, identity, offer)

    async def watch(
        self, room: str, identity: str, local: LocalDescription, kinds: Sequence[str]
    ) -> Admission:
        offer = write_offer(local, [OfferedTrack(kind) for kind in kinds], transport_cc=False)
        return await self._post(f"whep/{room}", room, identity, offer)

    async def leave(self, admission: Admission, identity: str, room: str) -> None:
        headers = {"Authorization": f"Bearer {self._key.token(room, identity)}"}
        async with self._session.delete(admission.resource, headers=headers) as response:
            await response.read()

    async def _post(self, path: str, room: str, identity: str, offer: str) -> Admission:
        headers = {
            "Authorization": f"Bearer {self._key.token(room, identity)}",
            "Content-Type": "application/sdp",
        }
        url = urljoin(self._url, path)
        async with self._session.post(url, data=offer.encode(), headers=headers) as response:
            text = await response.text()
            if response.status != CREATED:
                raise DoorError(f"POST /{path}: {response.status} {text.strip()[:300]}")
            return Admission(text, urljoin(url, response.headers.get("Location", "")))

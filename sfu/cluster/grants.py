"""Tokens: what a signed JWT allows its holder to do.

HS256 (RFC 7518 section 3.2) over the claim shape that `livekit-api` mints, so that app servers can use tools
they have. Two additions: `video.nodeAdmin`, and a `headwater` claim that the Director puts into the tokens of
a join: the Call's id and the limits of the Room.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
import msgspec

from sfu.errors import RejectedError

ALGORITHM: Final = "HS256"
MAX_TOKEN_BYTES: Final = 8192
CLOCK_SKEW_S: Final = 60.0
"""How far `nbf` may lie ahead of our clock; `exp` is exact."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a verified token allows.

    `room` limits `room_join` and `room_admin`; a room_admin Grant without a room is good for every Room, a
    room_join Grant without a room for none. `can_publish_sources`, when not empty, overrides `can_publish`.
    Limits that are 0 do not limit. Times are Unix seconds.
    """

    identity: str = ""
    name: str = ""
    metadata: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    room: str = ""
    room_join: bool = False
    room_create: bool = False
    room_list: bool = False
    room_admin: bool = False
    node_admin: bool = False
    can_publish: bool = True
    can_subscribe: bool = True
    can_publish_data: bool = True
    can_publish_sources: tuple[str, ...] = ()
    can_update_own_metadata: bool = False
    hidden: bool = False
    recorder: bool = False
    agent: bool = False
    call_id: str = ""
    max_participants: int = 0
    max_duration_s: int = 0
    empty_timeout_s: int = 0
    key: str = ""
    token_id: str = ""
    expires_at_s: float = 0.0

    def may_join(self, room: str) -> bool:
        """True when the holder may be a Participant of `room`."""
        return self.room_join and bool(self.identity) and self.room == room

    def may_administer(self, room: str) -> bool:
        """True when the holder may see and change who is in `room`."""
        return self.room_admin and self.room in ("", room)

    def may_publish(self, source: str = "") -> bool:
        """True when the holder may publish this kind of source (any, when empty)."""
        if self.can_publish_sources:
            return not source or source in self.can_publish_sources
        return self.can_publish


class _VideoClaims(msgspec.Struct, rename="camel", omit_defaults=True):
    room: str | None = None
    room_join: bool | None = None
    room_create: bool | None = None
    room_list: bool | None = None
    room_admin: bool | None = None
    node_admin: bool | None = None
    can_publish: bool | None = None
    can_subscribe: bool | None = None
    can_publish_data: bool | None = None
    can_publish_sources: list[str] | None = None
    can_update_own_metadata: bool | None = None
    hidden: bool | None = None
    recorder: bool | None = None
    agent: bool | None = None


class _HeadwaterClaims(msgspec.Struct, rename="camel", omit_defaults=True):
    call_id: str = ""
    max_participants: int = 0
    max_duration_s: int = 0
    empty_timeout_s: int = 0


class _Claims(msgspec.Struct, omit_defaults=True):
    iss: str
    exp: float
    sub: str = ""
    nbf: float = 0.0
    jti: str = ""
    name: str | None = None
    metadata: str | None = None
    attributes: dict[str, str] | None = None
    video: _VideoClaims | None = None
    headwater: _HeadwaterClaims | None = None


def mint_token(grant: Grant, *, key: str, secret: str, now_s: float, ttl_s: float = 600.0) -> str:
    """Sign `grant` with `secret`; `key`, `token_id` and `expires_at_s` of the Grant itself are not read."""
    claims = _Claims(
        iss=key,
        sub=grant.identity,
        nbf=int(now_s),
        exp=int(now_s + ttl_s),
        name=grant.name,
        metadata=grant.metadata,
        attributes=dict(grant.attributes) or None,
        video=_video_claims(grant),
        headwater=_HeadwaterClaims(
            call_id=grant.call_id,
            max_participants=grant.max_participants,
            max_duration_s=grant.max_duration_s,
            empty_timeout_s=grant.empty_timeout_s,
        ),
    )
    return jwt.encode(msgspec.to_builtins(claims), _hmac_key(secret), algorithm=ALGORITHM)


def verify_token(token: str, keys: Mapping[str, str], now_s: float) -> Grant:
    """Check signature and times; raises RejectedError 401 that names the fault and echoes nothing secret."""
    if len(token) > MAX_TOKEN_BYTES:
        raise _unauthorized("the token is too long")
    claims = _read_claims(token, keys)
    if not (math.isfinite(claims.exp) and math.isfinite(claims.nbf)):
        raise _unauthorized("the token is malformed")
    if claims.exp <= now_s:
        raise _unauthorized("the token has expired")
    if claims.nbf > now_s + CLOCK_SKEW_S:
        raise _unauthorized("the token is not valid yet")
    return _grant_of(claims, claims.jti or token_digest(token))


def bearer_token(authorization: str | None) -> str:
    """The token of an `Authorization` header value (RFC 6750 section 2.1); RejectedError 401 without one."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _unauthorized("an Authorization header with a Bearer token is needed")
    return token.strip()


def token_digest(token: str) -> str:
    """The id of a token without `jti`: what a blocklist entry can name."""
    return hashlib.sha256(token.encode()).hexdigest()[:32]


def _read_claims(token: str, keys: Mapping[str, str]) -> _Claims:
    try:
        issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
        secret = keys.get(issuer) if isinstance(issuer, str) else None
        if secret is None:
            raise _unauthorized("the token was signed with an unknown key")
        raw: Any = jwt.decode(token, _hmac_key(secret), algorithms=[ALGORITHM], options=_OPTIONS)
        return msgspec.convert(raw, _Claims)
    except jwt.InvalidSignatureError:
        raise _unauthorized("the token's signature is wrong") from None
    except jwt.MissingRequiredClaimError as error:
        raise _unauthorized(f"the token has no {error.claim}") from None
    except (jwt.PyJWTError, msgspec.ValidationError, ValueError, RecursionError):
        raise _unauthorized("the token is malformed") from None


_OPTIONS: Final[Any] = {
    "require": ["exp", "iss"],
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_sub": False,
    "verify_jti": False,
}


def _hmac_key(secret: str) -> bytes:
    """Zero-padded as HMAC itself pads (RFC 2104 section 2), so that PyJWT takes short secrets silently."""
    return secret.encode().ljust(32, b"\0")


def _unauthorized(detail: str) -> RejectedError:
    return RejectedError(401, "Token not accepted", detail)


def _video_claims(grant: Grant) -> _VideoClaims:
    return _VideoClaims(
        room=grant.room or None,
        room_join=grant.room_join or None,
        room_create=grant.room_create or None,
        room_list=grant.room_list or None,
        room_admin=grant.room_admin or None,
        node_admin=grant.node_admin or None,
        can_publish=grant.can_publish,
        can_subscribe=grant.can_subscribe,
        can_publish_data=grant.can_publish_data,
        can_publish_sources=list(grant.can_publish_sources) or None,
        can_update_own_metadata=grant.can_update_own_metadata or None,
        hidden=grant.hidden or None,
        recorder=grant.recorder or None,
        agent=grant.agent or None,
    )


def _grant_of(claims: _Claims, token_id: str) -> Grant:
    video = claims.video or _VideoClaims()
    limits = claims.headwater or _HeadwaterClaims()
    return Grant(
        identity=claims.sub,
        name=claims.name or "",
        metadata=claims.metadata or "",
        attributes=claims.attributes or {},
        room=video.room or "",
        room_join=bool(video.room_join),
        room_create=bool(video.room_create),
        room_list=bool(video.room_list),
        room_admin=bool(video.room_admin),
        node_admin=bool(video.node_admin),
        can_publish=video.can_publish is not False,
        can_subscribe=video.can_subscribe is not False,
        can_publish_data=video.can_publish_data is not False,
        can_publish_sources=tuple(video.can_publish_sources or ()),
        can_update_own_metadata=bool(video.can_update_own_metadata),
        hidden=bool(video.hidden),
        recorder=bool(video.recorder),
        agent=bool(video.agent),
        call_id=limits.call_id,
        max_participants=limits.max_participants,
        max_duration_s=limits.max_duration_s,
        empty_timeout_s=limits.empty_timeout_s,
        key=claims.iss,
        token_id=token_id,
        expires_at_s=claims.exp,
    )

"""Typed routes: what a call takes, needs and answers, said once for dispatch, checks and OpenAPI.

Nothing here knows an HTTP library: a shell (`director.api`) turns its requests into ApiRequests.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar

import msgspec

from sfu.cluster.grants import Grant
from sfu.errors import RejectedError

JSON_TYPES: Final = ("application/json", "application/merge-patch+json")
MAX_BODY_BYTES: Final = 64 * 1024

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
BodyT = TypeVar("BodyT")


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One request after all checks of its Route: `body` is what the Route says, or None."""

    parameters: Mapping[str, str]
    grant: Grant
    address: str
    base_url: str
    body: Any = None


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """A status and what is sent with it."""

    status: int
    body: msgspec.Struct | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


Allows = Callable[[Grant, Mapping[str, str]], bool]


@dataclass(frozen=True, slots=True)
class Route:
    """One call of the API.

    `needs` names the grant in words, `allows` decides (both None: the call is open to all). `answers` maps
    each success status to the Struct that it carries. `for_browsers` adds CORS headers.
    """

    method: Method
    path: str
    action: Callable[[ApiRequest], Awaitable[ApiAnswer]]
    summary: str
    answers: Mapping[int, type[msgspec.Struct] | None]
    tag: str
    needs: str = ""
    allows: Allows | None = None
    body: type[msgspec.Struct] | None = None
    body_optional: bool = False
    for_browsers: bool = False
    problems: tuple[int, ...] = ()

    @property
    def operation(self) -> str:
        """The operationId: `join_room` for the action `join_room`."""
        return self.action.__name__


def check_allowed(route: Route, grant: Grant, parameters: Mapping[str, str]) -> None:
    """RejectedError 403 that names the missing grant."""
    if route.allows is not None and not route.allows(grant, parameters):
        raise RejectedError(403, "Not allowed", f"the token lacks {route.needs}")


def read_json(raw: bytes, content_type: str, body_type: type[BodyT]) -> BodyT:
    """The body as a Struct; RejectedError 415 or 400 that names the place.

    A number like 300.0 is an integer to JSON Schema and is taken as one.
    """
    if content_type.lower() not in JSON_TYPES:
        raise RejectedError(415, "Wrong content type", f"expected {JSON_TYPES[0]}, got {content_type}")
    try:
        return msgspec.convert(_with_integers(msgspec.json.decode(raw)), body_type)
    except msgspec.ValidationError as error:
        raise RejectedError(400, "Bad request", str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RejectedError(400, "Bad JSON", str(error)) from None


def _with_integers(value: Any) -> Any:
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {key: _with_integers(item) for key, item in value.items()}
        case list():
            return [_with_integers(item) for item in value]
    return value


def creates_rooms(grant: Grant, _parameters: Mapping[str, str]) -> bool:
    """roomCreate"""
    return grant.room_create


def lists_rooms(grant: Grant, _parameters: Mapping[str, str]) -> bool:
    """roomList"""
    return grant.room_list


def administers_room(grant: Grant, parameters: Mapping[str, str]) -> bool:
    """roomAdmin of this Room, or of all Rooms"""
    return grant.may_administer(parameters["room"])


def sees_room(grant: Grant, parameters: Mapping[str, str]) -> bool:
    """roomAdmin or roomList"""
    return grant.room_list or administers_room(grant, parameters)


def places_participants(grant: Grant, parameters: Mapping[str, str]) -> bool:
    """roomCreate, or roomAdmin"""
    return grant.room_create or administers_room(grant, parameters)


def administers_nodes(grant: Grant, _parameters: Mapping[str, str]) -> bool:
    """nodeAdmin"""
    return grant.node_admin

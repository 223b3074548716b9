"""Typed routes: what a call takes, needs and answers, said once for dispatch, checks and OpenAPI.

Nothing here knows an HTTP library: a shell (`director.api`) turns its requests into ApiRequests.
"""

from __future__ import annotations

import dataclasses
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


@dataclass(frozen=True, slots=True)
class Need:
    """A grant that a call needs: in words, and as a check of the token's Grant and the path's parameters."""

    words: str
    allows: Callable[[Grant, Mapping[str, str]], bool]


ROOM_CREATE: Final = Need("roomCreate", lambda grant, _: grant.room_create)
ROOM_LIST: Final = Need("roomList", lambda grant, _: grant.room_list or grant.may_administer(""))
ROOM_ADMIN: Final = Need("roomAdmin", lambda grant, path: grant.may_administer(path["room"]))
ROOM_LIST_OR_ADMIN: Final = Need(
    "roomList or roomAdmin", lambda grant, path: grant.room_list or grant.may_administer(path["room"])
)
ROOM_CREATE_OR_ADMIN: Final = Need(
    "roomCreate or roomAdmin", lambda grant, path: grant.room_create or grant.may_administer(path["room"])
)
SOME_ROOM_ADMIN: Final = Need("roomAdmin of the Call's Room", lambda grant, _: grant.room_admin)
SOME_PARTICIPANT: Final = Need("the Participant's own token", lambda grant, _: grant.room_join)
NODE_ADMIN: Final = Need("nodeAdmin", lambda grant, _: grant.node_admin)

Action = Callable[[ApiRequest], Awaitable[ApiAnswer]]
Answers = Mapping[int, type[msgspec.Struct] | None]


@dataclass(frozen=True, slots=True)
class Terms:
    """What a call takes, needs and answers.

    `answers` maps each success status to the Struct that it carries. `problems` are the statuses beside those
    that every call shares. `for_browsers` adds CORS headers.
    """

    method: Method
    path: str
    answers: Answers
    need: Need
    summary: str = ""
    body: type[msgspec.Struct] | None = None
    body_optional: bool = False
    for_browsers: bool = False
    problems: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """One call of the API: its Terms, what it does, and the noun it belongs to."""

    terms: Terms
    action: Action
    tag: str

    @property
    def operation(self) -> str:
        """The operationId: the name of the action."""
        return self.action.__name__


ActionT = TypeVar("ActionT", bound=Callable[..., Awaitable[ApiAnswer]])
_TERMS: Final = "__terms__"


def call(terms: Terms) -> Callable[[ActionT], ActionT]:
    """Declare a method to be the action of a call; its docstring's first line is the summary."""

    def declare(action: ActionT) -> ActionT:
        summary = (action.__doc__ or "").partition("\n")[0].rstrip(".")
        setattr(action, _TERMS, dataclasses.replace(terms, summary=summary))
        return action

    return declare


def routes_of(noun: object, tag: str) -> list[Route]:
    """All calls declared on the class of `noun`, in the order of the source."""
    return [
        Route(getattr(action, _TERMS), getattr(noun, name), tag)
        for name, action in vars(type(noun)).items()
        if hasattr(action, _TERMS)
    ]


def check_allowed(need: Need, grant: Grant, parameters: Mapping[str, str]) -> None:
    """RejectedError 403 that names the missing grant."""
    if not need.allows(grant, parameters):
        raise RejectedError(403, "Not allowed", f"the token lacks {need.words}")


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

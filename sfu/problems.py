"""Problem documents (RFC 9457) as plain values: status, headers and body, for whatever HTTP shell answers."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

import msgspec

from sfu.errors import RejectedError

MEDIA_TYPE: Final = "application/problem+json"

DEFAULT_RETRY_AFTER_S: Final = 1.0

_STATUS_NEEDS_RETRY_AFTER: Final = frozenset({429, 503})


MEANINGS: Final = {
    "Bad JSON": "The body is not JSON.",
    "Bad address": "The value is neither an address nor a network.",
    "Bad request": "The request is understood but a value is not: `detail` names the place.",
    "Blocked": "An operator blocked this identity, address or token.",
    "Blocklist is full": "Remove entries first.",
    "Body too large": "Send less.",
    "Body too slow": "The body did not arrive in time.",
    "Call is busy": "Another writer was faster many times: try again.",
    "Fragment without ice-pwd": "An ICE restart needs a new ufrag and a new password.",
    "ICE session is over": "The ETag is of an earlier ICE session: use the latest.",
    "If-Match is required": "Send the ETag of the ICE session, or `*` to restart ICE.",
    "Internal error": "A fault of the server; it is in its log.",
    "JSON not accepted": "The body is not the JSON that this URL takes: `detail` names the place.",
    "Method not allowed": "`Allow` lists the methods of this URL.",
    "No Node available": "All Nodes are full, draining or away: try again after `Retry-After`.",
    "No such Call": "The Call was never placed, or ended long ago.",
    "No such Node": "No live Node has this id.",
    "No such Participant": "The identity (or its Track) is not in the Room now.",
    "No such Room": "The Room was never created, or ended.",
    "No such encoding": "The Track has no Encoding of this name.",
    "No such event stream": "The stream was never opened, or is closed.",
    "No such kind": "A blocklist holds identities, addresses and tokens.",
    "No such m-line": "The session has no m-line of this index or mid.",
    "No such session": "The session is over, or never was at this URL.",
    "Node cannot be reached": "The Node is alive but does not take orders now: try again.",
    "Node is at capacity": "The Room's Node has no head-room: try again after `Retry-After`.",
    "Node is draining": "Join again: another Node will be chosen.",
    "Node is full": "The Node has no place left: try again after `Retry-After`.",
    "Not allowed": "The token is good but does not grant this: `detail` names what is missing.",
    "Not found": "There is nothing at this URL.",
    "Room has closed": "The Room was closed while you joined: join again.",
    "Room is busy": "Another writer was faster many times: try again.",
    "Room is full": "`max_participants` are in the Room: try again after `Retry-After`.",
    "Room is gone": "The Room was deleted while this call ran.",
    "SDP not accepted": "`detail` names the line, or what could not be agreed on.",
    "Store unavailable": "The cluster's state cannot be reached: try again after `Retry-After`.",
    "Token not accepted": "Missing, malformed, expired, not valid yet, or not signed with a known key.",
    "Too many Rooms": "`max_rooms` exist: try again after `Retry-After`.",
    "Too many event streams": "Close one first.",
    "Too many requests": "A rate limit: try again after `Retry-After`.",
    "Wrong content type": "`detail` names the one that is needed.",
}
"""What the titles of problem documents mean; `type` links here."""


class ProblemDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body (RFC 9457 section 3.1). `type` is a relative reference that the docs page resolves."""

    type: str
    title: str
    status: int
    detail: str = ""
    instance: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """An answer ready to be sent."""

    status: int
    headers: dict[str, str]
    body: bytes


def problem_type(title: str) -> str:
    """`Room is full` -> `/docs/problems#room-is-full`."""
    return "/docs/problems#" + re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def problem_of(error: RejectedError, *, instance: str = "") -> Problem:
    """Turn a rejection into its answer.

    401 carries the Bearer challenge of RFC 6750 section 3; 429 and 503 always carry `Retry-After`.
    """
    document = ProblemDocument(
        type=problem_type(error.title),
        title=error.title,
        status=error.code,
        detail=error.detail,
        instance=instance,
    )
    return Problem(error.code, _headers(error), msgspec.json.encode(document))


def _headers(error: RejectedError) -> dict[str, str]:
    headers = {"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store"}
    retry_after_s = error.retry_after_s
    if retry_after_s is None and error.code in _STATUS_NEEDS_RETRY_AFTER:
        retry_after_s = DEFAULT_RETRY_AFTER_S
    if retry_after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(retry_after_s)))
    if error.code == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="headwater"'
    if error.allow:
        headers["Allow"] = ", ".join(error.allow)
    return headers

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

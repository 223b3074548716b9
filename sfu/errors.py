"""Errors that say whose fault it was and what to tell the far end.

On the packet path nothing raises: a refused datagram is a named Drop with a counter.
"""

from __future__ import annotations


class HeadwaterError(Exception):
    """The root of everything Headwater raises on purpose."""


class LocalProtocolError(HeadwaterError):
    """We called our own code wrongly: a bug here, never a far end's fault."""


class RemoteProtocolError(HeadwaterError):
    """A far end broke a protocol: its Transport is closed, nothing else is touched."""


class RejectedError(HeadwaterError):
    """Policy or bad input: the request is answered with an HTTP status and a problem document (RFC 9457).

    `code` is the HTTP status, `title` a short phrase that is the same for every occurrence, `detail` names
    this one. `retry_after_s` becomes `Retry-After` (RFC 9110 section 10.2.3), `allow` the `Allow` of a 405.
    """

    def __init__(
        self,
        code: int,
        title: str,
        detail: str = "",
        retry_after_s: float | None = None,
        *,
        allow: tuple[str, ...] = (),
    ) -> None:
        super().__init__(f"{code} {title}: {detail}" if detail else f"{code} {title}")
        self.code = code
        self.title = title
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.allow = allow

"""SDP (RFC 8866) of WebRTC offers and answers: text to frozen values and back.

What is not understood is kept (`lines`, `other`) and otherwise ignored; what is broken raises `SdpError`, and
nothing else does, whatever the text. `parse(str(description)) == description` for every parsed description.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from sfu.errors import RemoteProtocolError
from sfu.rtc.attributes import (
    ATTRIBUTES,
    Attribute,
    ExtMap,
    FeedbackLine,
    Fingerprint,
    Fmtp,
    Group,
    Msid,
    Rid,
    RtpMap,
    Simulcast,
    SsrcAttribute,
    SsrcGroup,
    read_number,
    read_payload_type,
)
from sfu.rtc.parameters import Candidate, Direction

MAX_BYTES: Final = 64 * 1024
MAX_LINE_CHARS: Final = 8 * 1024
MAX_SECTIONS: Final = 64
MAX_LINES_PER_SECTION: Final = 1024
MAX_FORMATS: Final = 128
BLANKS: Final = " \t\r"

RTP_PROTOCOLS: Final = frozenset(
    {"UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVPF", "RTP/SAVP", "RTP/AVPF"}
)
"""Transports of m-lines whose formats are RTP payload types; Firefox and others differ in what they write."""


class SdpError(RemoteProtocolError):
    """Text that is not SDP: line number (from 1; 0: the text as a whole), the line, what is wrong with it."""

    def __init__(self, line_number: int, line: str, reason: str) -> None:
        where = f"line {line_number} ({line[:120]!r}): " if line_number else ""
        super().__init__(f"{where}{reason}")
        self.line_number = line_number
        self.line = line
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What a session and an m-line may both state. A field is None, empty or False if it was not stated."""

    lines: tuple[tuple[str, str], ...] = ()
    """(type letter, value) of the lines that are no attributes, without `v=` and `m=`."""
    ice_ufrag: str | None = None
    ice_pwd: str | None = None
    ice_options: tuple[str, ...] = ()
    fingerprints: tuple[Fingerprint, ...] = ()
    setup: str | None = None
    extmaps: tuple[ExtMap, ...] = ()
    extmap_allow_mixed: bool = False
    direction: Direction | None = None
    candidates: tuple[Candidate, ...] = ()
    end_of_candidates: bool = False
    other: tuple[tuple[str, str | None], ...] = ()
    """(name, value) of the attributes that have no meaning here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaDescription(Section):
    """One m-line with its attributes. `formats` are verbatim; of RTP protocols each is a payload type."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    mid: str | None = None
    bundle_only: bool = False
    msids: tuple[Msid, ...] = ()
    rtcp_mux: bool = False
    rtcp_rsize: bool = False
    rtpmaps: tuple[RtpMap, ...] = ()
    feedback: tuple[FeedbackLine, ...] = ()
    fmtps: tuple[Fmtp, ...] = ()
    rids: tuple[Rid, ...] = ()
    simulcast: Simulcast | None = None
    ssrc_groups: tuple[SsrcGroup, ...] = ()
    ssrcs: tuple[SsrcAttribute, ...] = ()

    @property
    def is_rtp(self) -> bool:
        return self.protocol in RTP_PROTOCOLS

    def __str__(self) -> str:
        head = f"m={self.kind} {self.port} {self.protocol} {' '.join(self.formats)}\r\n"
        return head + _write_section(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDescription(Section):
    """A whole offer or answer."""

    groups: tuple[Group, ...] = ()
    ice_lite: bool = False
    media: tuple[MediaDescription, ...] = ()

    def __str__(self) -> str:
        return "v=0\r\n" + self.fragment()

    def fragment(self) -> str:
        """The same without the version line: the form of `application/trickle-ice-sdpfrag` (RFC 8840)."""
        return _write_section(self) + "".join(map(str, self.media))


def parse(text: str | bytes) -> SessionDescription:
    """A session description. SdpError: broken, or larger than the bounds above."""
    lines = _split(text)
    _check_head(lines)
    return _read_session(lines[1:])


def parse_fragment(text: str | bytes) -> SessionDescription:
    """A trickle ICE fragment (RFC 8840 section 9): attributes and pseudo m-lines. SdpError as `parse`."""
    return _read_session(_split(text))


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    text: str

    @property
    def type(self) -> str:
        return self.text[0]

    @property
    def value(self) -> str:
        return self.text[2:]

    def error(self, reason: object) -> SdpError:
        return SdpError(self.number, self.text, str(reason))


def _split(text: str | bytes) -> list[_Line]:
    """Lines end in CRLF or LF; blanks at their ends and empty lines at the end do not count."""
    try:
        data = text.encode() if isinstance(text, str) else text
        decoded = data.decode()
    except UnicodeError:
        raise SdpError(0, "", "the text is not UTF-8") from None
    if len(data) > MAX_BYTES:
        raise SdpError(0, "", f"the text is longer than {MAX_BYTES} bytes")
    texts = decoded.rstrip(BLANKS + "\n").split("\n")
    return [_check(_Line(number, line.rstrip(BLANKS))) for number, line in enumerate(texts, 1) if decoded]


def _check_head(lines: list[_Line]) -> None:
    """RFC 8866 section 9: v=, o= and s= come first, and t= before the m-lines."""
    for place, start in enumerate(("v=0", "o=", "s=")):
        line = lines[place] if place < len(lines) else _Line(place + 1, "")
        if line.text != start and not (place and line.text.startswith(start)):
            raise line.error(f"a session description has {start} here")
    end = _Line(len(lines) + 1, "")
    head_end = next((line for line in lines if line.type == "m"), end)
    if not any(line.type == "t" for line in lines[: head_end.number - 1]):
        raise head_end.error("a session description has t= before this")


def _check(line: _Line) -> _Line:
    if len(line.text) > MAX_LINE_CHARS:
        raise line.error(f"the line is longer than {MAX_LINE_CHARS} characters")
    if len(line.text) < 2 or not ("a" <= line.text[0] <= "z") or line.text[1] != "=":
        raise line.error("a line is <letter>=<value>")
    if any(char < " " and char != "\t" for char in line.text):
        raise line.error("control character")
    return line


def _read_session(lines: list[_Line]) -> SessionDescription:
    starts = [index for index, line in enumerate(lines) if line.type == "m"]
    if len(starts) > MAX_SECTIONS:
        raise lines[starts[MAX_SECTIONS]].error(f"more than {MAX_SECTIONS} m-lines")
    bounds = [*starts, len(lines)]
    fields = _read_section(lines[: bounds[0]], SESSION_ATTRIBUTES)
    media = [_read_media(lines[start:end]) for start, end in pairwise(bounds)]
    _check_unique_mids(media, [lines[start] for start in starts])
    return SessionDescription(**fields, media=tuple(media))


def _read_media(lines: list[_Line]) -> MediaDescription:
    words = lines[0].value.split(" ")
    if len(words) < 4 or "" in words:
        raise lines[0].error("expected <media> <port> <protocol> <format>..")
    kind, port, protocol, *formats = words
    if len(formats) > MAX_FORMATS:
        raise lines[0].error(f"more than {MAX_FORMATS} formats")
    try:
        number = read_number(port.partition("/")[0], 0, 65535, "port")
        payload_types = {read_payload_type(item) for item in formats} if protocol in RTP_PROTOCOLS else None
    except ValueError as error:
        raise lines[0].error(error) from None
    if payload_types is not None and len(payload_types) != len(formats):
        raise lines[0].error("a payload type is listed twice")
    fields = _read_section(lines[1:], MEDIA_ATTRIBUTES)
    return MediaDescription(kind=kind, port=number, protocol=protocol, formats=tuple(formats), **fields)


def _read_section(lines: list[_Line], known: dict[str, Attribute]) -> dict[str, Any]:
    """The fields of a description; attributes that are not `known` at this level go to `other`."""
    if len(lines) > MAX_LINES_PER_SECTION:
        raise lines[MAX_LINES_PER_SECTION].error(f"more than {MAX_LINES_PER_SECTION} lines in one section")
    single: dict[str, Any] = {}
    many: dict[str, list[Any]] = {}
    for line in lines:
        if line.type != "a":
            many.setdefault("lines", []).append((line.type, line.value))
            continue
        name, colon, value = line.value.partition(":")
        attribute = known.get(name)
        if attribute is None:
            many.setdefault("other", []).append((name, value if colon else None))
            continue
        read = _read_attribute(attribute, line)
        if attribute.many:
            many.setdefault(attribute.field, []).append(read)
        elif single.setdefault(attribute.field, read) != read:
            raise line.error(f"a second, different a={name}")
    return single | {field: tuple(values) for field, values in many.items()}


def _read_attribute(attribute: Attribute, line: _Line) -> Any:
    name, _, value = line.value.partition(":")
    if attribute.read is None:
        return True
    try:
        return attribute.read(name if attribute is DIRECTION else value.strip(" "))
    except ValueError as error:
        raise line.error(error) from None


def _check_unique_mids(media: list[MediaDescription], heads: list[_Line]) -> None:
    seen: set[str] = set()
    for section, head in zip(media, heads, strict=True):
        if section.mid in seen:
            raise head.error(f"mid {section.mid!r} is used by two m-lines")
        if section.mid is not None:
            seen.add(section.mid)


def _write_section(section: Section) -> str:
    lines = [f"{letter}={value}" for letter, value in section.lines]
    for attribute in ATTRIBUTES:
        if values := getattr(section, attribute.field, None):
            lines += _write_attribute(attribute, values if attribute.many else (values,))
    lines += [f"a={name}" if value is None else f"a={name}:{value}" for name, value in section.other]
    return "".join(f"{line}\r\n" for line in lines)


def _write_attribute(attribute: Attribute, values: tuple[Any, ...]) -> Iterator[str]:
    for value in values:
        if attribute.read is None:
            yield f"a={attribute.name}"
        elif attribute is DIRECTION:
            yield f"a={value}"
        else:
            yield f"a={attribute.name}:{attribute.write(value)}"


def _readable_by(description: type[Section]) -> dict[str, Attribute]:
    """Attribute name -> Attribute for those with a field in `description`."""
    fields = description.__dataclass_fields__
    known = {attribute.name: attribute for attribute in ATTRIBUTES if attribute.field in fields}
    del known[DIRECTION.name]
    return known | {direction.value: DIRECTION for direction in Direction}


DIRECTION: Final = next(attribute for attribute in ATTRIBUTES if attribute.field == "direction")
"""The one attribute whose name is its value."""

SESSION_ATTRIBUTES: Final = _readable_by(SessionDescription)
MEDIA_ATTRIBUTES: Final = _readable_by(MediaDescription)

"""Values of SDP attributes (RFC 8866 section 6 and the RFCs named below) and how each is read and written.

Every `read_*` takes what follows the colon and raises ValueError with a reason for a person. `ATTRIBUTES` is
the one list of the attributes that have a meaning here; its order is the order in which they are written.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sfu.rtc.parameters import Candidate, Direction, RtcpFeedback

MAX_RID_CHARS: Final = 16
"""What one element of a one-byte header extension carries (RFC 8285 section 4.2)."""

MAX_MID_CHARS: Final = 64
"""Longer than `MAX_RID_CHARS`, a mid cannot be in a header extension; in SDP it is as good as any."""

MAX_PAYLOAD_TYPE: Final = 127
MAX_EXTENSION_ID: Final = 4351
"""255 on the wire; up to 4351 only inside an offer that has more extensions than ids (RFC 8285 section 7)."""

TOKEN: Final = re.compile(r"[!#$%&'*+.0-9A-Z^_`a-z{|}~-]+")
ICE_CHARS: Final = re.compile(r"[A-Za-z0-9+/]+")
HEX_PAIRS: Final = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2})*")
RID: Final = re.compile(r"[A-Za-z0-9_-]+")
HASH_BYTES: Final = {"sha-1": 20, "sha-224": 28, "sha-256": 32, "sha-384": 48, "sha-512": 64}
SETUPS: Final = ("active", "passive", "actpass", "holdconn")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`a=fingerprint` (RFC 8122 section 5): hash name in lower case, value in upper-case hex pairs."""

    algorithm: str
    value: str

    def __str__(self) -> str:
        return f"{self.algorithm} {self.value}"


@dataclass(frozen=True, slots=True)
class Group:
    """`a=group` (RFC 5888, RFC 9143): semantics and mids."""

    semantics: str
    mids: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join((self.semantics, *self.mids))


@dataclass(frozen=True, slots=True)
class RtpMap:
    """`a=rtpmap` (RFC 8866 section 6.6)."""

    payload_type: int
    name: str
    clock_rate: int
    channels: int = 1

    def __str__(self) -> str:
        channels = f"/{self.channels}" if self.channels != 1 else ""
        return f"{self.payload_type} {self.name}/{self.clock_rate}{channels}"


@dataclass(frozen=True, slots=True)
class Fmtp:
    """`a=fmtp` (RFC 8866 section 6.15); `text` is kept as it came."""

    payload_type: int
    text: str

    def __str__(self) -> str:
        return f"{self.payload_type} {self.text}"


@dataclass(frozen=True, slots=True)
class FeedbackLine:
    """`a=rtcp-fb` (RFC 4585 section 4.2); payload type None is `*`: every one of the m-line."""

    payload_type: int | None
    feedback: RtcpFeedback

    def __str__(self) -> str:
        return f"{'*' if self.payload_type is None else self.payload_type} {self.feedback}"


@dataclass(frozen=True, slots=True)
class ExtMap:
    """`a=extmap` (RFC 8285 section 5); `direction` as the writer of the line sees it, None if not stated."""

    id: int
    uri: str
    direction: Direction | None = None
    attributes: str = ""

    def __str__(self) -> str:
        direction = f"/{self.direction}" if self.direction else ""
        attributes = f" {self.attributes}" if self.attributes else ""
        return f"{self.id}{direction} {self.uri}{attributes}"


@dataclass(frozen=True, slots=True)
class Rid:
    """`a=rid` (RFC 8851 section 10): `restrictions` in order, `pt` among them, value None without `=`."""

    rid: str
    sends: bool
    restrictions: tuple[tuple[str, str | None], ...] = ()

    def __str__(self) -> str:
        restrictions = ";".join(
            key if value is None else f"{key}={value}" for key, value in self.restrictions
        )
        text = f"{self.rid} {'send' if self.sends else 'recv'}"
        return f"{text} {restrictions}" if restrictions else text


@dataclass(frozen=True, slots=True)
class SimulcastRid:
    """One RID in `a=simulcast`; `paused` is its `~`."""

    rid: str
    paused: bool = False

    def __str__(self) -> str:
        return f"~{self.rid}" if self.paused else self.rid


SimulcastStreams = tuple[tuple[SimulcastRid, ...], ...]
"""Streams in order of preference, each a tuple of alternatives."""


@dataclass(frozen=True, slots=True)
class Simulcast:
    """`a=simulcast` (RFC 8853 section 5.1); empty means that the direction is not stated."""

    send: SimulcastStreams = ()
    recv: SimulcastStreams = ()

    def __str__(self) -> str:
        directions = (("send", self.send), ("recv", self.recv))
        return " ".join(f"{name} {_write_streams(streams)}" for name, streams in directions if streams)


@dataclass(frozen=True, slots=True)
class SsrcAttribute:
    """`a=ssrc` (RFC 5576 section 4.1): one attribute of one source."""

    ssrc: int
    name: str
    value: str | None = None

    def __str__(self) -> str:
        return f"{self.ssrc} {self.name}" if self.value is None else f"{self.ssrc} {self.name}:{self.value}"


@dataclass(frozen=True, slots=True)
class SsrcGroup:
    """`a=ssrc-group` (RFC 5576 section 4.2): FID (source, its RTX), SIM (lowest to highest), .."""

    semantics: str
    ssrcs: tuple[int, ...]

    def __str__(self) -> str:
        return " ".join((self.semantics, *map(str, self.ssrcs)))


@dataclass(frozen=True, slots=True)
class Msid:
    """`a=msid` (RFC 8830 section 2); track "" if only a stream is named."""

    stream: str
    track: str = ""

    def __str__(self) -> str:
        return f"{self.stream} {self.track}" if self.track else self.stream


def read_number(text: str, low: int, high: int, noun: str) -> int:
    """A decimal number without sign. ValueError: not one, or outside `low`..`high`."""
    if not (text.isascii() and text.isdigit() and len(text) <= 20 and low <= int(text) <= high):
        raise ValueError(f"{noun} {text!r} is not a number from {low} to {high}")
    return int(text)


def read_id(text: str) -> str:
    """A mid. ValueError: not a token, or too long."""
    return _matching(TOKEN, text, "id", 1, MAX_MID_CHARS)


def read_ice_ufrag(text: str) -> str:
    return _matching(ICE_CHARS, text, "ice-ufrag", 4, 256)


def read_ice_pwd(text: str) -> str:
    return _matching(ICE_CHARS, text, "ice-pwd", 22, 256)


def read_ice_options(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def read_setup(text: str) -> str:
    if text not in SETUPS:
        raise ValueError(f"setup {text!r} is none of {', '.join(SETUPS)}")
    return text


def read_direction(text: str) -> Direction:
    try:
        return Direction(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a direction") from None


def read_fingerprint(text: str) -> Fingerprint:
    algorithm, value = _words(text, 2, 2, "<hash> <fingerprint>")
    if HEX_PAIRS.fullmatch(value) is None:
        raise ValueError("a fingerprint is hex pairs with colons between them")
    expected = HASH_BYTES.get(algorithm.lower())
    if expected is not None and len(value) != 3 * expected - 1:
        raise ValueError(f"a {algorithm} fingerprint has {expected} bytes")
    return Fingerprint(algorithm.lower(), value.upper())


def read_group(text: str) -> Group:
    semantics, *mids = _words(text, 1, 65, "<semantics> <mid>..")
    return Group(semantics, tuple(read_id(mid) for mid in mids))


def read_rtpmap(text: str) -> RtpMap:
    payload_type, encoding = _words(text, 2, 2, "<payload type> <name>/<clock rate>")
    name, *numbers = encoding.split("/")
    if not 1 <= len(numbers) <= 2:
        raise ValueError("an encoding is <name>/<clock rate>[/<channels>]")
    return RtpMap(
        read_payload_type(payload_type),
        _matching(TOKEN, name, "encoding name", 1, 64),
        read_number(numbers[0], 1, 2**31, "clock rate"),
        read_number(numbers[1], 1, 255, "channel count") if len(numbers) == 2 else 1,
    )


def read_payload_type(text: str) -> int:
    return read_number(text, 0, MAX_PAYLOAD_TYPE, "payload type")


def read_fmtp(text: str) -> Fmtp:
    payload_type, _, parameters = text.partition(" ")
    if not parameters.strip():
        raise ValueError("expected <payload type> <parameters>")
    return Fmtp(read_payload_type(payload_type), parameters)


def read_rtcp_fb(text: str) -> FeedbackLine:
    payload_type, type_, *parameter = _words(text, 2, 16, "<payload type> <feedback>")
    number = None if payload_type == "*" else read_payload_type(payload_type)
    return FeedbackLine(number, RtcpFeedback(type_, " ".join(parameter)))


def read_extmap(text: str) -> ExtMap:
    number, uri, *attributes = _words(text, 2, 64, "<id>[/<direction>] <uri>")
    id_, slash, direction = number.partition("/")
    return ExtMap(
        read_number(id_, 1, MAX_EXTENSION_ID, "extension id"),
        uri,
        read_direction(direction) if slash else None,
        " ".join(attributes),
    )


def read_rid(text: str) -> Rid:
    rid, direction, *rest = _words(text, 2, 3, "<rid> send|recv [<restrictions>]")
    if direction not in ("send", "recv"):
        raise ValueError(f"direction {direction!r} of a rid is neither send nor recv")
    items = [item for item in rest[0].split(";") if item] if rest else []
    pairs = (item.partition("=") for item in items)
    restrictions = tuple((key, value if equals else None) for key, equals, value in pairs)
    return Rid(_read_rid_id(rid), direction == "send", restrictions)


def read_simulcast(text: str) -> Simulcast:
    words = _words(text, 2, 4, "send|recv <streams>")
    directions = dict(zip(words[::2], words[1::2], strict=False))
    if len(words) % 2 or len(directions) != len(words) // 2 or not directions.keys() <= {"send", "recv"}:
        raise ValueError("expected send and recv at most once, each with its streams")
    return Simulcast(
        _read_streams(directions["send"]) if "send" in directions else (),
        _read_streams(directions["recv"]) if "recv" in directions else (),
    )


def read_ssrc(text: str) -> SsrcAttribute:
    ssrc, _, attribute = text.partition(" ")
    name, colon, value = attribute.strip().partition(":")
    return SsrcAttribute(
        read_number(ssrc, 0, 2**32 - 1, "SSRC"),
        _matching(TOKEN, name, "attribute of a source", 1, 64),
        value if colon else None,
    )


def read_ssrc_group(text: str) -> SsrcGroup:
    semantics, *ssrcs = _words(text, 2, 33, "<semantics> <ssrc>..")
    return SsrcGroup(semantics, tuple(read_number(ssrc, 0, 2**32 - 1, "SSRC") for ssrc in ssrcs))


def read_msid(text: str) -> Msid:
    stream, *track = _words(text, 1, 2, "<stream> [<track>]")
    return Msid(stream, track[0] if track else "")


def read_candidate(text: str) -> Candidate:
    """RFC 8839 section 5.1; extensions (raddr, rport, tcptype, ..) are kept in order."""
    words = _words(text, 8, 64, "<foundation> <component> <transport> <priority> <address> <port> typ <type>")
    foundation, component, transport, priority, host, port, typ, type_, *rest = words
    if typ != "typ":
        raise ValueError(f"expected 'typ' instead of {typ!r}")
    if len(rest) % 2:
        raise ValueError("an extension of a candidate has no value")
    return Candidate(
        host=host,
        port=read_number(port, 0, 65535, "port"),
        priority=read_number(priority, 0, 2**32 - 1, "priority"),
        foundation=foundation,
        component=read_number(component, 1, 256, "component"),
        transport=transport,
        type=type_,
        extensions=tuple(zip(rest[::2], rest[1::2], strict=True)),
    )


def write_candidate(candidate: Candidate) -> str:
    """What follows `candidate:`."""
    fixed = (
        f"{candidate.foundation} {candidate.component} {candidate.transport} {candidate.priority} "
        f"{candidate.host} {candidate.port} typ {candidate.type}"
    )
    return "".join((fixed, *(f" {name} {value}" for name, value in candidate.extensions)))


def _read_rid_id(text: str) -> str:
    return _matching(RID, text, "rid", 1, MAX_RID_CHARS)


def _read_streams(text: str) -> SimulcastStreams:
    return tuple(
        tuple(
            SimulcastRid(_read_rid_id(alternative.removeprefix("~")), alternative.startswith("~"))
            for alternative in stream.split(",")
        )
        for stream in text.split(";")
    )


def _write_streams(streams: SimulcastStreams) -> str:
    return ";".join(",".join(map(str, alternatives)) for alternatives in streams)


def _matching(pattern: re.Pattern[str], text: str, noun: str, shortest: int, longest: int) -> str:
    if not shortest <= len(text) <= longest or pattern.fullmatch(text) is None:
        raise ValueError(f"{noun} {text[:64]!r} is not {shortest} to {longest} of the allowed characters")
    return text


def _words(text: str, fewest: int, most: int, form: str) -> list[str]:
    words = text.split(" ")
    words = [word for word in words if word]
    if not fewest <= len(words) <= most:
        raise ValueError(f"expected {form}")
    return words


@dataclass(frozen=True, slots=True)
class Attribute:
    """How the attribute `name` becomes `field` of a description.

    `many`: the field is a tuple with one value per line. `read` None: a property attribute (no value), the
    field is a bool.
    """

    name: str
    field: str
    read: Callable[[str], Any] | None = None
    write: Callable[[Any], str] = str
    many: bool = False


ATTRIBUTES: Final = (
    Attribute("group", "groups", read_group, many=True),
    Attribute("ice-lite", "ice_lite"),
    Attribute("ice-ufrag", "ice_ufrag", read_ice_ufrag),
    Attribute("ice-pwd", "ice_pwd", read_ice_pwd),
    Attribute("ice-options", "ice_options", read_ice_options, " ".join),
    Attribute("fingerprint", "fingerprints", read_fingerprint, many=True),
    Attribute("setup", "setup", read_setup),
    Attribute("bundle-only", "bundle_only"),
    Attribute("mid", "mid", read_id),
    Attribute("extmap-allow-mixed", "extmap_allow_mixed"),
    Attribute("extmap", "extmaps", read_extmap, many=True),
    Attribute("direction", "direction", read_direction),
    Attribute("msid", "msids", read_msid, many=True),
    Attribute("rtcp-mux", "rtcp_mux"),
    Attribute("rtcp-rsize", "rtcp_rsize"),
    Attribute("rtpmap", "rtpmaps", read_rtpmap, many=True),
    Attribute("rtcp-fb", "feedback", read_rtcp_fb, many=True),
    Attribute("fmtp", "fmtps", read_fmtp, many=True),
    Attribute("rid", "rids", read_rid, many=True),
    Attribute("simulcast", "simulcast", read_simulcast),
    Attribute("ssrc-group", "ssrc_groups", read_ssrc_group, many=True),
    Attribute("ssrc", "ssrcs", read_ssrc, many=True),
    Attribute("candidate", "candidates", read_candidate, write_candidate, many=True),
    Attribute("end-of-candidates", "end_of_candidates"),
)

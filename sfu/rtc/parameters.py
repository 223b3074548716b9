"""What a negotiation agrees on, in W3C WebRTC's nouns: plain values without behaviour towards the wire."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from sfu._fastpath.values import CODEC_KINDS, Feedback

MAX_ENCODINGS: Final = 4
"""Simulcast streams accepted per Track."""

NO_FEEDBACK: Final = Feedback(0)

Intent = Literal["publish", "subscribe", "talk"]
"""What an offerer is here for: WHIP, WHEP, or both directions on the same m-lines."""


class MediaKind(StrEnum):
    """The media of an m-line (RFC 8866 section 5.14); APPLICATION also stands for any that we do not know."""

    AUDIO = "audio"
    VIDEO = "video"
    APPLICATION = "application"


class Direction(StrEnum):
    """A direction attribute (RFC 8866 section 6.7), always as seen by the side that states it."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        return self in (Direction.SENDRECV, Direction.RECVONLY)

    @property
    def mirrored(self) -> Direction:
        """The same direction as the far end states it."""
        return direction_of(sends=self.receives, receives=self.sends)


def direction_of(*, sends: bool, receives: bool) -> Direction:
    """The Direction of a side that sends, receives, both or neither."""
    if sends:
        return Direction.SENDRECV if receives else Direction.SENDONLY
    return Direction.RECVONLY if receives else Direction.INACTIVE


def parse_fmtp(fmtp: str) -> dict[str, str]:
    """`key=value;..` with lower-case keys; a parameter without `=` has the value ""."""
    pairs = (item.strip().partition("=") for item in fmtp.split(";") if item.strip())
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


@dataclass(frozen=True, slots=True)
class RtcpFeedback:
    """One `a=rtcp-fb` (RFC 4585 section 4.2): `nack` + `pli`, `ccm` + `fir`, `transport-cc` + ``."""

    type: str
    parameter: str = ""

    def __str__(self) -> str:
        return f"{self.type} {self.parameter}" if self.parameter else self.type


@dataclass(frozen=True, slots=True)
class Codec:
    """One accepted payload type. `name` is as offered (compare `kind`), `fmtp` verbatim ("" for none)."""

    payload_type: int
    name: str
    clock_rate: int
    channels: int = 1
    fmtp: str = ""
    feedback: tuple[RtcpFeedback, ...] = ()
    rtx_payload_type: int | None = None

    @property
    def kind(self) -> str:
        """The packet core's name of this codec: one of `CODEC_KINDS`."""
        name = self.name.lower()
        return name if name in CODEC_KINDS else "other"


@dataclass(frozen=True, slots=True)
class HeaderExtension:
    """One accepted RTP header extension (RFC 8285); `direction` as seen by us."""

    uri: str
    id: int
    direction: Direction = Direction.SENDRECV


@dataclass(frozen=True, slots=True)
class EncodingParameters:
    """One RTP stream: known by RID (RFC 8851), by SSRC, or (all None) by mid or payload type alone."""

    rid: str | None = None
    ssrc: int | None = None
    rtx_ssrc: int | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """An ICE candidate (RFC 8839 section 5.1) of component 1 unless said otherwise."""

    host: str
    port: int
    priority: int
    foundation: str = "1"
    component: int = 1
    transport: str = "udp"
    type: str = "host"
    extensions: tuple[tuple[str, str], ...] = ()
    """What follows the type, in order: raddr, rport, tcptype, generation, .."""


@dataclass(frozen=True, slots=True)
class LocalTransport:
    """Our end of a Transport, as an answer states it.

    `session_id` goes into `o=` (RFC 8829 section 5.2.1: 63 random bits). All that we send is in the
    MediaStream `stream_id`, so that a browser plays it in sync.
    """

    ice_ufrag: str
    ice_pwd: str
    fingerprint_sha256: str
    candidates: tuple[Candidate, ...]
    session_id: int
    cname: str = "headwater"
    stream_id: str = "headwater"


@dataclass(frozen=True, slots=True)
class MediaSection:
    """What was agreed for one m-line; `direction` as seen by us.

    `codecs` keep the offer's order and payload types. `encodings` are what the far end sends, from lowest to
    highest quality, empty unless `direction.receives`. `sending` is what we send, None unless
    `direction.sends`. A rejected section (port 0) has neither codecs nor streams. `msid` is the far end's
    (stream id, track id).
    """

    index: int
    kind: MediaKind
    mid: str
    direction: Direction = Direction.INACTIVE
    rejected: bool = False
    codecs: tuple[Codec, ...] = ()
    extensions: tuple[HeaderExtension, ...] = ()
    encodings: tuple[EncodingParameters, ...] = ()
    sending: EncodingParameters | None = None
    feedback: Feedback = NO_FEEDBACK
    msid: tuple[str, str] | None = None

    @property
    def clock_rate(self) -> int:
        """RTP clock of the first codec, in Hz; 0 for a rejected section."""
        return self.codecs[0].clock_rate if self.codecs else 0

    def receive_extensions(self) -> dict[str, int]:
        """URI -> id of the header extensions that the far end may put on its packets."""
        return {extension.uri: extension.id for extension in self.extensions if extension.direction.receives}

    def send_extensions(self) -> dict[str, int]:
        """URI -> id of the header extensions that we may put on our packets."""
        return {extension.uri: extension.id for extension in self.extensions if extension.direction.sends}


@dataclass(frozen=True, slots=True)
class NegotiatedSession:
    """The outcome of one offer; `answer` is the SDP to send back.

    `remote_fingerprints` are (hash name, "AB:CD:..") pairs of which one must match (RFC 8122). We are always
    the DTLS server (`a=setup:passive`).
    """

    sections: tuple[MediaSection, ...]
    remote_ufrag: str
    remote_pwd: str
    remote_fingerprints: tuple[tuple[str, str], ...]
    answer: str
    trickle: bool = False
    setup: Literal["passive"] = "passive"

    def receiving(self) -> tuple[MediaSection, ...]:
        """The sections on which the far end publishes."""
        return tuple(section for section in self.sections if section.direction.receives)

    def sending(self) -> tuple[MediaSection, ...]:
        """The sections on which the far end subscribes."""
        return tuple(section for section in self.sections if section.direction.sends)

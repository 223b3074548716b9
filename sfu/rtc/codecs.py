"""Which codecs are accepted from an m-line, and which payload types of two ends are the same codec."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Final

from sfu._fastpath.values import Feedback
from sfu.rtc.attributes import RtpMap
from sfu.rtc.parameters import NO_FEEDBACK, Codec, MediaKind, MediaSection, RtcpFeedback, parse_fmtp
from sfu.rtc.sdp import MediaDescription

TELEPHONY_CLOCK_RATES: Final = (8_000, 16_000, 24_000, 32_000, 44_100, 48_000)
AUDIO_CODECS: Final = {
    "opus": (48_000,),
    "red": (48_000,),
    "pcmu": (8_000,),
    "pcma": (8_000,),
    "g722": (8_000,),
    "telephone-event": TELEPHONY_CLOCK_RATES,
}
VIDEO_CODECS: Final = {"vp8": (90_000,), "vp9": (90_000,), "h264": (90_000,), "av1": (90_000,)}
"""Codec -> RTP clock rates in Hz at which it is accepted."""

STATIC_PAYLOAD_TYPES: Final = {
    0: RtpMap(0, "PCMU", 8000),
    8: RtpMap(8, "PCMA", 8000),
    9: RtpMap(9, "G722", 8000),
}
"""RFC 3551 section 6: good without an rtpmap."""

MAX_CODECS: Final = 48
"""Accepted per m-line, RTX not counted."""

RTCP_CONFLICTS: Final = range(64, 96)
"""Payload types that look like RTCP packet types on a shared port (RFC 5761 section 4)."""

FEEDBACK: Final = {
    RtcpFeedback("nack"): Feedback.NACK,
    RtcpFeedback("nack", "pli"): Feedback.PLI,
    RtcpFeedback("ccm", "fir"): Feedback.FIR,
    RtcpFeedback("transport-cc"): Feedback.TRANSPORT_CC,
    RtcpFeedback("goog-remb"): Feedback.REMB,
}

H264_PROFILES: Final = (
    ("constrained-baseline", 0x42, 0b0100_1111, 0b0100_0000),
    ("constrained-baseline", 0x4D, 0b1000_1111, 0b1000_0000),
    ("constrained-baseline", 0x58, 0b1100_1111, 0b1100_0000),
    ("baseline", 0x42, 0b0100_1111, 0b0000_0000),
    ("baseline", 0x58, 0b1100_1111, 0b1000_0000),
    ("main", 0x4D, 0b1010_1111, 0b0000_0000),
    ("high", 0x64, 0b1111_1111, 0b0000_0000),
    ("constrained-high", 0x64, 0b1111_1111, 0b0000_1100),
    ("high-4:4:4-predictive", 0xF4, 0b1111_1111, 0b0000_0000),
)
"""(profile, profile_idc, mask and value of profile_iop): RFC 6184 section 8.1, table 5."""

H264_DEFAULT: Final = "42e01f"
"""For a missing profile-level-id; not RFC 6184's plain baseline but what every WebRTC stack means by it."""

H264_DECODERS: Final = {
    "constrained-baseline": ("constrained-baseline", "baseline", "main", "constrained-high", "high"),
    "main": ("main", "high"),
    "constrained-high": ("constrained-high", "high"),
}
"""Profile of a stream -> profiles whose decoders must decode it, best match first (H.264 annex A.2)."""


def accept_codecs(section: MediaDescription, kind: MediaKind, feedback: Feedback) -> tuple[Codec, ...]:
    """The codecs of an offered m-line that we forward, in its order, with the feedback that is allowed."""
    rtpmaps = STATIC_PAYLOAD_TYPES | {rtpmap.payload_type: rtpmap for rtpmap in section.rtpmaps}
    fmtps = {fmtp.payload_type: fmtp.text for fmtp in section.fmtps}
    offered = [rtpmaps[number] for number in map(int, section.formats) if number in rtpmaps]
    rtx = {} if kind is MediaKind.AUDIO else _repairs(offered, fmtps)
    rates = AUDIO_CODECS if kind is MediaKind.AUDIO else VIDEO_CODECS
    codecs = (
        Codec(
            payload_type=rtpmap.payload_type,
            name=rtpmap.name,
            clock_rate=rtpmap.clock_rate,
            channels=rtpmap.channels,
            fmtp=fmtps.get(rtpmap.payload_type, ""),
            feedback=_accept_feedback(section, rtpmap.payload_type, feedback),
            rtx_payload_type=rtx.get(rtpmap.payload_type),
        )
        for rtpmap in offered
        if rtpmap.clock_rate in rates.get(rtpmap.name.lower(), ())
        and rtpmap.payload_type not in RTCP_CONFLICTS
    )
    return _without_lone_companions(tuple(islice(codecs, MAX_CODECS)))


def feedback_of(codecs: Collection[Codec]) -> Feedback:
    """Every RTCP feedback that at least one of the codecs has."""
    flags = NO_FEEDBACK
    for codec in codecs:
        for feedback in codec.feedback:
            flags |= FEEDBACK.get(feedback, NO_FEEDBACK)
    return flags


def payload_type_map(publisher: MediaSection, subscriber: MediaSection) -> list[tuple[int, int, int]]:
    """(publisher's payload type, subscriber's, subscriber's RTX or -1) for all that the subscriber can take.

    A payload type without an entry is not forwarded. Both sections are of one kind.
    """
    pairs = list(_pairs(publisher.codecs, subscriber.codecs))
    same_number = {codec.payload_type for codec, found in pairs if codec.payload_type == found.payload_type}
    return [
        (codec.payload_type, found.payload_type, _rtx_or_none(found))
        for codec, found in pairs
        if codec.kind != "red" or _red_payload_types(codec) <= same_number
    ]


def h264_profile(profile_level_id: str) -> str:
    """The profile's name; profile_idc and profile_iop in hex if it has none here (RFC 6184 section 8.1)."""
    try:
        idc, iop = int(profile_level_id[:2], 16), int(profile_level_id[2:4], 16)
    except ValueError:
        return profile_level_id.lower()
    for name, profile_idc, mask, value in H264_PROFILES:
        if idc == profile_idc and iop & mask == value:
            return name
    return f"{idc:02x}{iop:02x}"


@dataclass(frozen=True, slots=True)
class _Format:
    """What of a codec decides whether another end can decode it."""

    kind: str
    clock_rate: int
    profile: str = ""
    packetization_mode: str = ""


@lru_cache(maxsize=512)
def _format(kind: str, clock_rate: int, fmtp: str) -> _Format:
    """With the defaults of RFC 6184 section 8.1, RFC 9628 section 6 and AV1's RTP specification 7.2."""
    parameters = parse_fmtp(fmtp)
    match kind:
        case "h264":
            profile = h264_profile(parameters.get("profile-level-id", H264_DEFAULT))
            return _Format(kind, clock_rate, profile, parameters.get("packetization-mode", "0"))
        case "vp9":
            return _Format(kind, clock_rate, parameters.get("profile-id", "0"))
        case "av1":
            return _Format(kind, clock_rate, parameters.get("profile", "0"))
        case _:
            return _Format(kind, clock_rate)


def _pairs(sent: Collection[Codec], taken: Collection[Codec]) -> Iterator[tuple[Codec, Codec]]:
    """Each codec of the sender with the best match of the receiver; those without one are left out."""
    formats = [(_format(codec.kind, codec.clock_rate, codec.fmtp), codec) for codec in taken]
    for codec in sent:
        own = _format(codec.kind, codec.clock_rate, codec.fmtp)
        ranked = [(rank, other) for format_, other in formats if (rank := _match(own, format_)) is not None]
        if ranked:
            yield codec, min(ranked, key=lambda pair: pair[0])[1]


def _match(sent: _Format, taken: _Format) -> int | None:
    """How well a receiver of `taken` decodes a stream of `sent`: 0 is exactly, None not at all.

    A single NAL unit stream (mode 0) is also a non-interleaved one (mode 1): RFC 6184 section 6.3.
    """
    if sent == taken:
        return 0
    if sent.kind != "h264" or taken.kind != "h264":
        return None
    modes = (sent.packetization_mode, taken.packetization_mode)
    decoders = H264_DECODERS.get(sent.profile, (sent.profile,))
    if taken.profile not in decoders or not (modes[0] == modes[1] or modes == ("0", "1")):
        return None
    return 2 * decoders.index(taken.profile) + (modes[0] != modes[1])


def _rtx_or_none(codec: Codec) -> int:
    return -1 if codec.rtx_payload_type is None else codec.rtx_payload_type


def _repairs(offered: Collection[RtpMap], fmtps: dict[int, str]) -> dict[int, int]:
    """Payload type -> its RTX payload type (RFC 4588 section 8.1)."""
    repairs: dict[int, int] = {}
    for rtpmap in offered:
        if rtpmap.name.lower() != "rtx" or rtpmap.payload_type in RTCP_CONFLICTS:
            continue
        apt = parse_fmtp(fmtps.get(rtpmap.payload_type, "")).get("apt", "")
        if apt.isascii() and apt.isdigit() and len(apt) <= 3:
            repairs.setdefault(int(apt), rtpmap.payload_type)
    return repairs


def _accept_feedback(
    section: MediaDescription, payload_type: int, allowed: Feedback
) -> tuple[RtcpFeedback, ...]:
    offered = [line.feedback for line in section.feedback if line.payload_type in (None, payload_type)]
    return tuple(dict.fromkeys(item for item in offered if FEEDBACK.get(item, NO_FEEDBACK) & allowed))


def _without_lone_companions(codecs: tuple[Codec, ...]) -> tuple[Codec, ...]:
    """RED needs the codec it carries, a telephone-event some audio to belong to."""
    numbers = {codec.payload_type for codec in codecs if codec.kind not in ("red", "telephone-event")}
    if not numbers:
        return ()
    return tuple(codec for codec in codecs if codec.kind != "red" or _red_payload_types(codec) <= numbers)


def _red_payload_types(codec: Codec) -> set[int]:
    """The payload types inside, from `111/111` (RFC 2198 section 5); -1 for what is unreadable."""
    items = codec.fmtp.strip().split("/")
    return {int(item) if item.isascii() and item.isdigit() and len(item) <= 3 else -1 for item in items}

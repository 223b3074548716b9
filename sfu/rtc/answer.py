"""What was agreed, as an SDP answer (RFC 8829 section 5.3) or as the fragment of an ICE restart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from sfu._fastpath.values import Feedback
from sfu.rtc.attributes import (
    ExtMap,
    FeedbackLine,
    Fingerprint,
    Fmtp,
    Group,
    Msid,
    Rid,
    RtpMap,
    Simulcast,
    SimulcastRid,
    SsrcAttribute,
    SsrcGroup,
)
from sfu.rtc.encodings import preferred_rids
from sfu.rtc.parameters import Codec, Direction, EncodingParameters, LocalTransport, MediaSection
from sfu.rtc.sdp import MediaDescription, SessionDescription

ICE_OPTIONS: Final = ("trickle", "ice2")
PROTOCOL: Final = "UDP/TLS/RTP/SAVPF"
TRICKLE_PORT: Final = 9
NO_ADDRESS: Final = ("c", "IN IP4 0.0.0.0")
"""With port 9: the candidates say where (RFC 8839 section 4.3.1)."""

SETUP: Final = "passive"
"""Stated at session level and again in each section: GStreamer looks only there (RFC 8842 allows both)."""

RTX_CLOCK_RATE: Final = 90_000
START_BITRATE: Final = "x-google-start-bitrate=2000"
"""In kb/s; congestion control corrects it within a second."""


def write_answer(
    offer: SessionDescription, sections: Sequence[MediaSection], local: LocalTransport
) -> SessionDescription:
    """The answer to `offer` that says what `sections` say; only the first one used has the candidates."""
    media = tuple(
        _rejected(offered) if section.rejected else _accepted(offered, section, local)
        for offered, section in zip(offer.media, sections, strict=True)
    )
    return SessionDescription(
        lines=(("o", f"- {local.session_id} 1 IN IP4 127.0.0.1"), ("s", "-"), ("t", "0 0")),
        groups=_bundle(sections) if offer.groups else (),
        ice_lite=True,
        ice_ufrag=local.ice_ufrag,
        ice_pwd=local.ice_pwd,
        ice_options=ICE_OPTIONS,
        fingerprints=(Fingerprint("sha-256", local.fingerprint_sha256),),
        setup=SETUP,
        extmap_allow_mixed=any(section.extmap_allow_mixed for section in (offer, *offer.media)),
        media=_with_candidates(media, local),
    )


def write_restart(sections: Sequence[MediaSection], local: LocalTransport) -> str:
    """Our half of an ICE restart, for the 200 of a PATCH (RFC 9725 section 4.3.3)."""
    tagged = next(section for section in sections if not section.rejected)
    payload_type = str(tagged.codecs[0].payload_type)
    media = MediaDescription(
        kind=tagged.kind,
        port=TRICKLE_PORT,
        protocol=PROTOCOL,
        formats=(payload_type,),
        mid=tagged.mid or None,
        ice_ufrag=local.ice_ufrag,
        ice_pwd=local.ice_pwd,
    )
    return SessionDescription(
        groups=_bundle(sections) if tagged.mid else (),
        ice_lite=True,
        ice_options=ICE_OPTIONS,
        media=_with_candidates((media,), local),
    ).fragment()


def _bundle(sections: Sequence[MediaSection]) -> tuple[Group, ...]:
    return (Group("BUNDLE", tuple(section.mid for section in sections if not section.rejected)),)


def _with_candidates(
    media: tuple[MediaDescription, ...], local: LocalTransport
) -> tuple[MediaDescription, ...]:
    """RFC 9143 section 7.3.2: a transport's candidates stand once, in the first section that uses it."""
    tagged = next(index for index, section in enumerate(media) if section.port)
    first = replace(media[tagged], candidates=local.candidates, end_of_candidates=True)
    return (*media[:tagged], first, *media[tagged + 1 :])


def _rejected(offered: MediaDescription) -> MediaDescription:
    """Port 0 and otherwise what the grammar needs (RFC 3264 section 6)."""
    return MediaDescription(
        lines=(NO_ADDRESS,),
        kind=offered.kind,
        port=0,
        protocol=offered.protocol,
        formats=offered.formats,
        mid=offered.mid,
        direction=Direction.INACTIVE if offered.is_rtp else None,
        rtcp_mux=offered.rtcp_mux,
    )


def _accepted(offered: MediaDescription, section: MediaSection, local: LocalTransport) -> MediaDescription:
    rtpmaps, fmtps = _formats(section.codecs, hints=_hints(section))
    rids, simulcast = _received_rids(offered, section)
    sending = section.sending
    return MediaDescription(
        lines=(NO_ADDRESS,),
        kind=section.kind,
        port=TRICKLE_PORT,
        protocol=offered.protocol,
        formats=tuple(str(rtpmap.payload_type) for rtpmap in rtpmaps),
        setup=SETUP,
        mid=section.mid or None,
        extmaps=tuple(_extmaps(offered, section)),
        direction=section.direction,
        msids=(Msid(local.stream_id, f"{local.stream_id}-{section.kind}"),) if sending else (),
        rtcp_mux=True,
        rtcp_rsize=offered.rtcp_rsize,
        rtpmaps=rtpmaps,
        feedback=tuple(_feedback(section.codecs)),
        fmtps=fmtps,
        rids=rids,
        simulcast=simulcast,
        ssrc_groups=tuple(_ssrc_groups(sending)) if sending else (),
        ssrcs=tuple(_ssrcs(sending, local.cname)) if sending else (),
    )


def _hints(section: MediaSection) -> str:
    """libwebrtc begins at 300 kb/s, with a small picture that takes 15 s to grow, unless the answer says
    else.

    Only who offers REMB is told: for others the parameter would be an unknown one.
    """
    camera = section.kind == "video" and section.direction.receives
    return START_BITRATE if camera and Feedback.REMB in section.feedback else ""


def _formats(codecs: Sequence[Codec], *, hints: str) -> tuple[tuple[RtpMap, ...], tuple[Fmtp, ...]]:
    """Every codec followed by its RTX (RFC 4588 section 8.6)."""
    rtpmaps: list[RtpMap] = []
    fmtps: list[Fmtp] = []
    for codec in codecs:
        rtpmaps.append(RtpMap(codec.payload_type, codec.name, codec.clock_rate, codec.channels))
        if parameters := ";".join(filter(None, (codec.fmtp, hints))):
            fmtps.append(Fmtp(codec.payload_type, parameters))
        if codec.rtx_payload_type is not None:
            rtpmaps.append(RtpMap(codec.rtx_payload_type, "rtx", RTX_CLOCK_RATE))
            fmtps.append(Fmtp(codec.rtx_payload_type, f"apt={codec.payload_type}"))
    return tuple(rtpmaps), tuple(fmtps)


def _feedback(codecs: Sequence[Codec]) -> Iterator[FeedbackLine]:
    for codec in codecs:
        for feedback in codec.feedback:
            yield FeedbackLine(codec.payload_type, feedback)


def _extmaps(offered: MediaDescription, section: MediaSection) -> Iterator[ExtMap]:
    """A direction only where the offer has one (RFC 8285 section 5): some clients do not read it."""
    directed = {extmap.id for extmap in offered.extmaps if extmap.direction is not None}
    for extension in section.extensions:
        yield ExtMap(extension.id, extension.uri, extension.direction if extension.id in directed else None)


def _received_rids(
    offered: MediaDescription, section: MediaSection
) -> tuple[tuple[Rid, ...], Simulcast | None]:
    """The accepted RIDs in the offer's order of preference (RFC 8853 section 5.3.2, RFC 8851 section 6.3)."""
    accepted = {encoding.rid for encoding in section.encodings if encoding.rid is not None}
    if not accepted or offered.simulcast is None:
        return (), None
    order = [rid for rid in preferred_rids(offered.simulcast.send, accepted) if rid in accepted]
    rids = {rid.rid: rid for rid in offered.rids if rid.sends}
    answered = tuple(Rid(rid, False, tuple(_restrictions(rids[rid], section))) for rid in order)
    return answered, Simulcast(recv=tuple((SimulcastRid(rid),) for rid in order))


def _restrictions(rid: Rid, section: MediaSection) -> Iterator[tuple[str, str | None]]:
    accepted = {str(codec.payload_type) for codec in section.codecs}
    for key, value in rid.restrictions:
        if key == "pt" and value is not None:
            yield key, ",".join(number for number in value.split(",") if number in accepted)
        else:
            yield key, value


def _ssrc_groups(sending: EncodingParameters) -> Iterator[SsrcGroup]:
    if sending.ssrc is not None and sending.rtx_ssrc is not None:
        yield SsrcGroup("FID", (sending.ssrc, sending.rtx_ssrc))


def _ssrcs(sending: EncodingParameters, cname: str) -> Iterator[SsrcAttribute]:
    for ssrc in (sending.ssrc, sending.rtx_ssrc):
        if ssrc is not None:
            yield SsrcAttribute(ssrc, "cname", cname)

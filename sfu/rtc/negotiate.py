"""Offer in, agreement and answer out: a pure function (RFC 8829 section 5.3, RFC 9725, RFC 9143).

We are ICE-lite and the DTLS server; every m-line shares one transport with rtcp-mux. An m-line that we cannot
serve is rejected in the answer; an offer that we cannot serve at all raises `NegotiationError`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Final

from sfu._fastpath.values import Feedback
from sfu.errors import RemoteProtocolError
from sfu.rtc.answer import write_answer
from sfu.rtc.attributes import MAX_RID_CHARS, ExtMap
from sfu.rtc.codecs import accept_codecs, feedback_of
from sfu.rtc.encodings import announced_encodings
from sfu.rtc.extensions import FOR_ESTIMATION, MID, RECEIVED, SENT
from sfu.rtc.parameters import (
    NO_FEEDBACK,
    Codec,
    Direction,
    EncodingParameters,
    HeaderExtension,
    Intent,
    LocalTransport,
    MediaKind,
    MediaSection,
    NegotiatedSession,
    direction_of,
)
from sfu.rtc.sdp import MediaDescription, SessionDescription, parse

MEDIA_KINDS: Final = frozenset({MediaKind.AUDIO, MediaKind.VIDEO})
REPAIR: Final = Feedback.NACK | Feedback.PLI | Feedback.FIR
ESTIMATION: Final = Feedback.TRANSPORT_CC | Feedback.REMB
DTLS_HASHES: Final = ("sha-256", "sha-384", "sha-512")
MAX_WIRE_EXTENSION_ID: Final = 255
MAX_PUBLISHED: Final = 8
"""Tracks of one Participant: each Encoding of each costs the packet core a history of its own."""
RESERVED_EXTENSION_ID: Final = 15


class NegotiationError(RemoteProtocolError):
    """SDP that is well formed but that we cannot serve; the message says why."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What we are ready to agree to.

    `new_ssrc` gives a random SSRC for each stream that we send. `kinds` are the media that the far end may
    publish. `estimate_viewers`: negotiate bandwidth estimation towards viewers.
    """

    intent: Intent
    new_ssrc: Callable[[], int]
    kinds: frozenset[MediaKind] = MEDIA_KINDS
    estimate_viewers: bool = False


def negotiate(offer: SessionDescription | str, local: LocalTransport, terms: Terms) -> NegotiatedSession:
    """The agreement for an offer. SdpError: it is broken. NegotiationError: we cannot serve it."""
    description = parse(offer) if isinstance(offer, str) else offer
    bundled = _bundled(description)
    _check_transport(description, bundled)
    sections = tuple(_sections(description, bundled, terms))
    if terms.intent == "publish":
        _check_all_served(description, bundled, sections)
    published = sum(section.direction.receives for section in sections)
    if published > MAX_PUBLISHED:
        raise NegotiationError(f"{published} m-lines to publish: {MAX_PUBLISHED} at the most")
    if not any(section.direction is not Direction.INACTIVE for section in sections):
        raise NegotiationError(f"no m-line has a codec and a direction with which we can {terms.intent}")
    ufrag, pwd = _ice_credentials(description, bundled)
    return NegotiatedSession(
        sections=sections,
        remote_ufrag=ufrag,
        remote_pwd=pwd,
        remote_fingerprints=_fingerprints(description, bundled),
        answer=str(write_answer(description, sections, local)),
        trickle="trickle" in (*description.ice_options, *(o for media in bundled for o in media.ice_options)),
    )


def _bundled(offer: SessionDescription) -> list[MediaDescription]:
    """The m-lines that share the one transport: the first BUNDLE group, or the only m-line there is."""
    offered = [media for media in offer.media if media.port or media.bundle_only]
    if not offered:
        raise NegotiationError("the offer has no m-line")
    group = next((group for group in offer.groups if group.semantics == "BUNDLE" and group.mids), None)
    if group is None:
        if len(offered) > 1:
            raise NegotiationError("several m-lines without a=group:BUNDLE: one transport is all we open")
        return offered
    bundled = [media for media in offered if media.mid in group.mids]
    if not bundled:
        raise NegotiationError("a=group:BUNDLE names no m-line of the offer")
    return bundled


def _check_transport(offer: SessionDescription, bundled: list[MediaDescription]) -> None:
    if offer.ice_lite:
        raise NegotiationError("both ends are ICE-lite: nobody would start connectivity checks (RFC 8445)")
    setup = _stated(offer, bundled, "setup") or "active"
    if setup not in ("actpass", "active"):
        raise NegotiationError(f"a=setup:{setup}: the offerer has to be able to be the DTLS client (actpass)")
    for media in bundled:
        if media.is_rtp and not media.rtcp_mux:
            raise NegotiationError(f"m-line {offer.media.index(media)} ({media.kind}) is without a=rtcp-mux")


def _check_all_served(
    offer: SessionDescription, bundled: list[MediaDescription], sections: Collection[MediaSection]
) -> None:
    """RFC 9725 section 4.4.3: a publisher gets all of its media through or an error."""
    for media, section in zip(offer.media, sections, strict=True):
        wanted = media.port or media.bundle_only
        if not (section.rejected and wanted and section.kind in MEDIA_KINDS):
            continue
        name = f"m-line {section.index} ({media.kind})"
        if media not in bundled:
            raise NegotiationError(f"{name} is not in a=group:BUNDLE: one transport is all we open")
        codecs = ", ".join(dict.fromkeys(rtpmap.name for rtpmap in media.rtpmaps)) or "nothing"
        raise NegotiationError(f"{name} offers {codecs} to publish: none of it is forwarded here")


def _ice_credentials(offer: SessionDescription, bundled: list[MediaDescription]) -> tuple[str, str]:
    ufrag, pwd = _stated(offer, bundled, "ice_ufrag"), _stated(offer, bundled, "ice_pwd")
    if ufrag is None or pwd is None:
        raise NegotiationError("the offer has no a=ice-ufrag and a=ice-pwd")
    return ufrag, pwd


def _fingerprints(offer: SessionDescription, bundled: list[MediaDescription]) -> tuple[tuple[str, str], ...]:
    stated = [fingerprint for media in bundled for fingerprint in media.fingerprints]
    usable = [
        (fingerprint.algorithm, fingerprint.value)
        for fingerprint in stated or offer.fingerprints
        if fingerprint.algorithm in DTLS_HASHES
    ]
    if not usable:
        raise NegotiationError(f"the offer has no a=fingerprint with one of {', '.join(DTLS_HASHES)}")
    return tuple(dict.fromkeys(usable))


def _stated(offer: SessionDescription, bundled: list[MediaDescription], field: str) -> str | None:
    """What the first m-line that says so, else the session says (RFC 9143 section 7.1.3)."""
    values = (getattr(section, field) for section in (*bundled, offer))
    return next((value for value in values if value is not None), None)


def _sections(
    offer: SessionDescription, bundled: list[MediaDescription], terms: Terms
) -> Iterator[MediaSection]:
    served: set[MediaKind] = set()
    taken = {line.ssrc for media in offer.media for line in media.ssrcs}
    for index, media in enumerate(offer.media):
        kind = _kind(media)
        if kind is None or media not in bundled:
            yield _rejected(index, media)
            continue
        direction = _direction(media.direction or offer.direction, kind, terms, served)
        section = _section(index, media, direction, terms)
        if section.direction.sends:
            served.add(kind)
            section = replace(section, sending=_outgoing(section.codecs, terms.new_ssrc, taken))
        yield section


def _kind(media: MediaDescription) -> MediaKind | None:
    return MediaKind(media.kind) if media.is_rtp and media.kind in MEDIA_KINDS else None


def _rejected(index: int, media: MediaDescription) -> MediaSection:
    kind = _kind(media) or MediaKind.APPLICATION
    return MediaSection(index=index, kind=kind, mid=media.mid or "", rejected=True)


def _direction(
    offered: Direction | None, kind: MediaKind, terms: Terms, served: Collection[MediaKind]
) -> Direction:
    """Ours: we receive what may be published, and send on the first m-line of each kind that wants it."""
    far_end = offered or Direction.SENDRECV
    return direction_of(
        sends=far_end.receives and terms.intent != "publish" and kind not in served,
        receives=far_end.sends and terms.intent != "subscribe" and kind in terms.kinds,
    )


def _section(index: int, media: MediaDescription, direction: Direction, terms: Terms) -> MediaSection:
    kind = MediaKind(media.kind)
    codecs = accept_codecs(media, kind, _allowed_feedback(direction, terms))
    if not codecs:
        return _rejected(index, media)
    return MediaSection(
        index=index,
        kind=kind,
        mid=media.mid or "",
        direction=direction,
        codecs=codecs,
        extensions=tuple(_accept_extensions(_usable_extmaps(media), direction, terms)),
        encodings=_incoming(media, codecs) if direction.receives else (),
        feedback=feedback_of(codecs),
        msid=_msid(media) if direction.receives else None,
    )


def _allowed_feedback(direction: Direction, terms: Terms) -> Feedback:
    estimated = direction.receives or (direction.sends and terms.estimate_viewers)
    return REPAIR | (ESTIMATION if estimated else NO_FEEDBACK)


def _usable_extmaps(media: MediaDescription) -> list[ExtMap]:
    """Without the mid's where the mid is too long for it: SSRCs and payload types tell the rest."""
    fits = len(media.mid or "") <= MAX_RID_CHARS
    return [extmap for extmap in media.extmaps if fits or extmap.uri != MID]


def _accept_extensions(
    extmaps: Collection[ExtMap], direction: Direction, terms: Terms
) -> Iterator[HeaderExtension]:
    """Each known URI and each id once, in the direction that both ends share (RFC 8285 section 5)."""
    sent = SENT | FOR_ESTIMATION if terms.estimate_viewers else SENT
    uris: set[str] = set()
    ids: set[int] = set()
    for extmap in extmaps:
        offered = (extmap.direction or Direction.SENDRECV).mirrored
        ours = direction_of(
            sends=direction.sends and offered.sends and extmap.uri in sent,
            receives=direction.receives and offered.receives and extmap.uri in RECEIVED,
        )
        usable_id = extmap.id <= MAX_WIRE_EXTENSION_ID and extmap.id != RESERVED_EXTENSION_ID
        if ours is Direction.INACTIVE or not usable_id or extmap.uri in uris or extmap.id in ids:
            continue
        uris.add(extmap.uri)
        ids.add(extmap.id)
        yield HeaderExtension(extmap.uri, extmap.id, ours)


def _incoming(media: MediaDescription, codecs: Collection[Codec]) -> tuple[EncodingParameters, ...]:
    return announced_encodings(media, [codec.payload_type for codec in codecs])


def _outgoing(codecs: Collection[Codec], new_ssrc: Callable[[], int], taken: set[int]) -> EncodingParameters:
    repaired = any(codec.rtx_payload_type is not None for codec in codecs)
    ssrc = _fresh_ssrc(new_ssrc, taken)
    return EncodingParameters(ssrc=ssrc, rtx_ssrc=_fresh_ssrc(new_ssrc, taken) if repaired else None)


def _fresh_ssrc(new_ssrc: Callable[[], int], taken: set[int]) -> int:
    """RFC 3550 section 8.2: not one that the far end uses, nor 0, which stands for none here."""
    while (ssrc := new_ssrc()) in taken or ssrc == 0:
        continue
    taken.add(ssrc)
    return ssrc


def _msid(media: MediaDescription) -> tuple[str, str] | None:
    """From `a=msid`, else from the `msid` of a source as older clients write it."""
    for msid in media.msids:
        return msid.stream, msid.track
    for line in media.ssrcs:
        if line.name == "msid" and line.value and line.value.split():
            stream, *track = line.value.split()
            return stream, track[0] if track else ""
    return None

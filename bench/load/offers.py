"""SDP of the load client: offers as a browser would write them, answers read for the few facts needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

AUDIO_PT: Final = 111
VIDEO_PT: Final = 96
RTX_PT: Final = 97
AUDIO_MID: Final = "0"
VIDEO_MID: Final = "1"
SIMULCAST_RIDS: Final = ("q", "h", "f")

EXTENSIONS: Final = {
    "urn:ietf:params:rtp-hdrext:sdes:mid": (1, 1),
    "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id": (2, 2),
    "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id": (3, 3),
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time": (4, 5),
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01": (5, 6),
}
"""URI -> (id that we offer, ExtType number in wire/extensions.pxd)."""

RID_URIS: Final = tuple(uri for uri in EXTENSIONS if "stream-id" in uri)


@dataclass(frozen=True, slots=True)
class LocalDescription:
    """Our half of a Transport."""

    ufrag: str
    pwd: str
    fingerprint_sha256: str


@dataclass(frozen=True, slots=True)
class OfferedTrack:
    """A Track to publish or (without `ssrcs`) to watch. `ssrcs`: (media, RTX or 0) of each Encoding."""

    kind: str
    ssrcs: tuple[tuple[int, int], ...] = ()
    rids: tuple[str, ...] = ()


@dataclass(slots=True)
class RemoteMedia:
    """One accepted or rejected section of the far end's description."""

    kind: str
    mid: str = ""
    port: int = 0
    direction: str = "sendrecv"
    codecs: dict[str, int] = field(default_factory=dict)
    rtx: dict[int, int] = field(default_factory=dict)
    extensions: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class RemoteDescription:
    """What the far end said; ExtType number -> id in `extensions`, codec name -> payload type in `codecs`."""

    ufrag: str = ""
    pwd: str = ""
    setup: str = ""
    fingerprints: list[tuple[str, str]] = field(default_factory=list)
    candidates: list[tuple[str, int]] = field(default_factory=list)
    media: list[RemoteMedia] = field(default_factory=list)

    def section(self, kind: str) -> RemoteMedia | None:
        """The first accepted section of that kind."""
        return next((media for media in self.media if media.kind == kind and media.port), None)


def write_offer(
    local: LocalDescription,
    tracks: Sequence[OfferedTrack],
    *,
    setup: str = "actpass",
    transport_cc: bool = True,
) -> str:
    """An offer with one section for each Track, bundled."""
    mids = [_mid_of(track.kind) for track in tracks]
    lines = [
        "v=0",
        "o=- 4611731400430051336 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        f"a=group:BUNDLE {' '.join(mids)}",
        "a=extmap-allow-mixed",
        "a=msid-semantic: WMS",
    ]
    for track in tracks:
        lines += _section(local, track, setup, transport_cc)
    return "\r\n".join(lines) + "\r\n"


def write_answer(local: LocalDescription, offer: RemoteDescription) -> str:
    """A receive-only answer that takes VP8 and Opus of every section offered, in the DTLS client role."""
    mids = " ".join(media.mid for media in offer.media)
    lines = ["v=0", "o=- 4611731400430051336 2 IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE {mids}"]
    for media in offer.media:
        name = "vp8" if media.kind == "video" else "opus"
        payload_type = media.codecs[name]
        lines += [
            f"m={media.kind} 9 UDP/TLS/RTP/SAVPF {payload_type}",
            "c=IN IP4 0.0.0.0",
            f"a=mid:{media.mid}",
        ]
        lines += _transport_lines(local, "active")
        lines += ["a=recvonly", f"a=rtpmap:{payload_type} {_rtpmap(media.kind)}"]
        if media.kind == "video":
            lines += [f"a=rtcp-fb:{payload_type} {name}" for name in ("nack", "nack pli")]
    return "\r\n".join(lines) + "\r\n"


def read_description(text: str) -> RemoteDescription:
    """Reads an answer or an offer. ValueError: it lacks ICE credentials or a fingerprint."""
    remote = RemoteDescription()
    media: RemoteMedia | None = None
    for line in text.replace("\r\n", "\n").split("\n"):
        kind, _, value = line.partition("=")
        if kind == "m":
            name, port, *_ = value.split()
            media = RemoteMedia(name, port=int(port))
            remote.media.append(media)
        elif kind == "a":
            attribute, _, rest = value.partition(":")
            _read_transport(remote, attribute, rest)
            if media is not None:
                _read_media(media, attribute, rest)
    if not (remote.ufrag and remote.pwd and remote.fingerprints):
        raise ValueError("the description lacks ICE credentials or a fingerprint")
    return remote


def _section(local: LocalDescription, track: OfferedTrack, setup: str, transport_cc: bool) -> list[str]:
    payload_types = str(AUDIO_PT) if track.kind == "audio" else f"{VIDEO_PT} {RTX_PT}"
    return [
        f"m={track.kind} 9 UDP/TLS/RTP/SAVPF {payload_types}",
        "c=IN IP4 0.0.0.0",
        "a=rtcp:9 IN IP4 0.0.0.0",
        f"a=mid:{_mid_of(track.kind)}",
        *_transport_lines(local, setup),
        *_extmap_lines(track, transport_cc),
        "a=sendonly" if track.ssrcs else "a=recvonly",
        *_codec_lines(track.kind, transport_cc),
        *_ssrc_lines(track),
    ]


def _transport_lines(local: LocalDescription, setup: str) -> list[str]:
    return [
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.pwd}",
        "a=ice-options:trickle",
        f"a=fingerprint:sha-256 {local.fingerprint_sha256}",
        f"a=setup:{setup}",
        "a=rtcp-mux",
        "a=rtcp-rsize",
    ]


def _extmap_lines(track: OfferedTrack, transport_cc: bool) -> list[str]:
    return [
        f"a=extmap:{offered} {uri}"
        for uri, (offered, _) in EXTENSIONS.items()
        if (uri not in RID_URIS or (track.kind == "video" and track.rids))
        and (transport_cc or "transport-wide-cc" not in uri)
    ]


def _codec_lines(kind: str, transport_cc: bool) -> list[str]:
    if kind == "audio":
        return [f"a=rtpmap:{AUDIO_PT} opus/48000/2", f"a=fmtp:{AUDIO_PT} minptime=10;useinbandfec=1"]
    feedback = ["nack", "nack pli", "ccm fir", "goog-remb", *(["transport-cc"] if transport_cc else [])]
    return [
        f"a=rtpmap:{VIDEO_PT} VP8/90000",
        *[f"a=rtcp-fb:{VIDEO_PT} {name}" for name in feedback],
        f"a=rtpmap:{RTX_PT} rtx/90000",
        f"a=fmtp:{RTX_PT} apt={VIDEO_PT}",
    ]


def _ssrc_lines(track: OfferedTrack) -> list[str]:
    if not track.ssrcs:
        return []
    lines = [f"a=msid:headwater-load headwater-load-{track.kind}"]
    if track.rids:
        lines += [f"a=rid:{rid} send" for rid in track.rids]
        return [*lines, f"a=simulcast:send {';'.join(track.rids)}"]
    for ssrc, rtx_ssrc in track.ssrcs:
        if rtx_ssrc:
            lines.append(f"a=ssrc-group:FID {ssrc} {rtx_ssrc}")
        lines += [f"a=ssrc:{one} cname:headwater-load" for one in (ssrc, rtx_ssrc) if one]
    return lines


def _read_transport(remote: RemoteDescription, attribute: str, value: str) -> None:
    if attribute == "ice-ufrag":
        remote.ufrag = remote.ufrag or value.strip()
    elif attribute == "ice-pwd":
        remote.pwd = remote.pwd or value.strip()
    elif attribute == "setup":
        remote.setup = remote.setup or value.strip()
    elif attribute == "fingerprint":
        algorithm, _, digest = value.partition(" ")
        remote.fingerprints.append((algorithm, digest.strip()))
    elif attribute == "candidate":
        parts = value.split()
        if parts[1] == "1" and parts[2].lower() == "udp" and ":" not in parts[4]:
            remote.candidates.append((parts[4], int(parts[5])))


def _read_media(media: RemoteMedia, attribute: str, value: str) -> None:
    if attribute == "mid":
        media.mid = value.strip()
    elif attribute in ("sendrecv", "sendonly", "recvonly", "inactive"):
        media.direction = attribute
    elif attribute == "rtpmap":
        payload_type, _, name = value.partition(" ")
        media.codecs.setdefault(name.split("/")[0].lower(), int(payload_type))
    elif attribute == "fmtp" and "apt=" in value:
        payload_type, _, parameters = value.partition(" ")
        media.rtx[int(parameters.split("apt=")[1].split(";")[0])] = int(payload_type)
    elif attribute == "extmap":
        number, _, uri = value.partition(" ")
        known = EXTENSIONS.get(uri.split()[0])
        if known is not None:
            media.extensions[known[1]] = int(number.split("/")[0])


def _mid_of(kind: str) -> str:
    return AUDIO_MID if kind == "audio" else VIDEO_MID


def _rtpmap(kind: str) -> str:
    return "opus/48000/2" if kind == "audio" else "VP8/90000"

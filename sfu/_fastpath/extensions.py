"""The RTP header extensions that the packet core knows: URI, short name, number (`wire/extensions.pxd`)."""

from typing import Final

_WEBRTC: Final = "http://www.webrtc.org/experiments/rtp-hdrext/"
_AV1: Final = "https://aomediacodec.github.io/av1-rtp-spec/"
_SDES: Final = "urn:ietf:params:rtp-hdrext:sdes:"

EXTENSION_NUMBERS: Final[dict[str, int]] = {
    "none": 0,
    "mid": 1,
    "rid": 2,
    "repaired_rid": 3,
    "audio_level": 4,
    "abs_send_time": 5,
    "transport_cc": 6,
    "playout_delay": 7,
    "video_orientation": 8,
    "dependency_descriptor": 9,
    "abs_capture_time": 10,
    "video_content_type": 11,
    "video_timing": 12,
    "color_space": 13,
    "toffset": 14,
    "video_layers_allocation": 15,
}
"""Short name to `ExtType`."""

EXTENSION_URIS: Final[dict[str, str]] = {
    _SDES + "mid": "mid",
    _SDES + "rtp-stream-id": "rid",
    _SDES + "repaired-rtp-stream-id": "repaired_rid",
    "urn:ietf:params:rtp-hdrext:ssrc-audio-level": "audio_level",
    _WEBRTC + "abs-send-time": "abs_send_time",
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01": "transport_cc",
    _WEBRTC + "playout-delay": "playout_delay",
    "urn:3gpp:video-orientation": "video_orientation",
    _AV1 + "#dependency-descriptor-rtp-header-extension": "dependency_descriptor",
    _WEBRTC + "abs-capture-time": "abs_capture_time",
    _WEBRTC + "video-content-type": "video_content_type",
    _WEBRTC + "video-timing": "video_timing",
    _WEBRTC + "color-space": "color_space",
    "urn:ietf:params:rtp-hdrext:toffset": "toffset",
    _WEBRTC + "video-layers-allocation00": "video_layers_allocation",
}
"""Extension URI, as `a=extmap` spells it, to short name."""


def extension_number(uri: str) -> int:
    """The `ExtType` of a URI; 0 if the packet core does not know it."""
    return EXTENSION_NUMBERS[EXTENSION_URIS.get(uri, "none")]

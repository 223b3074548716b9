"""RTP header extensions (RFC 8285) that are negotiated, and in which direction."""

from __future__ import annotations

from typing import Final

MID: Final = "urn:ietf:params:rtp-hdrext:sdes:mid"
RID: Final = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID: Final = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
AUDIO_LEVEL: Final = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
TOFFSET: Final = "urn:ietf:params:rtp-hdrext:toffset"
VIDEO_ORIENTATION: Final = "urn:3gpp:video-orientation"
ABS_SEND_TIME: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
ABS_CAPTURE_TIME: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
PLAYOUT_DELAY: Final = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
VIDEO_CONTENT_TYPE: Final = "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type"
VIDEO_TIMING: Final = "http://www.webrtc.org/experiments/rtp-hdrext/video-timing"
COLOR_SPACE: Final = "http://www.webrtc.org/experiments/rtp-hdrext/color-space"
TRANSPORT_CC: Final = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
DEPENDENCY_DESCRIPTOR: Final = (
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
)

SENT: Final = frozenset(
    {
        MID,
        AUDIO_LEVEL,
        TOFFSET,
        VIDEO_ORIENTATION,
        ABS_CAPTURE_TIME,
        PLAYOUT_DELAY,
        VIDEO_CONTENT_TYPE,
        VIDEO_TIMING,
        COLOR_SPACE,
        DEPENDENCY_DESCRIPTOR,
    }
)
"""Towards viewers: what stays true when a packet is forwarded."""

FOR_ESTIMATION: Final = frozenset({ABS_SEND_TIME, TRANSPORT_CC})
"""Made anew by every sender, for the bandwidth estimation of one transport."""

RECEIVED: Final = SENT | FOR_ESTIMATION | {RID, REPAIRED_RID}
"""From publishers."""

"""RTP header extensions (RFC 8285) that are negotiated, and in which direction."""

from __future__ import annotations

from typing import Final

from sfu._fastpath.extensions import EXTENSION_URIS

_URIS: Final = {name: uri for uri, name in EXTENSION_URIS.items()}

MID: Final = _URIS["mid"]
RID: Final = _URIS["rid"]
REPAIRED_RID: Final = _URIS["repaired_rid"]
AUDIO_LEVEL: Final = _URIS["audio_level"]
ABS_SEND_TIME: Final = _URIS["abs_send_time"]
TRANSPORT_CC: Final = _URIS["transport_cc"]
PLAYOUT_DELAY: Final = _URIS["playout_delay"]
VIDEO_ORIENTATION: Final = _URIS["video_orientation"]
DEPENDENCY_DESCRIPTOR: Final = _URIS["dependency_descriptor"]
ABS_CAPTURE_TIME: Final = _URIS["abs_capture_time"]
VIDEO_CONTENT_TYPE: Final = _URIS["video_content_type"]
VIDEO_TIMING: Final = _URIS["video_timing"]
COLOR_SPACE: Final = _URIS["color_space"]
TOFFSET: Final = _URIS["toffset"]

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
    }
)
"""Towards viewers: what stays true when a packet is forwarded.

Not the dependency descriptor: its frame numbers do not survive a change of Encoding, and libwebrtc leaves picture
ids and temporal ids out of VP8 payloads wherever it is agreed on.
"""

FOR_ESTIMATION: Final = frozenset({ABS_SEND_TIME, TRANSPORT_CC})
"""Made anew by every sender, for the bandwidth estimation of one transport."""

RECEIVED: Final = SENT | FOR_ESTIMATION | {RID, REPAIRED_RID}
"""From publishers."""

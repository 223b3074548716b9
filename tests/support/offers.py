"""Offers of real clients (tests/unit/rtc/offers, named client-purpose) and what answering them takes."""

from __future__ import annotations

import itertools
from pathlib import Path

from sfu.rtc.negotiate import Terms, negotiate
from sfu.rtc.parameters import Candidate, Intent, LocalTransport, MediaKind, NegotiatedSession

DIRECTORY = Path(__file__).parent.parent / "unit" / "rtc" / "offers"
OFFERS = {path.stem: path.read_bytes().decode() for path in sorted(DIRECTORY.glob("*.sdp"))}

HEAD = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0"
"""What every description begins with (RFC 8866 section 9)."""

LOCAL = LocalTransport(
    ice_ufrag="node0AAAAAAAAAAA",
    ice_pwd="0123456789abcdef01234567",
    fingerprint_sha256=":".join(["5C"] * 32),
    candidates=(Candidate(host="127.0.0.1", port=7882, priority=2130706431),),
    session_id=4711,
    cname="node",
    stream_id="room",
)


def intent_of(name: str) -> Intent:
    """What the offer of this name is for."""
    purpose = name.rpartition("-")[2]
    return "subscribe" if purpose == "subscribe" else "talk" if purpose == "talk" else "publish"


def terms(intent: Intent, *, publishable: frozenset[MediaKind] | None = None) -> Terms:
    """Terms whose SSRCs are 1, 2, 3, .."""
    counted = itertools.count(1)
    if publishable is None:
        return Terms(intent, lambda: next(counted))
    return Terms(intent, lambda: next(counted), kinds=publishable)


def answered(name: str, *, offer: str = "") -> NegotiatedSession:
    """The negotiation of a stored offer, or of a variation of it."""
    return negotiate(offer or OFFERS[name], LOCAL, terms(intent_of(name)))

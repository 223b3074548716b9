"""The RTP streams that an offered m-line announces: by RID and `a=simulcast`, or by SSRC."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final

from sfu.rtc.attributes import Rid, SimulcastStreams, read_number
from sfu.rtc.parameters import MAX_ENCODINGS, EncodingParameters
from sfu.rtc.sdp import MediaDescription

LADDERS: Final = (
    ("q", "h", "f"),
    ("l", "m", "h"),
    ("lo", "mid", "hi"),
    ("low", "mid", "high"),
    ("low", "medium", "high"),
    ("quarter", "half", "full"),
)
"""RIDs that clients are known to use, lowest quality first."""

NUMBERED: Final = re.compile(r"[a-z]+[0-9]+")
"""`r0`, `r1`, ..: lowest quality first by custom; plain numbers have no such custom."""


def announced_encodings(
    section: MediaDescription, payload_types: Collection[int]
) -> tuple[EncodingParameters, ...]:
    """The streams that the offerer will send with these accepted payload types, lowest quality first.

    At least one; at most `MAX_ENCODINGS` (the first ones of the offerer's order of preference).
    """
    rids = _simulcast_rids(section, payload_types)
    if rids:
        return tuple(EncodingParameters(rid=rid.rid) for rid in _by_quality(rids[:MAX_ENCODINGS]))
    ssrcs = _primary_ssrcs(section)
    if not ssrcs:
        return (EncodingParameters(),)
    repairs = _repair_ssrcs(section)
    return tuple(EncodingParameters(ssrc=ssrc, rtx_ssrc=repairs.get(ssrc)) for ssrc in ssrcs[:MAX_ENCODINGS])


def preferred_rids(streams: SimulcastStreams, declared: Iterable[str]) -> list[str]:
    """Of every stream the first alternative that was declared (RFC 8853 section 5.3.2), in order."""
    known = set(declared)
    chosen = (next((option.rid for option in stream if option.rid in known), None) for stream in streams)
    return list(dict.fromkeys(rid for rid in chosen if rid is not None))


def _simulcast_rids(section: MediaDescription, payload_types: Collection[int]) -> list[Rid]:
    """The RIDs to be received in the offerer's order of preference; a lone RID without simulcast is none."""
    if section.simulcast is None:
        return []
    declared = {rid.rid: rid for rid in section.rids if rid.sends and _fits(rid, payload_types)}
    return [declared[rid] for rid in preferred_rids(section.simulcast.send, declared)]


def _fits(rid: Rid, payload_types: Collection[int]) -> bool:
    """RFC 8851 section 5: `pt=` lists the formats of a RID."""
    formats = dict(rid.restrictions).get("pt")
    return formats is None or any(str(number) in formats.split(",") for number in payload_types)


def _by_quality(rids: list[Rid]) -> list[Rid]:
    """Lowest first: by stated size, by well-known names, else the reverse of the order of preference."""
    names = [rid.rid.lower() for rid in rids]
    sizes = [_stated_size(rid) for rid in rids]
    if all(sizes) and len(set(sizes)) == len(sizes):
        return sorted(rids, key=_stated_size)
    for ladder in LADDERS:
        if set(names) <= set(ladder):
            return sorted(rids, key=lambda rid: ladder.index(rid.rid.lower()))
    if all(NUMBERED.fullmatch(name) for name in names):
        return sorted(rids, key=lambda rid: (len(rid.rid), rid.rid))
    return rids[::-1]


def _stated_size(rid: Rid) -> int:
    """The first of the limits of RFC 8851 section 5 that tells streams apart; 0 if none is stated."""
    restrictions = dict(rid.restrictions)
    for limit in ("max-width", "max-height", "max-fs", "max-br"):
        try:
            return read_number(restrictions.get(limit) or "", 1, 2**32, limit)
        except ValueError:
            continue
    return 0


def _primary_ssrcs(section: MediaDescription) -> list[int]:
    """The sources that carry media, lowest first: those of a SIM group, else the first one."""
    for group in section.ssrc_groups:
        if group.semantics == "SIM":
            return list(dict.fromkeys(group.ssrcs))
    repairing = {ssrc for group in section.ssrc_groups for ssrc in group.ssrcs[1:]}
    primary = dict.fromkeys(line.ssrc for line in section.ssrcs if line.ssrc not in repairing)
    return list(primary)[:1]


def _repair_ssrcs(section: MediaDescription) -> dict[int, int]:
    """Source -> its RTX source (RFC 4588 section 8.3, RFC 5576 section 4.2)."""
    groups = (group.ssrcs for group in section.ssrc_groups if group.semantics == "FID")
    return {ssrcs[0]: ssrcs[1] for ssrcs in groups if len(ssrcs) == 2}

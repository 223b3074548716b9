"""What a Node looks after by the clock: Calls that never connect or last too long, empty Rooms, speakers."""

from typing import Final

from sfu._fastpath.values import Snapshot, SnapshotScope
from sfu.media.link import WorkerLink
from sfu.node import effects
from sfu.node.calls import Call
from sfu.node.news import tell_viewer_counts
from sfu.node.parts import Parts
from sfu.node.rooms import OpenRoom
from sfu.room.events import LeaveReason
from sfu.room.subscription import ActiveSpeaker

CONNECT_TIMEOUT_S: Final = 15.0
TICK_S: Final = 1.0
SPEAKER_TICK_S: Final = 0.2


async def tick(parts: Parts) -> None:
    """Once every `TICK_S`."""
    for call in parts.calls:
        if reason := overdue(parts, call):
            await leave(parts, call, reason)
    for room in parts.rooms:
        if is_deserted(parts, room):
            parts.rooms.remove(room)
            parts.ledger.room_closed(room.name)
    tell_viewer_counts(list(parts.calls))
    parts.memory.note(len(parts.calls))


async def hear_speakers(parts: Parts) -> None:
    """Once every `SPEAKER_TICK_S`: binds talk clients to whoever speaks. Costs nothing while nobody has a
    choice.
    """
    rooms = [room for room in parts.rooms if has_choice(room)]
    if not rooms:
        return
    snapshots = await parts.plane.snapshot(SnapshotScope.ROWS)
    levels = audio_levels(parts, snapshots)
    for room in rooms:
        events = room.room.hear(levels, parts.now_us())
        await effects.apply(parts, room, events)


def overdue(parts: Parts, call: Call) -> LeaveReason | None:
    """Why this Call has to end now."""
    age_s = (parts.now_us() - call.participant.joined_at_us) / 1e6
    limits = (call.grant.max_duration_s, call.room.max_duration_s, parts.config.max_duration_s)
    longest_s = min((limit for limit in limits if limit), default=0)
    if not call.connected and age_s > CONNECT_TIMEOUT_S:
        return "never_connected"
    return "max_duration" if longest_s and age_s > longest_s else None


async def leave(parts: Parts, call: Call, reason: LeaveReason) -> None:
    """Ends one Call and all that hangs on it."""
    await effects.apply(parts, call.room, call.room.room.leave(call.participant.sid, reason))


def is_deserted(parts: Parts, room: OpenRoom) -> bool:
    """True when the Room has been empty for longer than it may."""
    empty_s = (parts.now_us() - room.empty_since_us) / 1e6
    return not room.room.participants and empty_s > room.empty_timeout_s


def has_choice(room: OpenRoom) -> bool:
    """True when a talk client could hear more than one other."""
    if len(room.room.speakers.order) < 3:
        return False
    return any(
        isinstance(subscription.wish, ActiveSpeaker)
        for participant in room.room.participants.values()
        for subscription in participant.subscriptions
    )


def audio_levels(parts: Parts, snapshots: list[tuple[WorkerLink, Snapshot]]) -> dict[str, int]:
    """Track sid -> smoothed RFC 6464 level, for live audio Tracks."""
    rows = {
        (link.index, row.track): row.audio_level
        for link, snapshot in snapshots
        for row in snapshot.encodings
        if row.live
    }
    return {
        sid: rows[track.link.index, track.handle]
        for call in parts.calls
        for sid, track in call.tracks.items()
        if track.spec.kind == "audio" and (track.link.index, track.handle) in rows
    }

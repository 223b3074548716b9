"""A Node's own account of its Participants and Calls, as records."""

from sfu.cluster.records import CallRecord, ParticipantRecord, TrackEntry
from sfu.node.calls import Call
from sfu.node.parts import Parts
from sfu.room.track import Track


def participant_record(parts: Parts, call: Call) -> ParticipantRecord:
    """The Participant as it is now."""
    who, grant = call.participant, call.grant
    return ParticipantRecord(
        room=call.room.name,
        identity=who.identity,
        sid=who.sid,
        call_id=who.call_id,
        node=parts.node_id,
        name=who.name,
        metadata=who.metadata,
        state="active" if call.connected else "joining",
        joined_at_s=who.joined_at_us / 1e6,
        hidden=grant.hidden,
        can_publish=grant.can_publish,
        can_subscribe=grant.can_subscribe,
        can_publish_data=grant.can_publish_data,
        can_publish_sources=list(grant.can_publish_sources),
        tracks=[_track_entry(track) for track in who.tracks],
    )


def record_participant(parts: Parts, call: Call) -> None:
    """Writes the Participant as it is now, unless a later stay of the same identity has begun."""
    if call.room.room.find(call.participant.identity) is call.participant:
        parts.ledger.participant(participant_record(parts, call))


def call_record(parts: Parts, call: Call, *, reason: str = "") -> CallRecord:
    """The Call as it is now; with a reason it is over."""
    return CallRecord(
        call_id=call.call_id,
        room=call.room.name,
        identity=call.participant.identity,
        node=parts.node_id,
        state="ended" if reason else "active",
        placed_at_s=call.asked_at_us / 1e6,
        joined_at_s=call.participant.joined_at_us / 1e6,
        ended_at_s=parts.now_us() / 1e6 if reason else 0.0,
        end_reason=reason,
    )


def traffic(parts: Parts, call: Call) -> dict[str, int]:
    """What the Call has sent and received, as of the latest reading."""
    row = parts.transport_rows.get((call.transport.link.index, call.transport.handle))
    if row is None:
        return {}
    return {
        "packets_in": row.packets_in,
        "packets_out": row.packets_out,
        "bytes_in": row.bytes_in,
        "bytes_out": row.bytes_out,
    }


def _track_entry(track: Track) -> TrackEntry:
    return TrackEntry(
        sid=track.sid,
        kind=track.kind,
        source=track.source,
        codec=track.codec,
        muted=track.muted,
        rids=list(track.rids),
    )

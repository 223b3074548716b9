"""From RoomEvents to the world: Commands to the media plane, news to viewers, entries in the ledger."""

import asyncio
from collections.abc import Sequence
from itertools import groupby

from sfu._fastpath.values import CommandError
from sfu.node.calls import Call
from sfu.node.layers import carry_out_wish
from sfu.node.news import tell_activity
from sfu.node.parts import Parts
from sfu.node.reports import call_record, record_participant, traffic
from sfu.node.rooms import OpenRoom
from sfu.room.events import (
    LeaveReason,
    ParticipantJoined,
    ParticipantLeft,
    RoomEvent,
    SubscriptionAdded,
    SubscriptionBound,
    TrackMuted,
    TrackPublished,
    TrackUnpublished,
)
from sfu.room.subscription import Subscription
from sfu.room.track import Track


async def apply(parts: Parts, room: OpenRoom, events: Sequence[RoomEvent]) -> None:
    """Carries out the events of one change, after those of all earlier changes of this Room.

    Call it without awaiting anything since the change. Events of one type in a row are carried out together;
    one that fails keeps none of the others from being carried out. CommandError: the packet core refused
    something of a Participant who is joining.
    """
    failures: list[BaseException] = []
    async with room.lock:
        for _, run in groupby(events, type):
            outcomes = await asyncio.gather(
                *(_carry_out(parts, event) for event in run), return_exceptions=True
            )
            failures += [outcome for outcome in outcomes if outcome is not None]
    if failures:
        raise failures[0]


async def _carry_out(parts: Parts, event: RoomEvent) -> None:
    call = parts.calls.of(event.participant)
    if call is None:
        return
    match event:
        case ParticipantJoined():
            _joined(parts, call)
        case TrackPublished(track=track):
            await _published(parts, call, track)
        case SubscriptionAdded(subscription=subscription):
            section = call.sections[subscription.sid]
            call.subscriptions[subscription.sid] = await parts.plane.subscribe(
                call.transport, section, call.participant.sid
            )
        case SubscriptionBound(subscription=subscription, track=track):
            await _bound(parts, call, subscription, track)
        case TrackMuted(track=track):
            await parts.plane.mute(call.tracks[track.sid], muted=track.muted)
            record_participant(parts, call)
        case TrackUnpublished(track=track):
            _unpublished(parts, call, track)
        case ParticipantLeft(reason=reason):
            _left(parts, call, reason)


def _joined(parts: Parts, call: Call) -> None:
    parts.metrics.participants.inc()
    record_participant(parts, call)
    parts.ledger.call(call_record(parts, call))
    call.log.info("joined", door=call.session.door, worker=call.transport.link.index)


async def _published(parts: Parts, call: Call, track: Track) -> None:
    call.tracks[track.sid] = await parts.plane.publish(call.transport, call.sections[track.sid])
    parts.metrics.tracks.labels(track.kind).inc()
    call.log.info("track_published", track=track.sid, kind=track.kind, codec=track.codec, rids=track.rids)


async def _bound(parts: Parts, call: Call, subscription: Subscription, track: Track | None) -> None:
    publisher = call.room.room.find(track.owner) if track else None
    source = parts.calls.of(publisher) if publisher else None
    published = source.tracks.get(track.sid) if source and track else None
    try:
        await parts.plane.bind(call.subscriptions[subscription.sid], published)
        await carry_out_wish(parts, call, subscription)
    except CommandError as error:
        call.log.warning("bind_refused", track=track and track.sid, reason=str(error))
    call.log.debug("bound", subscription=subscription.sid, track=track and track.sid)
    tell_activity(call, subscription)


def _unpublished(parts: Parts, call: Call, track: Track) -> None:
    call.sections.pop(track.sid, None)
    if published := call.tracks.pop(track.sid, None):
        parts.plane.unpublish(published)
        parts.metrics.tracks.labels(track.kind).dec()


def _left(parts: Parts, call: Call, reason: LeaveReason) -> None:
    for subscription in call.subscriptions.values():
        parts.plane.unsubscribe(subscription)
    parts.plane.close_transport(call.transport)
    parts.calls.remove(call)
    call.hang_up()
    parts.metrics.participants.dec()
    parts.metrics.calls_ended.labels(reason).inc()
    if not call.room.room.participants:
        call.room.empty_since_us = parts.now_us()
    if call.room.room.find(call.participant.identity) is None:
        parts.ledger.participant_left(call.room.name, call.participant.identity)
    parts.ledger.call(call_record(parts, call, reason=reason))
    call.log.info("left", reason=reason, detail=call.transport.detail, **traffic(parts, call))

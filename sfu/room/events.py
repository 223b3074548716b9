"""What a change of a Room means to the outside: values that `sfu.node.effects` carries out, in order."""

from dataclasses import dataclass
from typing import Literal

from sfu.room.participant import Participant
from sfu.room.subscription import Subscription
from sfu.room.track import Track

LeaveReason = Literal[
    "left",
    "replaced",
    "removed",
    "room_closed",
    "never_connected",
    "consent_lost",
    "max_duration",
    "draining",
    "failed",
]


@dataclass(frozen=True, slots=True)
class ParticipantJoined:
    """Its Transport may carry media from now on."""

    participant: Participant


@dataclass(frozen=True, slots=True)
class ParticipantLeft:
    """Always the last event of a Participant; its Tracks and Subscriptions are gone by now."""

    participant: Participant
    reason: LeaveReason


@dataclass(frozen=True, slots=True)
class TrackPublished:
    """A Track can be subscribed to."""

    participant: Participant
    track: Track


@dataclass(frozen=True, slots=True)
class TrackUnpublished:
    """No Subscription is bound to this Track any more."""

    participant: Participant
    track: Track


@dataclass(frozen=True, slots=True)
class TrackMuted:
    """`track.muted` changed."""

    participant: Participant
    track: Track


@dataclass(frozen=True, slots=True)
class SubscriptionAdded:
    """A viewer's m-line is ready; nothing flows before it is bound."""

    participant: Participant
    subscription: Subscription


@dataclass(frozen=True, slots=True)
class SubscriptionBound:
    """The Subscription is fed from `track` from now on; None: from nothing."""

    participant: Participant
    subscription: Subscription
    track: Track | None


RoomEvent = (
    ParticipantJoined
    | ParticipantLeft
    | TrackPublished
    | TrackUnpublished
    | TrackMuted
    | SubscriptionAdded
    | SubscriptionBound
)

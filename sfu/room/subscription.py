"""A Subscription: one Track delivered over one Transport, and the wish that decides which Track that is."""

from dataclasses import dataclass

from sfu.room.track import Kind, Track


@dataclass(frozen=True, slots=True)
class FirstPublisher:
    """Watch whoever published first, and stay with that Participant for as long as it publishes."""


@dataclass(frozen=True, slots=True)
class OnePublisher:
    """Watch this identity, now or whenever it comes."""

    identity: str


@dataclass(frozen=True, slots=True)
class ActiveSpeaker:
    """Hear and see whoever speaks, never oneself: a talk client, which has one m-line for all others."""


Wish = FirstPublisher | OnePublisher | ActiveSpeaker


@dataclass(slots=True, eq=False)
class Subscription:
    """One m-line of a viewer. `track` is None while nothing fits its wish; the outgoing stream goes on
    regardless.
    """

    sid: str
    kind: Kind
    wish: Wish
    track: Track | None = None

"""A Participant: one connected person or bot, for one stay (a Call)."""

from dataclasses import dataclass, field

from sfu.room.subscription import Subscription
from sfu.room.track import Kind, Track


@dataclass(slots=True, eq=False)
class Participant:
    """One stay of one identity in one Room. `watching` is the identity whose Tracks it receives at the
    moment.
    """

    sid: str
    identity: str
    call_id: str
    name: str = ""
    metadata: str = ""
    joined_at_us: int = 0
    tracks: list[Track] = field(default_factory=list)
    subscriptions: list[Subscription] = field(default_factory=list)
    watching: str | None = None

    @property
    def publishes(self) -> bool:
        """True if it has at least one Track."""
        return bool(self.tracks)

    def tracks_of(self, kind: Kind) -> list[Track]:
        """Its Tracks of one kind, in the order of its m-lines."""
        return [track for track in self.tracks if track.kind == kind]

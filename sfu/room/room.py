"""A Room: who can hear whom. Pure: every method returns the RoomEvents that its change means."""

from collections.abc import Iterable, Mapping, Sequence

from sfu.errors import RejectedError
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
from sfu.room.participant import Participant
from sfu.room.speakers import Speakers
from sfu.room.subscription import ActiveSpeaker, OnePublisher, Subscription
from sfu.room.track import Track


class Room:
    """The Participants of one name. Viewers may come before publishers: their Subscriptions wait unbound.

    Invariants: an identity is in the Room at most once; a Subscription is bound to a Track only while that
    Track is published, and never to a Track of its own Participant.
    """

    def __init__(self, name: str, sid: str, *, max_participants: int = 0) -> None:
        self.name = name
        self.sid = sid
        self.max_participants = max_participants
        self.participants: dict[str, Participant] = {}
        self.speakers = Speakers()
        self._by_identity: dict[str, Participant] = {}

    @property
    def publishers(self) -> list[Participant]:
        """Participants with Tracks, first come first."""
        return [participant for participant in self.participants.values() if participant.publishes]

    def find(self, identity: str) -> Participant | None:
        """The Participant of this identity."""
        return self._by_identity.get(identity)

    def check_space(self, identity: str) -> None:
        """RejectedError(409): `max_participants` are here and this identity would replace none of them."""
        if not self.max_participants or len(self.participants) < self.max_participants or self.find(identity):
            return
        raise RejectedError(
            409,
            "Room is full",
            f"{self.name} holds at most {self.max_participants} participants",
            retry_after_s=10,
        )

    def join(
        self,
        participant: Participant,
        *,
        tracks: Sequence[Track] = (),
        subscriptions: Sequence[Subscription] = (),
    ) -> list[RoomEvent]:
        """Lets a Participant in with all that its offer brought; an earlier stay of the same identity ends.

        Viewers of that earlier stay go over to the new Tracks in the same step. RejectedError(409): full.
        """
        self.check_space(participant.identity)
        earlier = self.find(participant.identity)
        if earlier:
            del self.participants[earlier.sid]
        self.participants[participant.sid] = participant
        self._by_identity[participant.identity] = participant
        events: list[RoomEvent] = [ParticipantJoined(participant)]
        events += self._add_tracks(participant, tracks)
        participant.subscriptions += subscriptions
        events += [SubscriptionAdded(participant, subscription) for subscription in subscriptions]
        if tracks or (earlier and earlier.publishes):
            events += self._bind(self.participants.values(), leaving=earlier)
        else:
            events += self._bind([participant])
        if earlier:
            events += self._farewell(earlier, "replaced")
        return events

    def leave(self, sid: str, reason: LeaveReason = "left") -> list[RoomEvent]:
        """Ends a stay; nothing if it is over already."""
        participant = self.participants.pop(sid, None)
        if participant is None:
            return []
        del self._by_identity[participant.identity]
        events = self._bind(self.participants.values(), leaving=participant) if participant.publishes else []
        return events + self._farewell(participant, reason)

    def close(self, reason: LeaveReason = "room_closed") -> list[RoomEvent]:
        """Everybody leaves."""
        return [event for sid in list(self.participants) for event in self.leave(sid, reason)]

    def publish(self, sid: str, tracks: Sequence[Track]) -> list[RoomEvent]:
        """More Tracks of somebody who is here."""
        participant = self.participants.get(sid)
        if participant is None or not tracks:
            return []
        return [*self._add_tracks(participant, tracks), *self._bind(self.participants.values())]

    def unpublish(self, sid: str, track: Track) -> list[RoomEvent]:
        """Takes one Track back."""
        participant = self.participants.get(sid)
        if participant is None or track not in participant.tracks:
            return []
        participant.tracks.remove(track)
        self.speakers.remove(track.sid)
        return [*self._bind(self.participants.values()), TrackUnpublished(participant, track)]

    def mute(self, sid: str, track: Track, *, muted: bool) -> list[RoomEvent]:
        """A muted Track stays published and bound, but is not forwarded."""
        participant = self.participants.get(sid)
        if participant is None or track not in participant.tracks or track.muted == muted:
            return []
        track.muted = muted
        return [TrackMuted(participant, track)]

    def hear(self, levels: Mapping[str, int], now_us: int) -> list[RoomEvent]:
        """Takes audio levels by Track sid; talk clients may be bound to another speaker."""
        if not self.speakers.hear(levels, now_us):
            return []
        return self._bind(self.participants.values())

    def viewers_of(self, identity: str) -> int:
        """How many Participants receive at least one Track of this identity."""
        return sum(
            any(s.track and s.track.owner == identity for s in participant.subscriptions)
            for participant in self.participants.values()
        )

    def _add_tracks(self, participant: Participant, tracks: Sequence[Track]) -> list[RoomEvent]:
        participant.tracks += tracks
        for track in tracks:
            if track.kind == "audio":
                self.speakers.add(track.sid)
        return [TrackPublished(participant, track) for track in tracks]

    def _farewell(self, participant: Participant, reason: LeaveReason) -> list[RoomEvent]:
        tracks, participant.tracks = participant.tracks, []
        participant.subscriptions = []
        for track in tracks:
            self.speakers.remove(track.sid)
        return [*(TrackUnpublished(participant, t) for t in tracks), ParticipantLeft(participant, reason)]

    def _bind(self, viewers: Iterable[Participant], *, leaving: Participant | None = None) -> list[RoomEvent]:
        """Binds the Subscriptions of these viewers anew where their wishes now mean another Track."""
        if leaving:
            for track in leaving.tracks:
                self.speakers.remove(track.sid)
        publishers = self.publishers
        events: list[RoomEvent] = []
        for viewer in viewers:
            if viewer.subscriptions:
                events += self._bind_viewer(viewer, publishers)
        return events

    def _bind_viewer(self, viewer: Participant, publishers: list[Participant]) -> list[RoomEvent]:
        source = self._source_for(viewer, publishers)
        viewer.watching = source.identity if source else None
        events: list[RoomEvent] = []
        taken = {"audio": 0, "video": 0}
        for subscription in viewer.subscriptions:
            tracks = source.tracks_of(subscription.kind) if source else []
            track = tracks[taken[subscription.kind]] if taken[subscription.kind] < len(tracks) else None
            taken[subscription.kind] += 1
            if track is not subscription.track:
                subscription.track = track
                events.append(SubscriptionBound(viewer, subscription, track))
        return events

    def _source_for(self, viewer: Participant, publishers: list[Participant]) -> Participant | None:
        others = [publisher for publisher in publishers if publisher is not viewer]
        wish = viewer.subscriptions[0].wish
        if isinstance(wish, OnePublisher):
            return next((other for other in others if other.identity == wish.identity), None)
        if isinstance(wish, ActiveSpeaker):
            audio = {track.sid: other for other in others for track in other.tracks_of("audio")}
            speaker = self.speakers.first_of(audio)
            return audio[speaker] if speaker else next(iter(others), None)
        present = next((other for other in others if other.identity == viewer.watching), None)
        return present or next(iter(others), None)

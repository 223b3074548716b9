"""Any order of comings and goings keeps what a Room promises."""

from itertools import count

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sfu.room.events import RoomEvent, SubscriptionBound, TrackPublished, TrackUnpublished
from sfu.room.participant import Participant
from sfu.room.room import Room
from sfu.room.subscription import ActiveSpeaker, FirstPublisher, OnePublisher, Subscription, Wish
from sfu.room.track import Kind, Track

IDENTITIES = st.sampled_from(["ann", "bob", "eve", "dan"])
KINDS = st.lists(st.sampled_from(["audio", "video"]), max_size=2, unique=True)
WISHES = st.one_of(
    st.just(FirstPublisher()),
    st.just(ActiveSpeaker()),
    IDENTITIES.map(lambda identity: OnePublisher(identity)),
)


class RoomStory(RuleBasedStateMachine):
    """Replays the events into a tiny model of the media plane and compares."""

    def __init__(self) -> None:
        super().__init__()
        self.room = Room("lobby", "RM_1")
        self.numbers = count(1)
        self.now_us = 0
        self.published: set[str] = set()
        self.bound: dict[str, Track | None] = {}

    def apply(self, events: list[RoomEvent]) -> None:
        for event in events:
            match event:
                case TrackPublished():
                    self.published.add(event.track.sid)
                case TrackUnpublished():
                    assert event.track not in [self.bound.get(s.sid) for s in self.live_subscriptions()]
                    self.published.remove(event.track.sid)
                case SubscriptionBound():
                    assert event.track is None or event.track.sid in self.published
                    self.bound[event.subscription.sid] = event.track

    def live_subscriptions(self) -> list[Subscription]:
        return [s for participant in self.room.participants.values() for s in participant.subscriptions]

    @rule(identity=IDENTITIES, publishes=KINDS, watches=KINDS, wish=WISHES)
    def join(self, identity: str, publishes: list[Kind], watches: list[Kind], wish: Wish) -> None:
        number = next(self.numbers)
        tracks = [Track(f"TR_{number}_{kind}", kind, identity) for kind in publishes]
        subscriptions = [Subscription(f"SU_{number}_{kind}", kind, wish) for kind in watches]
        who = Participant(f"PA_{number}", identity, f"CA_{number}")
        self.apply(self.room.join(who, tracks=tracks, subscriptions=subscriptions))

    @rule(identity=IDENTITIES)
    def leave(self, identity: str) -> None:
        if who := self.room.find(identity):
            self.apply(self.room.leave(who.sid))

    @rule(levels=st.lists(st.integers(0, 127), max_size=8), passed_us=st.integers(0, 1_000_000))
    def speak(self, levels: list[int], passed_us: int) -> None:
        self.now_us += passed_us
        self.apply(self.room.hear(dict(zip(self.room.speakers.order, levels, strict=False)), self.now_us))

    @invariant()
    def an_identity_is_here_once(self) -> None:
        identities = [participant.identity for participant in self.room.participants.values()]
        assert len(identities) == len(set(identities))

    @invariant()
    def events_told_everything(self) -> None:
        tracks = {t.sid for participant in self.room.participants.values() for t in participant.tracks}
        assert self.published == tracks
        for subscription in self.live_subscriptions():
            assert self.bound.get(subscription.sid) is subscription.track

    @invariant()
    def nobody_watches_himself(self) -> None:
        for participant in self.room.participants.values():
            for subscription in participant.subscriptions:
                assert subscription.track is None or subscription.track.owner != participant.identity
                assert subscription.track is None or subscription.track.kind == subscription.kind

    @invariant()
    def speakers_are_the_audio_tracks(self) -> None:
        audio = {t.sid for p in self.room.participants.values() for t in p.tracks_of("audio")}
        assert set(self.room.speakers.order) == audio


TestRoomStory = RoomStory.TestCase
TestRoomStory.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)

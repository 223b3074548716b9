"""Stories of who sees and hears whom."""

from itertools import count

import pytest

from sfu.errors import RejectedError
from sfu.room.events import (
    ParticipantJoined,
    ParticipantLeft,
    RoomEvent,
    SubscriptionBound,
    TrackMuted,
    TrackPublished,
    TrackUnpublished,
)
from sfu.room.participant import Participant
from sfu.room.room import Room
from sfu.room.speakers import HOLD_US
from sfu.room.subscription import ActiveSpeaker, FirstPublisher, OnePublisher, Subscription, Wish
from sfu.room.track import Track

NUMBERS = count(1)


def person(identity: str) -> Participant:
    number = next(NUMBERS)
    return Participant(f"PA_{number}", identity, f"CA_{number}")


def camera_and_microphone(identity: str) -> list[Track]:
    return [Track(f"TR_{next(NUMBERS)}", kind, identity) for kind in ("audio", "video")]


def eyes_and_ears(wish: Wish) -> list[Subscription]:
    return [Subscription(f"SU_{next(NUMBERS)}", kind, wish) for kind in ("audio", "video")]


def publish(room: Room, identity: str) -> tuple[Participant, list[RoomEvent]]:
    who = person(identity)
    return who, room.join(who, tracks=camera_and_microphone(identity))


def watch(room: Room, identity: str, wish: Wish | None = None) -> tuple[Participant, list[RoomEvent]]:
    who = person(identity)
    return who, room.join(who, subscriptions=eyes_and_ears(wish or FirstPublisher()))


def talk(room: Room, identity: str) -> Participant:
    who = person(identity)
    room.join(
        who,
        tracks=[Track(f"TR_{next(NUMBERS)}", "audio", identity)],
        subscriptions=[Subscription(f"SU_{next(NUMBERS)}", "audio", ActiveSpeaker())],
    )
    return who


def seen_by(viewer: Participant) -> list[str | None]:
    return [subscription.track.owner if subscription.track else None for subscription in viewer.subscriptions]


@pytest.fixture
def room() -> Room:
    return Room("lobby", "RM_1")


def test_a_viewer_may_come_before_its_publisher(room: Room) -> None:
    viewer, _ = watch(room, "vera")
    assert seen_by(viewer) == [None, None]
    _, events = publish(room, "ann")
    assert seen_by(viewer) == ["ann", "ann"]
    kinds = [type(event) for event in events]
    assert kinds == [ParticipantJoined, TrackPublished, TrackPublished, SubscriptionBound, SubscriptionBound]


def test_each_kind_is_bound_to_its_own_kind(room: Room) -> None:
    publish(room, "ann")
    viewer, _ = watch(room, "vera")
    for subscription in viewer.subscriptions:
        assert subscription.track is not None
        assert subscription.track.kind == subscription.kind


def test_by_default_one_watches_whoever_published_first(room: Room) -> None:
    ann, _ = publish(room, "ann")
    publish(room, "bob")
    viewer, _ = watch(room, "vera")
    assert seen_by(viewer) == ["ann", "ann"]
    room.leave(ann.sid)
    assert seen_by(viewer) == ["bob", "bob"]
    publish(room, "ann")
    assert seen_by(viewer) == ["bob", "bob"]


def test_one_can_ask_for_somebody_who_is_not_here_yet(room: Room) -> None:
    publish(room, "ann")
    viewer, _ = watch(room, "vera", OnePublisher("bob"))
    assert seen_by(viewer) == [None, None]
    publish(room, "bob")
    assert seen_by(viewer) == ["bob", "bob"]


def test_a_publisher_leaves_and_returns_under_the_same_subscriptions(room: Room) -> None:
    viewer, _ = watch(room, "vera")
    before = list(viewer.subscriptions)
    ann, _ = publish(room, "ann")
    events = room.leave(ann.sid)
    assert seen_by(viewer) == [None, None]
    assert [type(event) for event in events] == [
        SubscriptionBound, SubscriptionBound, TrackUnpublished, TrackUnpublished, ParticipantLeft,
    ]  # fmt: skip
    publish(room, "ann")
    assert seen_by(viewer) == ["ann", "ann"]
    assert viewer.subscriptions == before


def test_joining_again_replaces_the_earlier_stay_without_a_gap(room: Room) -> None:
    viewer, _ = watch(room, "vera")
    first, _ = publish(room, "ann")
    publish(room, "bob")
    second, events = publish(room, "ann")
    bound = [event for event in events if isinstance(event, SubscriptionBound)]
    assert [event.track for event in bound] == second.tracks
    assert isinstance(events[-1], ParticipantLeft)
    assert (events[-1].participant, events[-1].reason) == (first, "replaced")
    assert seen_by(viewer) == ["ann", "ann"]
    assert room.find("ann") is second


def test_nobody_is_unbound_from_a_track_after_it_is_unpublished(room: Room) -> None:
    watch(room, "vera")
    ann, _ = publish(room, "ann")
    events = room.leave(ann.sid)
    gone = [index for index, event in enumerate(events) if isinstance(event, TrackUnpublished)]
    unbound = [index for index, event in enumerate(events) if isinstance(event, SubscriptionBound)]
    assert max(unbound) < min(gone)


def test_leaving_twice_is_leaving_once(room: Room) -> None:
    ann, _ = publish(room, "ann")
    assert room.leave(ann.sid)
    assert room.leave(ann.sid) == []


def test_a_full_room_takes_no_more_but_lets_a_known_identity_return(room: Room) -> None:
    room.max_participants = 2
    publish(room, "ann")
    watch(room, "vera")
    with pytest.raises(RejectedError) as rejection:
        watch(room, "wim")
    assert rejection.value.code == 409
    assert rejection.value.retry_after_s
    watch(room, "vera")
    assert len(room.participants) == 2


def test_two_talkers_hear_each_other_and_never_themselves(room: Room) -> None:
    ann, bob = talk(room, "ann"), talk(room, "bob")
    assert seen_by(ann) == ["bob"]
    assert seen_by(bob) == ["ann"]


def test_a_lone_talker_hears_nothing(room: Room) -> None:
    assert seen_by(talk(room, "ann")) == [None]


def test_three_talkers_hear_the_speaker_who_hears_the_one_before(room: Room) -> None:
    ann, bob, eve = (talk(room, name) for name in ("ann", "bob", "eve"))
    assert [seen_by(who) for who in (ann, bob, eve)] == [["bob"], ["ann"], ["ann"]]
    levels = {eve.tracks[0].sid: 20, ann.tracks[0].sid: 90}
    room.hear(levels, 0)
    events = room.hear(levels, HOLD_US)
    assert [seen_by(who) for who in (ann, bob, eve)] == [["eve"], ["eve"], ["ann"]]
    assert all(isinstance(event, SubscriptionBound) for event in events)


def test_muting_is_told_once(room: Room) -> None:
    ann, _ = publish(room, "ann")
    assert room.mute(ann.sid, ann.tracks[0], muted=True) == [TrackMuted(ann, ann.tracks[0])]
    assert room.mute(ann.sid, ann.tracks[0], muted=True) == []


def test_one_track_can_be_taken_back(room: Room) -> None:
    ann, _ = publish(room, "ann")
    viewer, _ = watch(room, "vera")
    room.unpublish(ann.sid, ann.tracks[1])
    assert seen_by(viewer) == ["ann", None]


def test_closing_lets_everybody_go(room: Room) -> None:
    publish(room, "ann")
    watch(room, "vera")
    gone = [event for event in room.close() if isinstance(event, ParticipantLeft)]
    assert len(gone) == 2
    assert not room.participants


def test_viewers_are_counted_by_publisher(room: Room) -> None:
    publish(room, "ann")
    for number in range(3):
        watch(room, f"viewer-{number}")
    assert room.viewers_of("ann") == 3
    assert room.viewers_of("bob") == 0

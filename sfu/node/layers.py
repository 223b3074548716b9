"""A viewer's wishes for layers, carried out on whatever Track its m-lines are bound to."""

from sfu.errors import RejectedError
from sfu.node.calls import Call
from sfu.node.parts import Parts
from sfu.room.subscription import Subscription
from sfu.room.track import Track
from sfu.signaling.messages import LayerWish

HIGHEST = -1


async def wish_for(parts: Parts, call: Call, wish: LayerWish) -> None:
    """Takes a wish for one m-line, also for Tracks to come. RejectedError(404): no such m-line or rid."""
    subscription = _subscription_named(call, wish.media_id)
    encoding_of(wish, subscription.track)
    call.wishes[subscription.sid] = wish
    await carry_out_wish(parts, call, subscription)


async def carry_out_wish(parts: Parts, call: Call, subscription: Subscription) -> None:
    """Selects what the wish for this Subscription means on its present Track; CommandError."""
    wish = call.wishes.get(subscription.sid)
    if wish is None or subscription.track is None:
        return
    limits = [limit for limit in (wish.temporal_layer_id, wish.max_temporal_layer_id) if limit is not None]
    try:
        encoding = encoding_of(wish, subscription.track)
    except RejectedError:
        encoding = HIGHEST  # a wish that the next publisher cannot meet is no reason to show nothing
    await parts.plane.select(
        call.subscriptions[subscription.sid], encoding=encoding, temporal=min(limits, default=HIGHEST)
    )


def encoding_of(wish: LayerWish, track: Track | None) -> int:
    """Index of the Encoding that the wish names; -1 for the highest. RejectedError(404): the Track has none
    such.
    """
    rid = wish.rid if wish.rid is not None else wish.encoding_id
    if rid is None or track is None:
        if wish.max_spatial_layer_id is not None and track is not None and track.rids:
            return min(max(wish.max_spatial_layer_id, 0), len(track.rids) - 1)
        return HIGHEST
    if rid in track.rids:
        return track.rids.index(rid)
    raise RejectedError(404, "No such encoding", f"{rid!r} is not one of {', '.join(track.rids) or 'none'}")


def _subscription_named(call: Call, media_id: str | None) -> Subscription:
    """By index of the m-line, as the draft has it, else by mid; the first of video if not named."""
    subscriptions = call.participant.subscriptions
    sections = [call.sections[subscription.sid] for subscription in subscriptions]
    names = [
        [str(section.index) for section in sections],
        [section.mid for section in sections],
    ]
    if media_id is None:
        media_id, names = "video", [[subscription.kind for subscription in subscriptions]]
    for named in names:
        if media_id in named:
            return subscriptions[named.index(media_id)]
    raise RejectedError(404, "No such m-line", f"mediaId {media_id!r} names no m-line that is being sent")

"""Which Node a Participant is sent to. Pure: a function of what the Nodes last said of themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sfu.cluster.records import NodeRecord, RoomRecord
from sfu.errors import RejectedError

ROOM_HEADROOM = 0.80
"""A Node with more predicted load takes no new Rooms."""

JOIN_HEADROOM = 0.95
"""A Node with more load takes no Participants either, not even into its own Rooms: they have nowhere else to
go.
"""

LOAD_PER_JOIN = 0.0003
"""Predicted load of a join that no heartbeat shows yet: a viewer of 1.5 Mbit/s, 230 packets/s of 1.3 us."""

RETRY_AFTER_S = 2.0


def place(
    room: RoomRecord,
    nodes: Sequence[NodeRecord],
    *,
    region: str = "",
    pending: Mapping[str, int] | None = None,
) -> NodeRecord:
    """Choose the Node for one join; RejectedError 503 when none can take it.

    A Room stays on the Node it was placed on, as long as that Node lives, is not draining and has head-room.
    A new Room goes to its own region, else to the Participant's, else anywhere; there to the least predicted
    load. `pending` counts the joins sent to each Node since its last heartbeat.
    """
    if not nodes:
        raise RejectedError(503, "No Node available", "no Node is alive", RETRY_AFTER_S)
    loads = {node.id: predicted_load(node, (pending or {}).get(node.id, 0)) for node in nodes}
    home = next((node for node in nodes if node.id == room.node), None)
    if home is not None and not home.draining:
        if predicted_load(home, 0) >= JOIN_HEADROOM:
            raise RejectedError(503, "Node is at capacity", "the Room's Node has no head-room", RETRY_AFTER_S)
        return home
    open_nodes = [node for node in nodes if not node.draining and loads[node.id] < ROOM_HEADROOM]
    if not open_nodes:
        raise RejectedError(503, "No Node available", "all Nodes are full or draining", RETRY_AFTER_S)
    wishes = [wish for wish in (room.region, region) if wish]
    return min(open_nodes, key=lambda node: (_distance(node.region, wishes), loads[node.id], node.id))


def predicted_load(node: NodeRecord, pending: int) -> float:
    """The Node's own figure, what was sent to it since, and how full its tables are: the worst counts."""
    load = node.load + pending * LOAD_PER_JOIN / max(node.workers, 1)
    if node.subscriptions_limit:
        return max(load, (node.subscriptions + pending) / node.subscriptions_limit)
    return load


def _distance(region: str, wishes: Sequence[str]) -> int:
    return wishes.index(region) if region in wishes else len(wishes)

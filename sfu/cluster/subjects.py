"""Where records live in the Store: one key per record, built here and nowhere else.

A key is `class.part.part`. Names that outsiders choose (Rooms, identities) become a part by `key_part`, which
keeps to the alphabet that NATS allows in keys and never collides.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Final

NODES: Final = "nodes."
ROOMS: Final = "rooms."
PARTICIPANTS: Final = "participants."
CALLS: Final = "calls."
STATS: Final = "stats."
BLOCKS: Final = "blocks."

NODE_HEARTBEAT_S: Final = 2.0
NODE_LEASE_S: Final = 6.0
CALL_LEASE_S: Final = 86_400.0

LEASES: Final[Mapping[str, float]] = {NODES: NODE_LEASE_S, CALLS: CALL_LEASE_S, STATS: CALL_LEASE_S}
"""Classes whose records die unless they are written again within so many seconds; no watch event tells of
it.
"""

MEMORY_CAPACITIES: Final[Mapping[str, int]] = {CALLS: 1024, STATS: 1024}
"""How much history a Store without a disk keeps."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


def key_part(name: str) -> str:
    """`name` itself when it is plain; otherwise `=` and its unpadded base64url (RFC 4648 section 5)."""
    if _PLAIN.fullmatch(name):
        return name
    return "=" + base64.urlsafe_b64encode(name.encode()).rstrip(b"=").decode()


def node_key(node: str) -> str:
    """Key of a NodeRecord."""
    return NODES + key_part(node)


def room_key(room: str) -> str:
    """Key of a RoomRecord."""
    return ROOMS + key_part(room)


def participants_prefix(room: str) -> str:
    """What the keys of a Room's ParticipantRecords begin with."""
    return f"{PARTICIPANTS}{key_part(room)}."


def participant_key(room: str, identity: str) -> str:
    """Key of a ParticipantRecord."""
    return participants_prefix(room) + key_part(identity)


def call_key(call_id: str) -> str:
    """Key of a CallRecord."""
    return CALLS + key_part(call_id)


def stats_key(call_id: str) -> str:
    """Key of a ClientStatsRecord."""
    return STATS + key_part(call_id)


def block_key(kind: str, value: str) -> str:
    """Key of a BlockRecord."""
    return f"{BLOCKS}{key_part(kind)}.{key_part(value)}"


def class_of(key: str) -> str:
    """The class of a key or prefix with its dot; empty when it names none."""
    return key[: key.find(".") + 1]

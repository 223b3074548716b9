"""Names that Headwater gives things: prefixed SIDs and call ids.

A SID is a prefix that says what it names and random characters of an alphabet without look-alikes. Randomness
is an argument (`secrets.token_bytes` in production), so that tests can repeat themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

Randomness = Callable[[int], bytes]
"""Given a number of bytes, that many unpredictable bytes."""

ROOM_PREFIX: Final = "RM_"
PARTICIPANT_PREFIX: Final = "PA_"
TRACK_PREFIX: Final = "TR_"
CALL_PREFIX: Final = "CA_"
NODE_PREFIX: Final = "ND_"

MAX_NAME_CHARACTERS: Final = 256

_ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_SID_CHARACTERS: Final = 12
_CALL_ID_CHARACTERS: Final = 20


def is_name(text: str) -> bool:
    """True for what may name a Room or an identity: printable, without a slash, no leading dot, not too long."""
    return (
        0 < len(text) <= MAX_NAME_CHARACTERS
        and text.isprintable()
        and "/" not in text
        and not text.startswith(".")
    )


def random_text(length: int, randomness: Randomness) -> str:
    """`length` characters, each from 57 (5.8 bits); the bias of the reduction is below 2**-64."""
    number = int.from_bytes(randomness(length * 6 // 8 + 9))
    characters = []
    for _ in range(length):
        number, index = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[index])
    return "".join(characters)


def make_room_sid(randomness: Randomness) -> str:
    """Names one life of a Room: a Room created again under its old name has a new SID."""
    return ROOM_PREFIX + random_text(_SID_CHARACTERS, randomness)


def make_participant_sid(randomness: Randomness) -> str:
    """Names one stay of an identity in a Room."""
    return PARTICIPANT_PREFIX + random_text(_SID_CHARACTERS, randomness)


def make_track_sid(randomness: Randomness) -> str:
    """Names one published Track."""
    return TRACK_PREFIX + random_text(_SID_CHARACTERS, randomness)


def make_call_id(randomness: Randomness) -> str:
    """Names one Call; unguessable (116 bits), because it travels in logs, metrics and to the client."""
    return CALL_PREFIX + random_text(_CALL_ID_CHARACTERS, randomness)


def make_node_id(randomness: Randomness) -> str:
    """Names a Node that was not given a name."""
    return NODE_PREFIX + random_text(_SID_CHARACTERS, randomness)

"""ICE-lite credentials and candidates (RFC 8445 section 2.5, RFC 8839); checks are answered by the packet
core.

A ufrag carries where its Transport lives, so that the first binding request finds its owner without a
look-up: node hint (4 characters), Worker (1), Transport handle (6), then randomness (5): 16 ice-chars in all.
"""

from collections.abc import Callable
from typing import Final

ICE_CHARS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
NODE_HINT_CHARS: Final = 4
HANDLE_CHARS: Final = 6
NONCE_CHARS: Final = 5
PWD_CHARS: Final = 24

Randomness = Callable[[int], bytes]
"""`secrets.token_bytes` or a seeded stand-in: that many random bytes."""


def make_ufrag(node_hint: str, worker: int, transport: int, randomness: Randomness) -> str:
    """A ufrag with its routing hint. ValueError: the hint is not 4 ice-chars, or there are more than 64
    Workers.
    """
    if len(node_hint) != NODE_HINT_CHARS or any(char not in ICE_CHARS for char in node_hint):
        raise ValueError(f"node hint {node_hint!r} is not {NODE_HINT_CHARS} ice-chars")
    if not 0 <= worker < len(ICE_CHARS):
        raise ValueError(f"Worker {worker} does not fit into one ice-char")
    return (
        node_hint
        + ICE_CHARS[worker]
        + _in_ice_chars(transport, HANDLE_CHARS)
        + _random(NONCE_CHARS, randomness)
    )


def make_pwd(randomness: Randomness) -> str:
    """144 random bits; RFC 8445 section 5.3 asks for at least 128."""
    return _random(PWD_CHARS, randomness)


def node_hint_of(name: str) -> str:
    """The hint of the Node of this name: stable, and different for nearly all pairs of names."""
    digest = 0xCBF29CE484222325
    for byte in name.encode():
        digest = (digest ^ byte) * 0x100000001B3 % 2**64
    return _in_ice_chars(digest >> 40, NODE_HINT_CHARS)


def host_priority(local_preference: int) -> int:
    """Priority of a host candidate for component 1 (RFC 8445 section 5.1.2.1)."""
    return (126 << 24) | (local_preference << 8) | 255


def _in_ice_chars(number: int, length: int) -> str:
    return "".join(ICE_CHARS[number >> 6 * place & 63] for place in reversed(range(length)))


def _random(length: int, randomness: Randomness) -> str:
    return "".join(ICE_CHARS[byte & 63] for byte in randomness(length))

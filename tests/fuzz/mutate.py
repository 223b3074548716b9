"""Random changes to byte strings: the material of the fuzz runner and of the corpus test."""

import random
from collections.abc import Callable, Sequence

MAX_BYTES = 2048
EDGES = (0x00, 0x01, 0x02, 0x0F, 0x10, 0x7F, 0x80, 0xBE, 0xDE, 0xF0, 0xFE, 0xFF)


class Mutator:
    """Makes new inputs of given ones; the same seed and calls make the same inputs."""

    def __init__(self, seed: int | str) -> None:
        self._random = random.Random(seed)
        self._steps: list[Callable[[bytearray, bytes], None]] = [
            self._flip_bit,
            self._set_byte,
            self._set_length,
            self._insert,
            self._delete,
            self._repeat,
            self._cut,
            self._splice,
        ]

    def mutate(self, material: Sequence[bytes]) -> bytes:
        """One of `material` after one to eight changes."""
        data, other = bytearray(self._random.choice(material)), self._random.choice(material)
        for _ in range(1 << self._random.randrange(4)):
            self._random.choice(self._steps)(data, other)
        return bytes(data[:MAX_BYTES])

    def _at(self, data: bytearray) -> int:
        return self._random.randrange(len(data) + 1)

    def _flip_bit(self, data: bytearray, _: bytes) -> None:
        if data:
            data[self._random.randrange(len(data))] ^= 1 << self._random.randrange(8)

    def _set_byte(self, data: bytearray, _: bytes) -> None:
        if data:
            edge = self._random.choice(EDGES)
            data[self._random.randrange(len(data))] = self._random.choice((edge, self._random.randrange(256)))

    def _set_length(self, data: bytearray, _: bytes) -> None:
        """A 16 bit number near the bytes, or words, that are left behind it: most wire formats hold one."""
        if len(data) >= 2:
            at = self._random.randrange(len(data) - 1)
            left = (len(data) - at - 2) // self._random.choice((1, 4)) + self._random.randrange(-2, 3)
            data[at : at + 2] = (left & 0xFFFF).to_bytes(2, "big")

    def _insert(self, data: bytearray, _: bytes) -> None:
        at = self._at(data)
        data[at:at] = self._random.randbytes(self._random.choice((1, 2, 4, 8)))

    def _delete(self, data: bytearray, _: bytes) -> None:
        at = self._at(data)
        del data[at : at + self._random.choice((1, 2, 4, 8))]

    def _repeat(self, data: bytearray, _: bytes) -> None:
        start, end = sorted((self._at(data), self._at(data)))
        data[end:end] = data[start:end]

    def _cut(self, data: bytearray, _: bytes) -> None:
        del data[self._at(data) :]

    def _splice(self, data: bytearray, other: bytes) -> None:
        data[self._at(data) :] = other[self._random.randrange(len(other) + 1) :]

"""A flood is as many datagrams as asked for, the same ones for the same seed."""

import socket
from collections.abc import Iterator

import pytest

from bench.load.flood import Flood

TEMPLATES = [b"\x00\x01" + bytes(18), bytes(range(100))]


@pytest.fixture
def target() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        yield receiver


def flood(target: socket.socket, seed: int, count: int) -> list[bytes]:
    sender = Flood(*target.getsockname(), TEMPLATES, seed=seed)
    sender.run(count=count, per_s=1e6)
    assert (sender.sent, sender.failed) == (count, 0)
    return [target.recv(2048) for _ in range(count)]


def test_one_seed_makes_one_flood(target: socket.socket) -> None:
    first = flood(target, 7, 100)
    assert flood(target, 7, 100) == first
    assert flood(target, 8, 100) != first


def test_datagrams_are_near_their_templates_and_of_every_length(target: socket.socket) -> None:
    datagrams = flood(target, 1, 100)
    assert any(datagram in TEMPLATES for datagram in datagrams)
    assert any(datagram not in TEMPLATES for datagram in datagrams)
    assert len({len(datagram) for datagram in datagrams}) > 5


@pytest.mark.parametrize("templates", [[], [bytes(1501)]])
def test_templates_must_fit(templates: list[bytes]) -> None:
    with pytest.raises(ValueError, match="templates"):
        Flood("127.0.0.1", 9, templates, seed=1)

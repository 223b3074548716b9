"""Fuzz runner: inputs that raise, kill or hang their process are kept; a target that holds leaves none."""

import os
import signal
from pathlib import Path

import pytest

from tests.fuzz import fuzz
from tests.fuzz.targets import TARGETS


def hold(data: bytes) -> int:
    return len(data)


def fail(data: bytes) -> int:
    assert len(data) < 3
    return len(data)


def die(data: bytes) -> int:
    if len(data) >= 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return len(data)


def hang(data: bytes) -> int:
    while len(data) >= 3:
        signal.pause()
    return len(data)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "GRACE_S", 0.3)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("body", [fail, die, hang])
def test_a_failing_input_is_kept(body: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(TARGETS, "subject", body)
    assert not fuzz.fuzz("subject", 1, 0.3, tmp_path)
    (kept,) = (tmp_path / "subject").iterdir()
    assert len(kept.read_bytes()) >= 3


def test_a_target_that_holds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(TARGETS, "subject", hold)
    assert fuzz.fuzz("subject", 1, 0.05, tmp_path)
    assert list(tmp_path.iterdir()) == []

"""Who speaks: an order of audio Tracks by when they last took the floor, with hysteresis."""

from collections.abc import Iterable, Mapping
from typing import Final

SPEAKING_LEVEL: Final = 50
"""RFC 6464 levels count down from silence (127) to loudest (0); louder than -50 dBov is speech."""
MARGIN_DB: Final = 6
HOLD_US: Final = 300_000


class Speakers:
    """The Room's audio Tracks, most recent holder of the floor first.

    A Track takes the floor when it has been speaking for `HOLD_US` while the holder was silent or at least
    `MARGIN_DB` quieter: a cough does not switch, an interruption does.
    """

    def __init__(self) -> None:
        self._order: list[str] = []
        self._challenger = ""
        self._since_us = 0

    @property
    def order(self) -> tuple[str, ...]:
        """SIDs of all Tracks, the present speaker first."""
        return tuple(self._order)

    def add(self, track_sid: str) -> None:
        """A new Track queues behind all who have spoken."""
        if track_sid not in self._order:
            self._order.append(track_sid)

    def remove(self, track_sid: str) -> None:
        """Forgets a Track."""
        if track_sid in self._order:
            self._order.remove(track_sid)

    def hear(self, levels: Mapping[str, int], now_us: int) -> bool:
        """Takes the smoothed levels of the moment; True if the order changed."""
        loudest = min(self._order, key=lambda sid: levels.get(sid, 127), default="")
        if not loudest or loudest == self._order[0] or not self._challenges(loudest, levels):
            self._challenger = ""
            return False
        if loudest != self._challenger:
            self._challenger, self._since_us = loudest, now_us
        if now_us - self._since_us < HOLD_US:
            return False
        self._order.remove(loudest)
        self._order.insert(0, loudest)
        self._challenger = ""
        return True

    def first_of(self, candidates: Iterable[str]) -> str | None:
        """Whichever of these Tracks spoke last."""
        allowed = set(candidates)
        return next((sid for sid in self._order if sid in allowed), None)

    def _challenges(self, sid: str, levels: Mapping[str, int]) -> bool:
        level, holder = levels.get(sid, 127), levels.get(self._order[0], 127)
        return level < SPEAKING_LEVEL and (holder >= SPEAKING_LEVEL or level <= holder - MARGIN_DB)

"""Equal values kept once: a thousand viewers with one browser offer the same codecs a thousand times."""

from dataclasses import replace
from typing import Any, Final, TypeVar

from sfu.rtc.parameters import MediaSection

MAX_VALUES: Final = 1024
T = TypeVar("T")


class SharedValues:
    """Gives back the first of all equal values it has seen; forgets all when there are too many."""

    def __init__(self) -> None:
        self._seen: dict[Any, Any] = {}

    def one(self, value: T) -> T:
        """`value`, or an equal one from before. It has to be hashable and never change."""
        if len(self._seen) >= MAX_VALUES:
            self._seen.clear()
        found: T = self._seen.setdefault((type(value), value), value)
        return found

    def sections(self, sections: tuple[MediaSection, ...]) -> tuple[MediaSection, ...]:
        """The same m-lines, their codecs and header extensions shared."""
        return tuple(
            replace(section, codecs=self.one(section.codecs), extensions=self.one(section.extensions))
            for section in sections
        )

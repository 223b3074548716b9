"""Gives memory back to the system after many have left: the C library keeps it otherwise."""

import ctypes
import gc
from typing import Final

MIN_CALLS: Final = 100
"""Fewer have left too little behind to be worth a trim."""


class MemoryTrimmer:
    """Trims once the number of Calls has fallen to half of what it was since the last trim."""

    def __init__(self) -> None:
        self._most = 0
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc only

    def note(self, calls: int) -> bool:
        """Takes the present number of Calls; True if memory was trimmed."""
        self._most = max(self._most, calls)
        if self._most < MIN_CALLS or calls > self._most // 2:
            return False
        self._most = calls
        gc.collect()
        if self._trim is not None:
            self._trim(0)
        return True

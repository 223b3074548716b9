"""Waiting for a condition of a real process, never for an amount of time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(
    read: Callable[[], Awaitable[T]],
    holds: Callable[[T], object] = bool,
    *,
    within_s: float = 20.0,
    every_s: float = 0.1,
) -> T:
    """The first value of `read()` for which `holds`; AssertionError with the last value when time is up."""
    deadline = time.monotonic() + within_s
    while True:
        value = await read()
        if holds(value):
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s:g} s; last seen: {value!r}")
        await asyncio.sleep(every_s)

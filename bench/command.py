"""What the benchmark commands share."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import aiohttp

from bench.load.doors import DoorError
from bench.load.fleet import JoinError
from bench.node import NodeError

T = TypeVar("T")


def complete(measure: Coroutine[Any, Any, T]) -> T:
    """Runs a measurement; what prevents it becomes one line on stderr and exit code 2."""
    try:
        return asyncio.run(measure)
    except (NodeError, DoorError, JoinError, aiohttp.ClientError) as error:
        print(f"bench: {error}", file=sys.stderr)
        raise SystemExit(2) from None

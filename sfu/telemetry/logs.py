"""Structured logs: one JSON object a line on standard error, with whatever is bound (node, room, call_id,
...).
"""

import logging
import sys
from typing import Any, Final

import msgspec
import structlog

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def configure_logs(level: str = "info", *, stream: Any = None) -> None:
    """Makes all of structlog write JSON lines of at least this level; call once, at start.

    aiohttp's own tracebacks are left out: only broken HTTP causes them, and our errors are logged by our shells.
    """
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_serialise),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=stream or sys.stderr),
        cache_logger_on_first_use=True,
    )


def _serialise(event: Any, **_: Any) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from sfu.telemetry.logs import configure_logs


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure_logs("info", stream=stream)
    yield stream
    structlog.reset_defaults()


def test_every_line_is_json_with_what_is_bound(lines: io.StringIO) -> None:
    structlog.get_logger().bind(call_id="CA_1").info("joined", rids=("q", "h"))
    entry = json.loads(lines.getvalue())
    assert (entry["event"], entry["call_id"], entry["rids"]) == ("joined", "CA_1", ["q", "h"])
    assert entry["level"] == "info"


def test_an_exception_stays_on_its_line(lines: io.StringIO) -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        structlog.get_logger().exception("failed")
    assert len(lines.getvalue().splitlines()) == 1


def test_lesser_lines_are_left_out(lines: io.StringIO) -> None:
    structlog.get_logger().debug("noise")
    assert lines.getvalue() == ""

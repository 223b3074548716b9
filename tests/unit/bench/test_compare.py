"""A comparison finds what became worse and knows which way is worse."""

import json
from pathlib import Path

import pytest

from bench.compare import changes, main


def test_more_is_worse_except_for_what_is_promised_as_a_minimum() -> None:
    before = {"join_p50": 20.0, "scale_viewers": 2000.0, "only_before": 1.0}
    after = {"join_p50": 30.0, "scale_viewers": 1000.0}
    assert changes(before, after) == {"join_p50": 0.5, "scale_viewers": 0.5}


def test_a_zero_that_stays_zero_is_no_change_and_one_that_does_not_is_worse() -> None:
    assert changes({"hostile_uncounted": 0.0}, {"hostile_uncounted": 0.0}) == {"hostile_uncounted": 0.0}
    assert changes({"hostile_uncounted": 0.0}, {"hostile_uncounted": 3.0})["hostile_uncounted"] > 0


@pytest.mark.parametrize(("value", "cores", "code"), [(20.0, 2, 0), (22.0, 2, 0), (40.0, 2, 1), (20.0, 4, 2)])
def test_the_exit_code_says_what_was_found(tmp_path: Path, value: float, cores: int, code: int) -> None:
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    before.write_text(json.dumps({"machine": {"cpu": "x", "cores": 2}, "figures": {"join_p50": 20.0}}))
    after.write_text(json.dumps({"machine": {"cpu": "x", "cores": cores}, "figures": {"join_p50": value}}))
    assert main([str(before), str(after)]) == code

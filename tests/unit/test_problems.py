import ast
import json
from pathlib import Path

from sfu.errors import RejectedError
from sfu.problems import MEANINGS, MEDIA_TYPE, problem_of, problem_type

ROOT = Path(__file__).parents[2]


def test_a_rejection_becomes_a_problem_document() -> None:
    problem = problem_of(RejectedError(409, "Room is full", "4 are in", 2.1), instance="/v1/rooms/a")
    assert problem.status == 409
    assert problem.headers["Content-Type"] == MEDIA_TYPE
    assert problem.headers["Retry-After"] == "3"
    assert json.loads(problem.body) == {
        "type": "/docs/problems#room-is-full",
        "title": "Room is full",
        "status": 409,
        "detail": "4 are in",
        "instance": "/v1/rooms/a",
    }


def test_whoever_is_asked_to_wait_is_told_how_long() -> None:
    for status in (429, 503):
        assert int(problem_of(RejectedError(status, "Later")).headers["Retry-After"]) >= 1
    assert int(problem_of(RejectedError(429, "Later", "", 0.001)).headers["Retry-After"]) == 1
    assert "Retry-After" not in problem_of(RejectedError(404, "Gone")).headers


def test_the_challenge_and_the_allowed_methods_are_headers() -> None:
    assert problem_of(RejectedError(401, "Who?")).headers["WWW-Authenticate"].startswith("Bearer")
    assert problem_of(RejectedError(405, "No", allow=("GET", "PUT"))).headers["Allow"] == "GET, PUT"


def test_every_title_in_the_source_is_explained_on_the_problems_page() -> None:
    titles = {
        node.args[1].value
        for folder in ("sfu", "director")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "RejectedError"
        and len(node.args) > 1
        and isinstance(node.args[1], ast.Constant)
        and isinstance(node.args[1].value, str)
    }
    assert len(titles) > 10
    assert titles <= MEANINGS.keys()


def test_types_are_anchors_of_that_page() -> None:
    assert problem_type("Bad JSON") == "/docs/problems#bad-json"
    assert len({problem_type(title) for title in MEANINGS}) == len(MEANINGS)

import secrets
from collections.abc import Callable

import pytest

from sfu import ids


@pytest.mark.parametrize(
    ("make", "prefix"),
    [
        (ids.make_room_sid, "RM_"),
        (ids.make_participant_sid, "PA_"),
        (ids.make_track_sid, "TR_"),
        (ids.make_call_id, "CA_"),
        (ids.make_node_id, "ND_"),
    ],
)
def test_names_say_what_they_name_and_do_not_repeat(
    make: Callable[[ids.Randomness], str], prefix: str
) -> None:
    made = [make(secrets.token_bytes) for _ in range(2000)]
    assert len(set(made)) == len(made)
    assert {len(name) for name in made} == {len(made[0])}
    assert all(name.startswith(prefix) and name[3:].isalnum() and name.isascii() for name in made)


def test_the_same_randomness_makes_the_same_name() -> None:
    assert ids.make_call_id(bytes) == ids.make_call_id(bytes)


def test_characters_are_drawn_evenly() -> None:
    text = ids.random_text(57_000, secrets.token_bytes)
    counts = [text.count(character) for character in set(text)]
    assert len(counts) == 57
    assert min(counts) > 800
    assert max(counts) < 1200

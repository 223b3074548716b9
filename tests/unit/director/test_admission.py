import pytest
from hypothesis import given
from hypothesis import strategies as st

from director.admission import Admission, check_room, room_limits
from director.messages import CreateRoom
from sfu.cluster.records import RoomRecord
from sfu.config import Config
from sfu.errors import RejectedError

CONFIG = Config(
    join_rate_address=1,
    join_burst_address=5,
    join_rate_identity=0.5,
    join_burst_identity=2,
    join_rate_key=10,
    join_burst_key=20,
)


def join(admission: Admission, now_s: float, address: str = "192.0.2.1", identity: str = "ada") -> float:
    """0 when let in, otherwise Retry-After."""
    try:
        admission.joins.check(address=address, room="lab", identity=identity, key="key", now_s=now_s)
    except RejectedError as error:
        if error.code == 429 and error.retry_after_s:
            return error.retry_after_s
        raise
    return 0.0


@given(st.lists(st.tuples(st.floats(0, 2), st.sampled_from("abc"), st.sampled_from("xyz")), max_size=120))
def test_neither_address_nor_identity_gets_more_than_its_rate(asks: list[tuple[float, str, str]]) -> None:
    admission, now_s = Admission(CONFIG), 0.0
    let_in: list[tuple[str, str]] = []
    for gap, address, identity in asks:
        now_s += gap
        if join(admission, now_s, address, identity) == 0.0:
            let_in.append((address, identity))
    for address in "abc":
        assert sum(one == address for one, _ in let_in) <= 5 + now_s * 1 + 1e-6
    for identity in "xyz":
        assert sum(one == identity for _, one in let_in) <= 2 + now_s * 0.5 + 1e-6


def test_who_waits_for_retry_after_is_let_in() -> None:
    admission = Admission(CONFIG)
    while not (wait_s := join(admission, 0.0)):
        pass
    assert join(admission, wait_s + 0.001) == 0.0


def test_loopback_is_limited_only_when_asked_for() -> None:
    free = Admission(Config(join_rate_address=1, join_burst_address=1, limit_loopback=False))
    assert all(join(free, 0.0, "127.0.0.1") == 0.0 for _ in range(100))
    strict = Admission(Config(join_rate_address=1, join_burst_address=1))
    assert [join(strict, 0.0, "127.0.0.1") > 0 for _ in range(2)] == [False, True]


def test_requests_have_a_rate_of_their_own() -> None:
    admission = Admission(Config(request_rate_address=1, request_burst_address=3))
    for _ in range(3):
        admission.check_request("192.0.2.1", 0.0)
    with pytest.raises(RejectedError, match="429"):
        admission.check_request("192.0.2.1", 0.0)
    admission.check_request("192.0.2.2", 0.0)


def room(max_participants: int) -> RoomRecord:
    return RoomRecord(name="lab", sid="RM_1", created_at_s=0, max_participants=max_participants)


def test_a_full_room_says_when_to_come_again() -> None:
    check_room(room(3), 2)
    check_room(room(0), 2)
    with pytest.raises(RejectedError, match="409") as caught:
        check_room(room(2), 2)
    assert caught.value.retry_after_s


@given(st.integers(0, 50), st.integers(0, 50))
def test_no_wish_goes_beyond_the_configuration(wish: int, limit: int) -> None:
    config = Config(max_participants=limit, max_duration_s=limit)
    found = room_limits(CreateRoom(name="lab", max_participants=wish, max_duration_s=wish), config)
    for value in (found.max_participants, found.max_duration_s):
        assert value == min((n for n in (wish, limit) if n), default=0)


def test_what_is_not_wished_for_is_the_default() -> None:
    assert room_limits(CreateRoom(name="lab"), Config(room_empty_timeout_s=7)).empty_timeout_s == 7
    assert room_limits(CreateRoom(name="lab", empty_timeout_s=9), Config()).empty_timeout_s == 9

import pytest
from hypothesis import given
from hypothesis import strategies as st

from director.placement import JOIN_HEADROOM, ROOM_HEADROOM, place, predicted_load
from sfu.cluster.records import NodeRecord, RoomRecord
from sfu.errors import RejectedError

nodes_of_all_kinds = st.lists(
    st.builds(
        NodeRecord,
        id=st.sampled_from("abcdefgh"),
        url=st.just("http://node"),
        region=st.sampled_from(["", "eu", "us"]),
        draining=st.booleans(),
        load=st.floats(0, 1),
        workers=st.integers(1, 8),
    ),
    max_size=8,
    unique_by=lambda node: node.id,
)


def room(node: str = "", region: str = "") -> RoomRecord:
    return RoomRecord(name="lab", sid="RM_1", created_at_s=0, node=node, region=region)


def node(name: str, load: float = 0.1, region: str = "", *, draining: bool = False) -> NodeRecord:
    return NodeRecord(id=name, url=f"http://{name}", load=load, region=region, draining=draining)


@given(nodes_of_all_kinds, st.sampled_from(["", *"abcdefgh"]), st.sampled_from(["", "eu", "us"]))
def test_nobody_is_sent_where_there_is_no_room(nodes: list[NodeRecord], home: str, region: str) -> None:
    stays = next((each for each in nodes if each.id == home and not each.draining), None)
    strangers = [each for each in nodes if not each.draining and each.load < ROOM_HEADROOM]
    if stays.load >= JOIN_HEADROOM if stays else not strangers:
        with pytest.raises(RejectedError, match="503") as caught:
            place(room(home, region), nodes)
        assert caught.value.retry_after_s
        return
    found = place(room(home, region), nodes)
    assert found == stays if stays else found in strangers


@given(nodes_of_all_kinds, st.sampled_from("abcdefgh"))
def test_a_room_stays_where_it_is(nodes: list[NodeRecord], home: str) -> None:
    alive = [each for each in nodes if each.id == home and not each.draining and each.load < JOIN_HEADROOM]
    if alive:
        assert place(room(home, "us"), nodes, region="eu").id == home


def test_a_room_of_a_dead_or_draining_node_moves() -> None:
    assert place(room("gone"), [node("a")]).id == "a"
    assert place(room("a"), [node("a", draining=True), node("b", 0.7)]).id == "b"


def test_the_rooms_region_comes_before_the_participants_and_both_before_load() -> None:
    nodes = [node("a", 0.0), node("b", 0.5, "eu"), node("c", 0.6, "us")]
    assert place(room(region="us"), nodes, region="eu").id == "c"
    assert place(room(), nodes, region="eu").id == "b"
    assert place(room(), nodes).id == "a"
    assert place(room(region="mars"), nodes, region="eu").id == "b"


def test_joins_that_no_heartbeat_shows_yet_are_counted() -> None:
    nodes = [node("a", 0.10), node("b", 0.11)]
    assert place(room(), nodes).id == "a"
    assert place(room(), nodes, pending={"a": 100}).id == "b"


def test_full_tables_count_as_load() -> None:
    full = NodeRecord(id="a", url="", load=0.1, subscriptions=900, subscriptions_limit=1000)
    assert predicted_load(full, 0) == pytest.approx(0.9)
    assert predicted_load(full, 50) == pytest.approx(0.95)


def test_without_nodes_it_says_so() -> None:
    with pytest.raises(RejectedError, match="no Node is alive"):
        place(room(), [])

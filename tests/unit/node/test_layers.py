import pytest

from sfu.errors import RejectedError
from sfu.node.layers import HIGHEST, encoding_of
from sfu.room.track import Track
from sfu.signaling.messages import LayerWish

TRACK = Track("TR_1", "video", "ann", rids=("q", "h", "f"))


@pytest.mark.parametrize(
    ("wish", "encoding"),
    [
        (LayerWish(), HIGHEST),
        (LayerWish(rid="q"), 0),
        (LayerWish(encoding_id="f"), 2),
        (LayerWish(max_spatial_layer_id=1), 1),
        (LayerWish(max_spatial_layer_id=9), 2),
        (LayerWish(max_temporal_layer_id=0), HIGHEST),
    ],
)
def test_a_wish_means_one_encoding(wish: LayerWish, encoding: int) -> None:
    assert encoding_of(wish, TRACK) == encoding


def test_an_encoding_that_is_not_published_is_named() -> None:
    with pytest.raises(RejectedError, match="'x' is not one of q, h, f"):
        encoding_of(LayerWish(rid="x"), TRACK)


def test_a_wish_may_come_before_the_track() -> None:
    assert encoding_of(LayerWish(rid="h"), None) == HIGHEST

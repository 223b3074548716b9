import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.rtc import ice


@given(st.integers(0, 63), st.integers(1, 2**32 - 1), st.binary(min_size=5, max_size=5))
def test_a_ufrag_is_16_ice_chars_that_name_node_and_worker(worker: int, transport: int, noise: bytes) -> None:
    ufrag = ice.make_ufrag("nod1", worker, transport, lambda n: noise[:n])
    assert len(ufrag) == 16
    assert set(ufrag) <= set(ice.ICE_CHARS)
    assert ufrag[:4] == "nod1"
    assert ice.ICE_CHARS.index(ufrag[4]) == worker


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_different_transports_never_share_a_ufrag(one: int, other: int) -> None:
    same_noise = bytes
    assert (one == other) == (
        ice.make_ufrag("nod1", 0, one, same_noise) == ice.make_ufrag("nod1", 0, other, same_noise)
    )


@pytest.mark.parametrize(("hint", "worker"), [("abc", 0), ("a:cd", 0), ("abcd", 64)])
def test_hints_that_do_not_fit_are_refused(hint: str, worker: int) -> None:
    with pytest.raises(ValueError):
        ice.make_ufrag(hint, worker, 1, bytes)


@given(st.text(max_size=40))
def test_every_node_name_has_a_hint(name: str) -> None:
    hint = ice.node_hint_of(name)
    assert len(hint) == 4
    assert set(hint) <= set(ice.ICE_CHARS)


def test_a_password_has_the_entropy_rfc_8445_asks_for() -> None:
    assert len(ice.make_pwd(bytes)) * 6 >= 128

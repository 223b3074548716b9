"""Every fuzz target holds for its corpus, thousands of mutations of it, and what Hypothesis thinks of."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.fuzz import CORPUS, seeds
from tests.fuzz.mutate import Mutator
from tests.fuzz.targets import LIVE, TARGETS

MUTATIONS, LIVE_MUTATIONS = 3000, 200


def test_every_corpus_has_a_target_and_the_reverse() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_says_what_must_hold(name: str) -> None:
    assert TARGETS[name].__doc__


@pytest.mark.parametrize("name", TARGETS)
def test_corpus_and_its_mutations(name: str) -> None:
    material, mutator = seeds(name), Mutator(name)
    for data in material:
        TARGETS[name](data)
    for _ in range(LIVE_MUTATIONS if name in LIVE else MUTATIONS):
        data = mutator.mutate(material)
        try:
            TARGETS[name](data)
        except Exception as error:
            raise AssertionError(f"{name} does not hold for {data.hex()}") from error


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes(name: str) -> None:
    strategy = st.binary(max_size=200) | st.sampled_from(seeds(name)).flatmap(
        lambda seed: st.builds(lambda head, tail: seed[:head] + tail, st.integers(0, len(seed)), st.binary())
    )

    @settings(derandomize=True, database=None)
    @given(strategy)
    def run(data: bytes) -> None:
        TARGETS[name](data)

    run()


def test_the_same_seed_makes_the_same_mutations() -> None:
    material = [b"headwater", b"\x80" * 20]
    first, second = Mutator(7), Mutator(7)
    assert [first.mutate(material) for _ in range(50)] == [second.mutate(material) for _ in range(50)]

from sfu.node.memory import MIN_CALLS, MemoryTrimmer


def test_memory_is_given_back_once_half_have_left() -> None:
    trimmer = MemoryTrimmer()
    assert not trimmer.note(10 * MIN_CALLS)
    assert not trimmer.note(6 * MIN_CALLS)
    assert trimmer.note(5 * MIN_CALLS)
    assert not trimmer.note(5 * MIN_CALLS)
    assert trimmer.note(2 * MIN_CALLS)


def test_a_few_calls_are_not_worth_it() -> None:
    trimmer = MemoryTrimmer()
    assert not trimmer.note(MIN_CALLS - 1)
    assert not trimmer.note(0)

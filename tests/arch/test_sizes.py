"""Size is a rule. Exceptions are listed with what was measured; an entry may shrink or go, never grow."""

import pytest

from tests.arch.source import ROOT, files, functions, python_classes

FILE_LINES, FUNCTION_LINES, PARAMETERS, METHODS = 500, 60, 5, 25
# C has neither keyword arguments nor slices: a pointer and its length are two parameters.
NATIVE_PARAMETERS = 8

LONG_FILES: dict[str, int] = {}
LONG_FUNCTIONS: dict[str, int] = {}
WIDE_FUNCTIONS: dict[str, int] = {
    # One call writes one message, all fields from the caller's own state.
    "bench/load/sinks.pyx::check_packet": 9,
    "sfu/_fastpath/wire/stun.pxd::stun_write_binding_request": 11,
}
BIG_CLASSES: dict[str, int] = {}


def beyond(measured: dict[str, int], limit: int) -> dict[str, int]:
    return {key: value for key, value in measured.items() if value > limit}


def check(measured: dict[str, int], limit: int, allowed: dict[str, int]) -> None:
    """`measured` keeps the limit but for `allowed`, which holds nothing that has shrunk meanwhile."""
    assert beyond(measured, limit) == allowed


def test_files_are_short() -> None:
    sources = files(".py", ".pyi", ".pyx", ".pxd", ".js", ".css")
    measured = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources}
    check(measured, FILE_LINES, LONG_FILES)


def test_functions_are_short() -> None:
    check({f.key: f.lines for f in functions()}, FUNCTION_LINES, LONG_FUNCTIONS)


def test_functions_take_few_positional_parameters() -> None:
    wide = {}
    for function in functions():
        native = function.path.suffix in (".pyx", ".pxd")
        if function.parameters > (NATIVE_PARAMETERS if native else PARAMETERS):
            wide[function.key] = function.parameters
    assert {key: count for key, count in wide.items() if not key.startswith("tests/")} == WIDE_FUNCTIONS


def test_classes_have_few_methods() -> None:
    check({c.key: c.methods for path in files(".py") for c in python_classes(path)}, METHODS, BIG_CLASSES)


@pytest.mark.parametrize("limit", [FILE_LINES, FUNCTION_LINES])
def test_the_native_reader_finds_functions(limit: int) -> None:
    """Guards the checks above against a reader that has gone blind."""
    native = [f for f in functions() if f.path.suffix in (".pyx", ".pxd")]
    assert len(native) > limit // 10
    assert any(f.lines > 10 and f.parameters > 2 for f in native)

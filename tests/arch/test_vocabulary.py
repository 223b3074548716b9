"""One word per thing: the names that say nothing are not used for files, types or functions."""

import ast
import re

from tests.arch.source import PACKAGES, ROOT, files, native_functions

BANNED = {
    "manager",
    "handler",
    "helper",
    "helpers",
    "util",
    "utils",
    "service",
    "impl",
    "context",
    "info",
    "munger",
}
# SRTP calls it so: a cryptographic context (RFC 3711 3.2).
ALLOWED = {"SrtpContext", "Context", "new_context"}
NATIVE_TYPE = re.compile(
    r"^\s*(?:cdef|cpdef|ctypedef)\s+(?:packed\s+)?(?:struct|class|enum)\s+(\w+)", re.MULTILINE
)


def words(name: str) -> set[str]:
    """The words of a CamelCase or snake_case name, in lower case."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def is_banned(name: str) -> bool:
    if name in ALLOWED or name.startswith(("test_", "srtp_context_", "context_")):
        return False
    return bool(words(name) & BANNED)


def test_no_file_has_an_empty_name() -> None:
    found = files(".py", ".pyi", ".pyx", ".pxd", ".js", ".html", ".css")
    assert [str(path.relative_to(ROOT)) for path in found if is_banned(path.stem)] == []


def test_no_python_type_or_function_has_an_empty_name() -> None:
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    names = [
        (str(path.relative_to(ROOT)), node.name)
        for path in files(".py", ".pyi")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, kinds)
    ]
    assert len(names) > len(PACKAGES)
    assert [entry for entry in names if is_banned(entry[1])] == []


def test_no_native_type_or_function_has_an_empty_name() -> None:
    found = []
    for path in files(".pyx", ".pxd"):
        if path.parent.name == "includes":
            continue
        declared = NATIVE_TYPE.findall(path.read_text())
        found += [(path.name, name) for name in (*declared, *(f.name for f in native_functions(path)))]
    assert [entry for entry in found if is_banned(entry[1])] == []

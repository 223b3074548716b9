"""What the checks here read: the project's own source files, and functions and types found in them."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FASTPATH = ROOT / "sfu" / "_fastpath"
PACKAGES = ("sfu", "director", "bench", "tests")

_BLOCK = re.compile(r"^(?P<indent> *)(?:cdef|cpdef|def|async def|class)\b(?P<head>.*)$")
_FROM_CIMPORT = re.compile(r"^\s*from\s+(sfu\.[\w.]+)\s+cimport\s+\(?([\w\s,]+)", re.MULTILINE)
_NATIVE_FUNCTION = re.compile(r"(?P<name>\w+)\s*\((?P<rest>.*)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Function:
    """One function: where it is, how long it is and how many parameters may be given by position."""

    path: Path
    name: str
    line: int
    lines: int
    parameters: int

    @property
    def key(self) -> str:
        return f"{self.path.relative_to(ROOT)}::{self.name}"


@dataclass(frozen=True, slots=True)
class Class:
    path: Path
    name: str
    methods: int

    @property
    def key(self) -> str:
        return f"{self.path.relative_to(ROOT)}::{self.name}"


def files(*suffixes: str, under: tuple[str, ...] = PACKAGES) -> list[Path]:
    """The project's files with these suffixes, top-level Python modules included."""
    found = [path for package in under for path in (ROOT / package).rglob("*") if path.suffix in suffixes]
    if ".py" in suffixes:
        found += ROOT.glob("*.py")
    return sorted(path for path in found if "node_modules" not in path.parts)


def python_functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
            bound = names[:1] in (["self"], ["cls"])
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1
            yield Function(path, node.name, node.lineno, lines, len(names) - bound)


def python_classes(path: Path) -> Iterator[Class]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            methods = [m for m in node.body if isinstance(m, ast.FunctionDef | ast.AsyncFunctionDef)]
            yield Class(path, node.name, len(methods))


def native_functions(path: Path) -> Iterator[Function]:
    """Functions with a body in a .pyx or .pxd file, found by their heads and indentation."""
    lines = path.read_text().splitlines()
    at = 0
    while at < len(lines):
        start = at
        at += 1
        head = _BLOCK.match(lines[start])
        if not head or "(" not in lines[start] or lines[start].lstrip().startswith("class"):
            continue
        text = lines[start]
        while text.count("(") > text.count(")") and at < len(lines):
            text += "\n" + lines[at]
            at += 1
        if not re.search(r":\s*(#.*)?$", text):
            continue
        indent = len(head["indent"])
        end = at
        while end < len(lines) and (not lines[end].strip() or _indent(lines[end]) > indent):
            end += 1
        while not lines[end - 1].strip():
            end -= 1
        match = _NATIVE_FUNCTION.search(text)
        assert match, text
        yield Function(path, match["name"], start + 1, end - start, _parameters(match["rest"]))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _parameters(rest: str) -> int:
    """How many parameters may be given by position: those before a bare `*` or the end, `self` not counted."""
    depth, names = 1, [""]
    for char in rest:
        depth += (char in "([") - (char in ")]")
        if depth == 0:
            break
        if char == "," and depth == 1:
            names.append("")
        else:
            names[-1] += char
    plain = [name.strip() for name in names if name.strip()]
    if "*" in plain:
        plain = plain[: plain.index("*")]
    return len(plain) - (plain[:1] == ["self"])


def functions() -> list[Function]:
    found = [function for path in files(".py") for function in python_functions(path)]
    return found + [function for path in files(".pyx", ".pxd") for function in native_functions(path)]


def cimports(path: Path) -> set[str]:
    """Modules of the project that a .pyx or .pxd file cimports."""
    text = path.read_text()
    found = set(re.findall(r"^\s*cimport\s+(sfu\.[\w.]+)", text, re.MULTILINE))
    for package, names in _FROM_CIMPORT.findall(text):
        found.add(package)
        parts = [name.strip().split(" as ")[0] for name in names.split(",")]
        base = ROOT / package.replace(".", "/")
        found |= {f"{package}.{name}" for name in parts if (base / f"{name}.pxd").is_file()}
    return found

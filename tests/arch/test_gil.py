"""The packet path never meets the interpreter: no GIL, no Python object, no exception, no allocation."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.arch.source import FASTPATH, ROOT

SOURCES = sorted(FASTPATH.rglob("*.pyx"))
NATIVE = sorted([*SOURCES, *FASTPATH.rglob("*.pxd")])
# In C code that Cython makes, each of these means the interpreter.
INTERPRETER = re.compile(
    r"PyGILState_Ensure|PyEval_RestoreThread|__Pyx_Raise|__Pyx_WriteUnraisable|__Pyx_AddTraceback|PyObject_|Py_INCREF"
)
HOT_SIGNATURE = re.compile(r"^cdef\s[^\n=]*?(\w+)\s*\([^()]*\)\s*noexcept\s+nogil", re.MULTILINE)
C_FUNCTION = re.compile(r"^[\w *]*\b(__pyx_f_\w+)\([^;{}]*\) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
CDEF_HEAD = re.compile(
    r"^cdef (?!class|struct|enum|extern|packed|union)[^=\n(]*\([^)]*\)[^\n]*", re.MULTILINE
)
ALLOCATION = re.compile(r"\b(malloc|calloc|realloc|posix_memalign|aligned_alloc|alloc_mb_mgr)\s*\(")
# Where Workers, Transports and Tracks are made: Commands, never packets.
MAY_ALLOCATE = {
    "batch",
    "control",
    "core",
    "forwarder",
    "history",
    "ring",
    "snapshot",
    "srtp",
    "srtp_ipsec_mb",
    "tables",
    "udp",
    "worker",
}


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, tuple[str, str]]:
    """For each .pyx: what Cython said and the C it made."""
    directory = tmp_path_factory.mktemp("generated")

    def generate(path: Path) -> tuple[str, str]:
        target = directory / ("_".join(path.relative_to(FASTPATH).with_suffix("").parts) + ".c")
        command = [sys.executable, "-m", "cython", "-3", "-X", "cdivision=True,wraparound=False"]
        command += [str(path.relative_to(ROOT)), "-o", str(target)]
        said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stderr
        return said.stdout + said.stderr, target.read_text()

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(SOURCES, pool.map(generate, SOURCES), strict=True))


def test_cython_has_no_performance_hints(generated: dict[Path, tuple[str, str]]) -> None:
    assert {path.name: said for path, (said, _) in generated.items() if "performance hint" in said} == {}


def test_no_hot_function_reaches_the_interpreter(generated: dict[Path, tuple[str, str]]) -> None:
    hot = {name for path in NATIVE for name in HOT_SIGNATURE.findall(path.read_text())}
    seen, guilty = 0, []
    for path, (_, code) in generated.items():
        for name, body in C_FUNCTION.findall(code):
            if any(name.endswith(f"_{plain}") for plain in hot):
                seen += 1
                if found := INTERPRETER.search(body):
                    guilty.append((path.name, name, found[0]))
    assert guilty == []
    assert seen > len(SOURCES)


def test_the_gil_is_never_taken() -> None:
    assert [path.name for path in NATIVE if re.search(r"\bwith\s+gil\b", path.read_text())] == []


def test_every_plain_native_function_is_noexcept_nogil() -> None:
    """Methods of cdef classes and functions over Python objects are the Python face, and exempt."""
    face = re.compile(r"\b(object|bytes|tuple|list|dict|str|except)\b|\w+ self\b")
    heads = [(path.name, head) for path in NATIVE for head in CDEF_HEAD.findall(path.read_text())]
    assert len(heads) > len(NATIVE)
    loose = [entry for entry in heads if "noexcept nogil" not in entry[1] and not face.search(entry[1])]
    assert loose == []


def test_memory_is_asked_for_only_where_things_are_set_up() -> None:
    own = [path for path in NATIVE if path.parent.name != "includes"]
    assert {path.stem for path in own if ALLOCATION.search(path.read_text())} <= MAY_ALLOCATE

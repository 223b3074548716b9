"""The packet core is a house with floors: every file cimports from its own floor or from those below."""

import re
from pathlib import Path

import pytest

from tests.arch.source import FASTPATH, ROOT, cimports, files

FLOORS = (
    {"includes"},
    {"wire"},
    {"stream"},
    {"ring", "tables"},
    {"batch", "commands"},
    {"core"},
    {"connectivity", "selection", "snapshot"},
    {"egress", "reports"},
    {"feedback", "ingress"},
    {"forwarder"},
    {"control", "encode", "udp"},
    {"pool", "worker"},
)
LEVEL = {name: level for level, floor in enumerate(FLOORS) for name in floor}
NATIVE = files(".pyx", ".pxd", under=("sfu",))


def floor_of(path: Path) -> int:
    """The floor of a file of the packet core; KeyError: give the new file its place in FLOORS."""
    return LEVEL[path.relative_to(FASTPATH).with_suffix("").parts[0]]


def file_of(module: str) -> Path:
    return ROOT / module.replace(".", "/")


@pytest.mark.parametrize("path", NATIVE, ids=lambda path: str(path.relative_to(FASTPATH)))
def test_a_file_rests_only_on_its_floor_and_those_below(path: Path) -> None:
    above = {module for module in cimports(path) if floor_of(file_of(module)) > floor_of(path)}
    assert above == set()


def test_the_wire_floor_is_header_only() -> None:
    assert list((FASTPATH / "wire").glob("*.pyx")) == []


def test_nothing_below_the_udp_floor_calls_the_kernel_or_reads_a_clock() -> None:
    calls = re.compile(r"\b(recvmmsg|sendmmsg|sendto|clock_gettime|epoll_wait|pthread_\w+|gettimeofday)\s*\(")
    inside = [path for path in NATIVE if LEVEL["includes"] < floor_of(path) < LEVEL["udp"]]
    assert [path.name for path in inside if calls.search(path.read_text())] == []

"""Every reason to drop a datagram is given somewhere; tests/fastpath/test_drops.py checks their names."""

import re

from tests.arch.source import FASTPATH

DECLARATION = FASTPATH / "wire" / "drops.pxd"


def declared() -> list[str]:
    """The reasons, without DROP_NONE and DROP_COUNT."""
    return re.findall(r"^    DROP_(\w+)", DECLARATION.read_text(), re.MULTILINE)[1:-1]


def test_every_reason_is_used_by_the_packet_core() -> None:
    text = "\n".join(p.read_text() for p in FASTPATH.rglob("*.p[yx][xd]") if p != DECLARATION)
    assert [name for name in declared() if not re.search(rf"\bDROP_{name}\b", text)] == []

"""Every reason to drop a datagram has a name for the outside and a place where it is counted."""

import re

from sfu._fastpath.drops import drop_names

from tests.arch.source import FASTPATH

DECLARATION = FASTPATH / "wire" / "drops.pxd"


def declared() -> list[str]:
    return re.findall(r"^    DROP_(\w+)", DECLARATION.read_text(), re.MULTILINE)[:-1]


def test_the_names_are_the_members_in_order() -> None:
    assert list(drop_names) == [name.lower() for name in declared()]


def test_every_reason_is_used_by_the_packet_core() -> None:
    text = "\n".join(p.read_text() for p in FASTPATH.rglob("*.p[yx][xd]") if p != DECLARATION)
    assert [name for name in declared() if not re.search(rf"\bDROP_{name}\b", text)] == []

"""Drop reasons: the names Python shows are the members of the native enum, in their order."""

import re
from pathlib import Path

import sfu._fastpath
from sfu._fastpath.drops import drop_names


def test_names_follow_the_enum() -> None:
    text = (Path(sfu._fastpath.__file__).parent / "wire" / "drops.pxd").read_text()
    members = re.findall(r"^    DROP_([A-Z0-9_]+)", text, re.MULTILINE)
    assert members[-1] == "COUNT"
    assert drop_names == tuple(member.lower() for member in members[:-1])

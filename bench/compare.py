"""Two results of `python -m bench --json`: what has become better or worse.

`python -m bench.compare before.json after.json [--tolerance 0.15]` exits 1 when a figure is worse by more than the
tolerance. Figures of different machines are not compared.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.__main__ import PROMISES

BETTER_WHEN_MORE = {promise.name for promise in PROMISES if promise.least}


def changes(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """Relative change of each figure that both have; positive is worse."""
    result = {}
    for name in sorted(before.keys() & after.keys()):
        old, new = before[name], after[name]
        change = (new - old) / abs(old) if old else float(new != 0)
        result[name] = -change if name in BETTER_WHEN_MORE else change
    return result


def same_machine(before: dict[str, Any], after: dict[str, Any]) -> bool:
    return all(before["machine"][key] == after["machine"][key] for key in ("cpu", "cores"))


def main(argv: Sequence[str] | None = None) -> int:
    """0: nothing worse; 1: something is; 2: not comparable."""
    flags = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__)
    flags.add_argument("before", type=Path)
    flags.add_argument("after", type=Path)
    flags.add_argument("--tolerance", type=float, default=0.15)
    options = flags.parse_args(argv)
    before, after = (json.loads(path.read_text()) for path in (options.before, options.after))
    if not same_machine(before, after):
        print("bench compare: these results are of different machines", file=sys.stderr)
        return 2
    worse = False
    for name, change in changes(before["figures"], after["figures"]).items():
        verdict = "worse" if change > options.tolerance else "better" if change < -options.tolerance else ""
        worse = worse or change > options.tolerance
        print(f"{name:<22} {before['figures'][name]:>10.3f} {after['figures'][name]:>10.3f}  {verdict}")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())

"""Instructions per forwarded packet, by function of the packet core, counted by callgrind.

    python -m bench.micro.forward [--json] [--viewers 500] [--rounds 3]

Counts do not depend on what else the machine does, so they show a regression that nanoseconds (packet.py) hide. The
crypto library runs its code for an older CPU under callgrind; compare only what is the core's own. Needs valgrind.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.machine import describe, headline

FRAMES = 10
PACKETS_PER_FRAME = 6
CHILD = """
import sys
from bench.micro.fanout import Fanout
fanout = Fanout(int(sys.argv[1]), frames=int(sys.argv[2]))
for _ in range(int(sys.argv[3])):
    fanout.forward_ns()
"""
ROW = re.compile(r"^ *([\d,]+) \([^)]*\) +\S*?:(\S+) \[\S*/(sfu/_fastpath/\S+?)\.\S*so\]$", re.MULTILINE)


def count(viewers: int, rounds: int) -> dict[str, int]:
    """Instructions of each function of the packet core, start-up included."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "callgrind.out"
        child = [sys.executable, "-c", CHILD, str(viewers), str(FRAMES), str(rounds)]
        valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--quiet"]
        subprocess.run([*valgrind, *child], check=True, capture_output=True)
        told = subprocess.run(
            ["callgrind_annotate", "--threshold=100", str(out)], check=True, capture_output=True, text=True
        )
    counted: dict[str, int] = {}
    for instructions, function, module in ROW.findall(told.stdout):
        name = f"{Path(module).name}.{plain(function, Path(module).name)}"
        counted[name] = counted.get(name, 0) + int(instructions.replace(",", ""))
    return counted


def plain(function: str, module: str) -> str:
    """A cdef function's name without Cython's prefix."""
    return function.rpartition(f"{len(module)}{module}_")[2] or function


def per_packet(viewers: int, rounds: int) -> dict[str, float]:
    """What forwarding one packet to one viewer takes: a long run less a short one, largest first."""
    long, short = count(viewers, rounds + 1), count(viewers, 1)
    packets = rounds * FRAMES * PACKETS_PER_FRAME * viewers
    taken = {name: (total - short.get(name, 0)) / packets for name, total in long.items()}
    return dict(sorted(taken.items(), key=lambda row: -row[1]))


def report(taken: Mapping[str, float], least: float = 0.5) -> None:
    print(f"{'':44}{'instructions':>13}")
    for name, instructions in taken.items():
        if instructions >= least:
            print(f"{name:44}{instructions:13.1f}")
    print(f"{'all of the packet core':44}{sum(taken.values()):13.1f}")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--viewers", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    if not shutil.which("callgrind_annotate"):
        parser.error("valgrind is not installed")
    taken = per_packet(options.viewers, options.rounds)
    if options.json:
        print(json.dumps({"machine": describe(), "instructions": taken}, indent=1))
    else:
        print(headline())
        report(taken)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

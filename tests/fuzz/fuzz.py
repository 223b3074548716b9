"""Mutates the corpus of each target for a while: `python -m tests.fuzz.fuzz --seconds 60 stun rtcp`.

Each target runs in a process of its own. The input at hand is always in shared memory, so one that kills or
hangs the process is kept too: in `build/fuzz/<target>/`, from where a fixed one moves to `corpus/<target>/`.
"""

import argparse
import hashlib
import mmap
import multiprocessing
import sys
import time
import traceback
from collections.abc import Hashable
from pathlib import Path

from tests.fuzz.mutate import MAX_BYTES, Mutator
from tests.fuzz.targets import TARGETS, Target

CORPUS = Path(__file__).parent / "corpus"
GRACE_S = 30.0
KEPT_INPUTS = 5000


def seeds(name: str) -> list[bytes]:
    """The corpus of a target, always with the empty input."""
    return [b"", *(path.read_bytes() for path in sorted((CORPUS / name).glob("*")))]


class Pad:
    """The input at hand, in memory that outlives the process that works on it."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 4 + MAX_BYTES)

    def put(self, data: bytes) -> None:
        self._memory[: 4 + len(data)] = len(data).to_bytes(4, "little") + data

    def get(self) -> bytes:
        return self._memory[4 : 4 + int.from_bytes(self._memory[:4], "little")]


def loop(body: Target, name: str, pad: Pad, seed: int, seconds: float) -> None:
    """Runs the corpus, then mutations of it and of every input with a new shape, until the time is up."""
    mutator, material, shapes = Mutator(f"{name} {seed}"), seeds(name), set[Hashable]()
    for data in material:
        pad.put(data)
        shapes.add(body(data))
    runs, end = len(material), time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in range(256):
            data = mutator.mutate(material)
            pad.put(data)
            shape = body(data)
            if shape not in shapes and len(material) < KEPT_INPUTS:
                shapes.add(shape)
                material.append(data)
        runs += 256
    print(f"{name:20} {runs:9} inputs, {len(shapes)} shapes")


def child(name: str, pad: Pad, seed: int, seconds: float) -> None:
    try:
        loop(TARGETS[name], name, pad, seed, seconds)
    except Exception:
        traceback.print_exc()
        sys.exit(1)


def fuzz(name: str, seed: int, seconds: float, found: Path) -> bool:
    """True if the target held; else its input is in `found`."""
    pad = Pad()
    process = multiprocessing.get_context("fork").Process(target=child, args=(name, pad, seed, seconds))
    process.start()
    process.join(seconds + GRACE_S)
    if process.exitcode == 0:
        return True
    fault = "hung" if process.exitcode is None else f"ended with {process.exitcode}"
    process.kill()
    process.join()
    data = pad.get()
    path = found / name / hashlib.sha256(data).hexdigest()[:16]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    print(f"{name:20} {fault}; input kept in {path}")
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description="Mutate the fuzz corpus.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; default: all")
    parser.add_argument("--seconds", type=float, default=20.0, help="for each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--found", type=Path, default=Path("build/fuzz"), help="where failing inputs go")
    args = parser.parse_args()
    if unknown := set(args.targets) - set(TARGETS):
        parser.error(f"no target {', '.join(sorted(unknown))}")
    names = args.targets or list(TARGETS)
    held = [fuzz(name, args.seed, args.seconds, args.found) for name in names]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())

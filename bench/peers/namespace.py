"""A network of our own for a comparison: nothing of the machine's is changed or seen, and no packet leaves it.

libnice ties its sockets to an interface that is not loopback (IP_UNICAST_IF). So here is a veth interface that both
has the server's address and owns the clients' range as local: packets between the two stay inside the kernel.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

INSIDE: Final = "HEADWATER_BENCH_NAMESPACE"
ADDRESS: Final = "198.51.100.1"
CLIENTS: Final = "127.16.0.0/12"
SETUP: Final = (
    "link set lo up",
    "link add bench0 type veth peer name bench1",
    f"address add {ADDRESS}/24 dev bench0",
    "link set bench0 up",
    "link set bench1 up",
    f"route add local {CLIENTS} dev bench0",
)


class NamespaceError(Exception):
    """The system does not let us have a network namespace."""


def enter(module: str, arguments: Sequence[str]) -> None:
    """Replaces this process by itself in a new namespace, or returns there once it is set up. NamespaceError."""
    if os.environ.get(INSIDE) != "1":
        unshare = shutil.which("unshare")
        if unshare is None:
            raise NamespaceError("unshare (util-linux) is not installed")
        flags = "-n" if os.geteuid() == 0 else "-rn"
        command = [unshare, flags, sys.executable, "-m", module, *arguments]
        os.execve(unshare, command, {**os.environ, INSIDE: "1"})
    for line in SETUP:
        done = subprocess.run(["ip", *line.split()], capture_output=True, text=True, check=False)
        if done.returncode:
            raise NamespaceError(f"ip {line}: {done.stderr.strip()}")

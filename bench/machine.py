"""The machine under a figure: no figure is worth printing without it."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any


def describe() -> dict[str, Any]:
    """CPU model, cores, kernel and how busy the machine was before the run (load average of one minute)."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def headline() -> str:
    """One line for the top of a table."""
    values = describe()
    return (
        f"{values['cpu']}, {values['cores']} cores, Linux {values['kernel']}, Python {values['python']}; "
        f"load average {values['load_average']} at the start"
    )
